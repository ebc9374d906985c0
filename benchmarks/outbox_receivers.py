"""Receivers of events in a process of their own: HTTP, Kafka and MQTT, each on this machine.

`python -m benchmarks.outbox_receivers KIND` prints the address and runs until its input ends. For
Kafka it is librdkafka's mock cluster, which keeps everything in memory: what is measured is the
client, not a broker.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks.chaos.listening_ports import free_port
from benchmarks.errors import BenchmarkError
from benchmarks.mosquitto import Mosquitto, mosquitto_path
from benchmarks.receiver import receiving

START_S: Final = 20.0


@contextmanager
def _kafka() -> Iterator[str]:
    from confluent_kafka import Producer

    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    brokers = cluster.list_topics(timeout=START_S).brokers.values()
    yield f"kafka://{','.join(f'{one.host}:{one.port}' for one in brokers)}/events"


@contextmanager
def _mqtt() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder), free_port())
        broker.start()
        try:
            yield broker.url
        finally:
            broker.kill()


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
    if kind == "mqtt" and mosquitto_path() is None:
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
