"""A worker to be recorded: publishes, stores and delivers, starts again, and meets damage.

Run as a script with a folder and a way, `plain` or `damaged`. It has one thread, so that its system
calls are in one order; lines on standard output begin with `tried`, `committed` or `damaged`.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from pipelines.delivery.sinks.sink import Delivery
from tests.pipelines.delivery.outboxes import Edge, life

SINK = "hub"
CAMERAS = ("north", "south")
STARTS = 3
INCIDENTS = 16


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def work(folder: Path, start: int, chance: random.Random) -> None:
    edge = Edge(folder)
    edge.outbox.deliveries.register([SINK])
    edge.recover()
    for number in range(INCIDENTS):
        name = f"s{start}-{number}"
        for step in life(name, CAMERAS[number % 2]):
            say("tried", name, step.phase.value)
            edge.publish(step, value=chance.choice((None, 40, 90)))
            say("committed", name, step.phase.value)
        if chance.random() < 0.5:
            edge.upload()
        deliver(edge, CAMERAS[number % 2])
        edge.outbox.note_alive()
    # The last start ends as a killed process does.
    if start < STARTS - 1:
        edge.close()


def deliver(edge: Edge, camera: str) -> None:
    for _ in range(2):
        delivery = edge.outbox.deliveries.next(SINK, camera, 0.0)
        if isinstance(delivery, Delivery):
            edge.outbox.deliveries.acknowledge(SINK, delivery)


def damage(path: Path) -> None:
    """The schema becomes noise, and is noise on the disk as well."""
    say("damaged")
    descriptor = os.open(path, os.O_WRONLY)
    os.pwrite(descriptor, random.Random(1).randbytes(1500), 2000)
    os.fsync(descriptor)
    os.close(descriptor)


def main() -> None:
    folder, way = Path(sys.argv[1]), sys.argv[2]
    chance = random.Random(7)
    for start in range(STARTS):
        if way == "damaged" and start:
            damage(folder / "outbox.db")
        work(folder, start, chance)
    os._exit(0)


if __name__ == "__main__":
    main()
