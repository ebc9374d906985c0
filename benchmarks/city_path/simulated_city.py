"""How many cameras director, outboxes and hub carry on this machine, and which is the limit.

Decoders and models are replaced by a recording: what one camera of a drawn street sends. How many
cameras a machine can decode and infer is measured elsewhere (`streams`, `gpu`).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from benchmarks.city_path.director_round import PER_WORKER, answering_workers
from benchmarks.city_path.hub_load import HubLoad, hub_load
from benchmarks.city_path.outboxes import outbox_events_per_s
from benchmarks.city_path.recording import CityRecording, record
from benchmarks.errors import BenchmarkError
from benchmarks.hub_process import running_hub
from benchmarks.result import BenchmarkResult, Metric, ResultTable, RunStart
from benchmarks.subject import Say
from pipelines.event import HEARTBEAT_EVERY_S

COUNTS: Final = (1, 10, 100, 1000, 10_000)
ROUND_MS: Final = 1000.0
"""How often the director asks."""


@dataclass(frozen=True, slots=True)
class CityBenchmark:
    """What to measure.

    Attributes:
        counts: Numbers of cameras, ascending.
        seconds: Length of each measurement.
        recorded_s: Length of the street that is recorded.
        folder: Where outboxes and the hub's database lie: their disk decides. The system's folder
            for temporary files where it is None.
    """

    counts: tuple[int, ...] = COUNTS
    seconds: float = 4.0
    recorded_s: float = 75.0
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class CitySize:
    """What was measured with one number of cameras.

    Attributes:
        cameras: How many.
        per_second: Events that one camera sends.
        round_ms: Of the director, by round.
        outbox_per_s: Events that the outboxes take.
        hub: What the hub does.
    """

    cameras: int
    per_second: float
    round_ms: tuple[float, ...]
    outbox_per_s: float
    hub: HubLoad

    @property
    def busy(self) -> dict[str, float]:
        """Which share of its time each part needs for so many cameras; above 1 it falls behind."""
        events, beats = self.cameras * self.per_second, self._workers / HEARTBEAT_EVERY_S
        return {
            "director": statistics.median(self.round_ms) / ROUND_MS,
            "outboxes": events / self.outbox_per_s,
            "hub": events / self.hub.events_per_s + beats / self.hub.heartbeats_per_s,
        }

    @property
    def limit(self) -> str:
        """The part with the least time left."""
        return max(self.busy, key=self.busy.__getitem__)

    @property
    def saturates(self) -> dict[str, float]:
        """At how many cameras each part has no time left, as far as its cost grows with them."""
        return {part: self.cameras / share for part, share in self.busy.items()}

    @property
    def _workers(self) -> int:
        return -(-self.cameras // PER_WORKER)


def run(benchmark: CityBenchmark, say: Say) -> BenchmarkResult:
    """Measures every number of cameras.

    Raises:
        BenchmarkError: Nothing was recorded, or the hub does not start or refuses what it should
            take.
    """
    start = RunStart()
    recording = record(benchmark.recorded_s)
    if not recording.bodies:
        raise BenchmarkError("nothing happens in so short a street; record more with --recorded")
    say(f"one camera sends {60 * recording.per_second:.1f} events a minute")
    sizes = _measured(benchmark, recording, say)
    settings: dict[str, JsonValue] = {
        "counts": list[JsonValue](benchmark.counts),
        "seconds": benchmark.seconds,
        "recorded_s": benchmark.recorded_s,
        "recorded_events": len(recording.bodies),
        "event_bytes": round(statistics.mean(map(len, recording.bodies))),
        "cameras_per_worker": PER_WORKER,
        "database": "sqlite",
    }
    return start.result("city", settings, _metrics(sizes), [_table(sizes), _limits(sizes[-1])])


def _measured(benchmark: CityBenchmark, recording: CityRecording, say: Say) -> list[CitySize]:
    with answering_workers() as workers:
        rounds_ms = {cameras: workers.round_ms(cameras) for cameras in benchmark.counts}
    say("the director is measured")
    sizes: list[CitySize] = []
    with running_hub(None, benchmark.folder) as hub:
        known = 0
        for cameras in benchmark.counts:
            stored = outbox_events_per_s(recording, cameras, benchmark.seconds, benchmark.folder)
            load = hub_load(hub, recording, known, cameras, benchmark.seconds)
            size = CitySize(cameras, recording.per_second, rounds_ms[cameras], stored, load)
            sizes.append(size)
            known = cameras
            say(f"{cameras} cameras: {size.limit} needs {size.busy[size.limit]:.1%} of its time")
    return sizes


def _metrics(sizes: Sequence[CitySize]) -> list[Metric]:
    found = []
    for one in sizes:
        label = f"[cameras={one.cameras}]"
        found += [
            Metric(
                name=f"city.director_round_ms{label}", unit="ms", better="lower",
                samples=one.round_ms,
            ),
            _single(f"city.outbox_events_per_s{label}", "events/s", one.outbox_per_s),
            _single(f"city.hub_events_per_s{label}", "events/s", one.hub.events_per_s),
            _single(f"city.hub_heartbeats_per_s{label}", "1/s", one.hub.heartbeats_per_s),
            Metric(
                name=f"city.hub_cameras_ms{label}", unit="ms", better="lower",
                samples=(one.hub.cameras_ms,),
            ),
        ]  # fmt: skip
    return found


def _single(name: str, unit: str, value: float) -> Metric:
    return Metric(name=name, unit=unit, better="higher", samples=(value,))


def _table(sizes: Sequence[CitySize]) -> ResultTable:
    return ResultTable(
        title="Share of its time that each part needs; above 100 % it falls behind",
        columns=(
            "cameras", "events/s", "director round, ms", "director", "outboxes take, events/s",
            "outboxes", "hub takes, events/s", "heartbeats/s", "hub", "list of cameras, ms",
            "next limit",
        ),
        rows=tuple(
            (
                one.cameras,
                one.cameras * one.per_second,
                statistics.median(one.round_ms),
                _percent(one.busy["director"]),
                one.outbox_per_s,
                _percent(one.busy["outboxes"]),
                one.hub.events_per_s,
                one.hub.heartbeats_per_s,
                _percent(one.busy["hub"]),
                one.hub.cameras_ms,
                one.limit,
            )
            for one in sizes
        ),
    )  # fmt: skip


def _limits(largest: CitySize) -> ResultTable:
    rows = sorted(largest.saturates.items(), key=lambda one: one[1])
    return ResultTable(
        title=f"Where each part has no time left, from its cost at {largest.cameras} cameras",
        columns=("part", "cameras"),
        rows=tuple((part, int(cameras)) for part, cameras in rows),
    )


def _percent(share: float) -> str:
    return f"{share:.2%}"
