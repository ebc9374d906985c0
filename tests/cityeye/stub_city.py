"""A city process without Ray: keeps the protocol, and fails as it is told to by a file.

`python -m tests.cityeye.stub_city FD`. The file `mode.txt` in the state folder says how it behaves.
It writes its process id into `city.pid`, and has a process below it that knows no parent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection

from cityeye.city_messages import CityBeat, CityJob, Done, Failed
from cityeye.city_process import PipedOrders
from cityeye.processes import end_with_parent


def main(descriptor: int) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    try:
        job: CityJob = connection.recv()
    except EOFError:
        return
    state = job.config.settings.state
    mode = (state / "mode.txt").read_text().strip()
    with (state / "starts.txt").open("a") as starts:
        starts.write(f"{job.until_s} {sum(job.incidents.values())}\n")
    orders = PipedOrders(connection)
    if mode == "fails":
        orders.start()
        orders.send(Failed("model crowding 1 cannot be served: it is a test", "", ""))
        os._exit(0)
    below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (state / "city.pid").write_text(f"{os.getpid()} {below.pid}")
    orders.start()
    orders.hub_url()
    until_s = None if job.duration_s is None else time.monotonic() + job.duration_s
    incidents = {"crowding.crowd": 2 + job.incidents.get("crowding.crowd", 0)}
    beat = CityBeat("watching", 0.0, "1 of 1 cameras online", until_s, incidents)
    orders.came_on(beat)
    while not orders.wait(0.1):
        if mode == "dies":
            time.sleep(1.5)
            os._exit(3)
        if mode != "hangs":
            orders.came_on(beat)
    (state / "stopped.txt").write_text("gently")
    orders.send(Done())
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
