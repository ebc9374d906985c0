"""Receivers of events in a process of their own: HTTP, Kafka and MQTT, each on this machine.

`python -m benchmarks.outbox_receivers KIND` prints the address and runs until its input ends. For
Kafka it is librdkafka's mock cluster, which keeps everything in memory: what is measured is the
client, not a broker.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.receiver import receiving

START_S: Final = 20.0
MOSQUITTO: Final = "mosquitto"


@contextmanager
def _kafka() -> Iterator[str]:
    from confluent_kafka import Producer

    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    brokers = cluster.list_topics(timeout=START_S).brokers.values()
    yield f"kafka://{','.join(f'{one.host}:{one.port}' for one in brokers)}/events"


@contextmanager
def _mqtt() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "mosquitto.conf"
        configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
        with subprocess.Popen(
            [_mosquitto() or MOSQUITTO, "-c", str(configuration)], stderr=subprocess.DEVNULL
        ) as broker:
            try:
                _wait_for(port)
                yield f"mqtt://127.0.0.1:{port}"
            finally:
                broker.terminate()


def _mosquitto() -> str | None:
    # Debian keeps it where only the administrator's shell looks.
    return shutil.which(MOSQUITTO) or shutil.which(MOSQUITTO, path="/usr/sbin")


def _wait_for(port: int) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise BenchmarkError(f"the broker does not listen on port {port}; try it by hand")


RECEIVERS: Final[dict[str, Callable[[], contextlib.AbstractContextManager[str]]]] = {
    "http": receiving,
    "kafka": _kafka,
    "mqtt": _mqtt,
}


def missing(kind: str) -> str:
    """What a kind of receiver lacks on this machine, in words; empty where it can run."""
    if kind == "kafka" and find_spec("confluent_kafka") is None:
        return "Kafka needs its client: pip install 'cityeye[kafka]'"
    if kind == "mqtt" and find_spec("paho") is None:
        return "MQTT needs its client: pip install 'cityeye[mqtt]'"
    if kind == "mqtt" and _mosquitto() is None:
        return "MQTT needs a broker: apt-get install mosquitto"
    return ""


@contextmanager
def receiver(kind: str) -> Iterator[str]:
    """The address of a receiver in a process of its own, which ends with the context.

    Raises:
        BenchmarkError: It does not start.
    """
    command = [sys.executable, "-m", "benchmarks.outbox_receivers", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdin is not None  # noqa: S101 - as asked for
        assert one.stdout is not None  # noqa: S101
        try:
            address = one.stdout.readline().strip()
            if not address:
                raise BenchmarkError(f"the {kind} receiver does not start; {missing(kind)}")
            yield address
        finally:
            one.stdin.close()


def main(kind: str) -> None:
    """Runs a receiver until the input ends."""
    with RECEIVERS[kind]() as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
