"""A worker to be killed: publishes incidents as fast as it can and says what it has committed.

Run as a script with a folder and a URL. Each line on standard input forks one worker, so that the
imports are paid for once; lines on standard output begin with `pid`, `trying`, `committed` or
`dead`, each in one write.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from camera_adapters.backoff import BackoffPolicy
from pipelines.delivery.courier import RetryPolicy
from pipelines.delivery.relay import Relay
from tests.pipelines.delivery.outboxes import Edge, http_sink, life

FAST = RetryPolicy(backoff=BackoffPolicy(first_s=0.01, cap_s=0.05))
GRACE_S = 0.02
CAMERAS = ("north", "south")
WITH_IMAGE = 0.7
MOST = 500
"""Incidents, so that a worker that nobody kills ends by itself."""


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def work(folder: Path, url: str, round_number: int) -> None:
    chance = random.Random(round_number)
    edge = Edge(folder)
    edge.store.down = round_number % 3 == 1
    edge.recover()
    Relay(
        edge.outbox, edge.spool, edge.store, [http_sink(url)], blob_grace_s=GRACE_S, retry=FAST
    ).start()
    for number in range(MOST):
        name = f"r{round_number}-{number}"
        for step in life(name, CAMERAS[number % 2]):
            value = chance.randrange(256) if chance.random() < WITH_IMAGE else None
            say("trying", name, step.phase.value)
            edge.publish(step, value=value)
            say("committed", name, step.phase.value)


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(Path(sys.argv[1]), sys.argv[2], int(line))
            os._exit(0)
        say("pid", pid)
        os.waitpid(pid, 0)
        say("dead", pid)


if __name__ == "__main__":
    main()
