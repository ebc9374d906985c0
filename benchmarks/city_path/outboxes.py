"""How many events per second the outboxes of one machine take, one for each eight cameras.

Each event is a transaction that is on the disk when it returns. Workers are processes; here each
core has one that goes round its share of the outboxes, as the machine has no more cores than that.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks.city_path.director_round import PER_WORKER
from benchmarks.city_path.recording import CityRecording
from pipelines.delivery import Outbox
from pipelines.event import EVENT, Event
from serving import usable_cores

MOST_OPEN: Final = 64
"""Outboxes that one process goes round; more of them change nothing."""
AHEAD_PER_S: Final = 4000
"""Events that are made before the clock starts, for each second."""


def outbox_events_per_s(
    recording: CityRecording, cameras: int, seconds: float, folder: Path | None
) -> float:
    """Events per second that all outboxes of so many cameras take together."""
    workers = -(-cameras // PER_WORKER)
    processes = min(workers, max(1, int(usable_cores())))
    own = min(-(-workers // processes), MOST_OPEN)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="cityeye-outboxes-") as name,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        shares = [
            pool.submit(
                _stored_per_s, recording, number, own, min(PER_WORKER, cameras), seconds, name
            )
            for number in range(processes)
        ]
        return sum((one.result() for one in shares), 0.0)


def _stored_per_s(
    recording: CityRecording, number: int, count: int, cameras: int, seconds: float, folder: str
) -> float:
    outboxes = [Outbox(Path(folder) / f"{number}-{one}.db") for one in range(count)]
    try:
        wanted = int(seconds * AHEAD_PER_S)
        events = list(itertools.islice(_events(recording, number, cameras), wanted))
        stored, began_s = 0, time.monotonic()
        for event, outbox in zip(events, itertools.cycle(outboxes), strict=False):
            outbox.record(event)
            stored += 1
            if time.monotonic() - began_s >= seconds:
                break
        return stored / (time.monotonic() - began_s)
    finally:
        for one in outboxes:
            one.close()


def _events(recording: CityRecording, number: int, cameras: int) -> Iterator[Event]:
    for round_number in range(sys.maxsize):
        for camera in range(cameras):
            for body in recording.of(f"cam-{number}-{camera}", round_number):
                yield EVENT.validate_json(body)
