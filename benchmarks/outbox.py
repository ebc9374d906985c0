"""How many events a worker's outbox carries: stored durably, and delivered to each kind of sink.

Every event is a transaction that is on the disk when it returns, and is delivered by the courier of
production, one after the other. The receivers run beside it, in processes of their own.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import JsonValue, TypeAdapter

from benchmarks.errors import BenchmarkError
from benchmarks.outbox_receivers import RECEIVERS, missing, receiver
from benchmarks.result import BenchmarkResult, Quantity, ResultTable, RunStart, metrics_of
from benchmarks.rounds import Quantities, Rounds, interleave
from benchmarks.subject import Say
from pipelines.delivery import AnySink, Courier, Outbox, SinkSettings
from pipelines.event import CameraData, IncidentData, IncidentEvent, VersionData
from pipelines.event_identity import camera_source, event_id
from pipelines.event_incident import SubjectData

MEASURED: Final = (
    Quantity("stored_per_s", "events/s", "higher"),
    Quantity("drained_per_s", "events/s", "higher"),
    Quantity("sustained_per_s", "events/s", "higher"),
    Quantity("delivery_ms", "ms", "lower"),
    Quantity("cpu_ms", "ms", "lower"),
)
COLUMNS: Final = (
    "sink", "stored/s", "drained/s", "sustained/s", "ms per delivery", "CPU ms per delivery",
)  # fmt: skip
CITY: Final = "bench"
SINK: Final[TypeAdapter[SinkSettings]] = TypeAdapter(AnySink)


@dataclass(frozen=True, slots=True)
class OutboxBenchmark:
    """What to measure.

    Attributes:
        sinks: Kinds of sinks.
        cameras: Partitions that the events are spread over; a worker has 8.
        rounds: How often each sink is measured, in turns.
        seconds: How long events are stored, and how long they are stored and delivered at once.
        folder: Where the outbox lies: its disk decides. The system's folder for temporary files
            where it is None.
    """

    sinks: tuple[str, ...] = tuple(RECEIVERS)
    cameras: int = 8
    rounds: int = 5
    seconds: float = 1.0
    folder: Path | None = None


def run(benchmark: OutboxBenchmark, say: Say) -> BenchmarkResult:
    """Measures every kind of sink that can run here; says why others cannot.

    Raises:
        BenchmarkError: None can, or a receiver does not start.
    """
    start = RunStart()
    for reason in filter(None, map(missing, benchmark.sinks)):
        say(reason)
    kinds = [kind for kind in benchmark.sinks if not missing(kind)]
    if not kinds:
        raise BenchmarkError("no sink can be measured; name another one with --sink")
    with contextlib.ExitStack() as stack:
        sinks = {kind: stack.enter_context(receiver(kind)) for kind in kinds}
        rounds = interleave(
            {kind: partial(_measure, benchmark, url) for kind, url in sinks.items()},
            benchmark.rounds,
            lambda number, _: say(f"round {number} is complete"),
        )
    return start.result(
        "outbox",
        {
            "sinks": list[JsonValue](kinds),
            "cameras": benchmark.cameras,
            "rounds": benchmark.rounds,
            "seconds": benchmark.seconds,
            "event_bytes": len(next(_events(1)).model_dump_json()),
        },
        metrics_of(rounds, MEASURED, {kind: f"sink={kind}" for kind in kinds}),
        [_table(rounds, kinds)],
    )


def _measure(benchmark: OutboxBenchmark, url: str) -> Quantities:
    """One sink once: store for a while, deliver it all, then both at once."""
    with tempfile.TemporaryDirectory(dir=benchmark.folder) as folder:
        outbox = Outbox(Path(folder) / "outbox.db")
        try:
            sink = SINK.validate_python({"url": url, "name": "bench"}).open()
            outbox.deliveries.register([sink.name])
            courier = Courier(sink, outbox.deliveries, grace_s=0.0)
            events = _events(benchmark.cameras)
            outbox.record(next(events))
            _drain(courier, outbox)  # Connects.
            stored, stored_s = _store(outbox, events, benchmark.seconds)
            cpu_s = time.process_time()
            drained_s = _drain(courier, outbox)
            cpu_s = time.process_time() - cpu_s
            return {
                "stored_per_s": stored / stored_s,
                "drained_per_s": stored / drained_s,
                "sustained_per_s": _both(courier, outbox, events, benchmark.seconds),
                "delivery_ms": 1000 * drained_s / stored,
                "cpu_ms": 1000 * cpu_s / stored,
            }
        finally:
            outbox.close()


def _store(outbox: Outbox, events: Iterator[IncidentEvent], seconds: float) -> tuple[int, float]:
    """Stores for so long; how many, and the seconds that it took."""
    count, began_s = 0, time.monotonic()
    while (took_s := time.monotonic() - began_s) < seconds or not count:
        outbox.record(next(events))
        count += 1
    return count, took_s


def _drain(courier: Courier, outbox: Outbox) -> float:
    """Delivers everything; gives the seconds that it took.

    Raises:
        BenchmarkError: The receiver does not take it.
    """
    began_s = time.monotonic()
    while not outbox.deliveries.idle():
        _round(courier)
    return time.monotonic() - began_s


def _round(courier: Courier) -> None:
    courier.round()
    if trouble := courier.watch.state("bench").trouble:
        raise BenchmarkError(trouble)


def _both(
    courier: Courier, outbox: Outbox, events: Iterator[IncidentEvent], seconds: float
) -> float:
    """Events per second that are delivered while others are stored as fast as that goes.

    Raises:
        BenchmarkError: The receiver does not take it.
    """
    stop = threading.Event()

    def store() -> None:
        while not stop.is_set():
            outbox.record(next(events))

    thread = threading.Thread(target=store)
    before, began_s = courier.counters.delivered, time.monotonic()
    thread.start()
    try:
        while time.monotonic() < began_s + seconds or courier.counters.delivered == before:
            _round(courier)
        return (courier.counters.delivered - before) / (time.monotonic() - began_s)
    finally:
        stop.set()
        thread.join()


def _events(cameras: int) -> Iterator[IncidentEvent]:
    """Openings of incidents without keyframes, camera after camera, without end."""
    known = [CameraData(id=f"camera-{number}", name="The gate") for number in range(cameras)]
    subjects = tuple(
        SubjectData(track=number, label="car", score=0.8, box=(0.1, 0.2, 0.3, 0.4))
        for number in range(3)
    )
    for number in itertools.count():
        camera, now = known[number % cameras], datetime.now(UTC)
        incident = event_id(CITY, str(number))
        yield IncidentEvent(
            id=event_id(incident, "started"),
            source=camera_source(CITY, camera.id),
            subject=incident,
            time=now,
            partitionkey=camera.id,
            sequence="0",
            type="cityeye.incident.started",
            data=IncidentData(
                incident_id=incident,
                kind="traffic.congestion",
                phase="started",
                revision=0,
                severity="medium",
                camera=camera,
                zone="road",
                opened_at=now,
                updated_at=now,
                subjects=subjects,
                detail={"vehicles": 12.0, "speed_kmh": 3.5},
                model=VersionData(name="traffic", version="1"),
                rule=VersionData(name="traffic.congestion", version="1"),
            ),
        )


def _table(rounds: Rounds, kinds: list[str]) -> ResultTable:
    return ResultTable(
        title="Events of about one kilobyte, durable before they are sent, one at a time",
        columns=COLUMNS,
        rows=tuple(
            (kind, *(rounds.spread(kind, one.name).median for one in MEASURED)) for kind in kinds
        ),
    )
