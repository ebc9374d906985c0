"""What a run comes to: tables for people, and every promise that was broken as a sentence."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from benchmarks.chaos.drawn_truth import DrawnIncident, missed_incidents
from benchmarks.chaos.growth import (
    ProcessGrowth,
    broken_growth,
    growth_metrics,
    growth_plot,
    growth_table,
)
from benchmarks.chaos.kinds import FAULT_KINDS, FREEZE, disturbs
from benchmarks.chaos.lies import SurfaceLie, lies_in, longest_by_kind
from benchmarks.chaos.oracle import SinkFindings, compare, stored_keyframes, wrong_links
from benchmarks.chaos.records import FaultRecord, Recording
from benchmarks.chaos.surfaces import SURFACES
from benchmarks.result import BenchmarkResult, Cell, Metric, ResultTable, RunStart

LIE_S: Final = 15.0
FROZEN_LIE_S: Final = 60.0
NAMED: Final = 3

SINKS: Final = "What had to arrive, by sink"
FAULTS: Final = "Faults"
BROKEN: Final = "Promises broken"
NOT_REACHED: Final = "Not reached"
FAULT_COLUMNS: Final = (
    "kind",
    "times",
    "well after, median s",
    "worst s",
    "not well",
    "longest lie s",
)
RECOVERY: Final = "chaos.recovery_s"


class AfterChaos(Protocol):
    """What is asked of a street once its city has stopped."""

    exit_status: int | None

    @property
    def left(self) -> Sequence[str]:
        """Processes that outlived the main process of their city."""
        ...

    def keyframe(self, key: str) -> bytes | None:
        """A stored keyframe; None where there is none."""
        ...

    def drawn(self) -> Mapping[str, DrawnIncident]:
        """What each pass of every camera's clip shows."""
        ...


@dataclass(frozen=True, slots=True)
class ChaosOutcome:
    """A run with its result.

    Attributes:
        result: Tables and metrics.
        broken: Promises that were not kept, a sentence each.
    """

    result: BenchmarkResult
    broken: tuple[str, ...]

    @classmethod
    def of(
        cls,
        start: RunStart,
        seed: int,
        recording: Recording,
        street: AfterChaos,
        *,
        not_reached: Mapping[str, int],
        settled: bool,
        growth: Sequence[ProcessGrowth] = (),
    ) -> ChaosOutcome:
        """Compares what was recorded; `growth` is what is known of the processes in a soak."""
        findings = [
            compare(sink, recording.committed, arrivals)
            for sink, arrivals in recording.arrivals.items()
        ]
        arrived = [one for arrivals in recording.arrivals.values() for one in arrivals]
        links = wrong_links(arrived, street.keyframe)
        lies = lies_in(recording)
        missed, asked = missed_incidents(recording, street.drawn(), disturbs)
        broken = [
            *broken_deliveries(findings),
            *(f"keyframe link: {link}" for link in links),
            *broken_claims(lies, recording.faults),
            *(f"{one.camera}: no {one.kind} for a situation it saw" for one in missed),
            *(
                f"not well again after #{one.index} {one.kind} ({one.target})"
                for one in recording.faults
                if one.target and one.recovered_s is None
            ),
        ]
        broken += [f"{one} outlived its main process" for one in street.left]
        broken += broken_growth(growth)
        if not settled:
            broken.append("not everything had arrived when the city was stopped")
        if street.exit_status != 0:
            broken.append(f"the city did not stop in good order: status {street.exit_status}")
        tables = [
            sink_table(findings),
            kind_table(recording.faults, lies),
            lie_table(lies, recording.faults),
            ResultTable(
                title="Checked besides",
                columns=("what", "count"),
                rows=(
                    ("faults", sum(bool(one.target) for one in recording.faults)),
                    ("keyframes read", len(stored_keyframes(one.event for one in arrived))),
                    ("wrong keyframe links", len(links)),
                    ("situations that had to be seen", asked),
                    ("of which no incident reports", len(missed)),
                    ("claims of surfaces", len(recording.claims)),
                ),
            ),
        ]
        if growth:
            tables.append(growth_table(growth))
        if not_reached:
            rows = tuple((name, count) for name, count in not_reached.items())
            tables.append(ResultTable(title=NOT_REACHED, columns=("kind", "times"), rows=rows))
        if broken:
            rows_of_text = tuple((text,) for text in broken)
            tables.append(ResultTable(title=BROKEN, columns=("what",), rows=rows_of_text))
        settings = {"seed": seed, "faults": len(recording.faults)}
        metrics = [*recovery_metrics(recording.faults), *growth_metrics(growth)]
        plot = growth_plot(growth) if growth else None
        return cls(start.result("chaos", settings, metrics, tables, plot), tuple(broken))


def broken_deliveries(findings: Sequence[SinkFindings]) -> list[str]:
    """What sinks did not get as promised."""
    return [
        f"{one.sink}: {len(ids)} {what}: {', '.join(ids[:NAMED])}"
        for one in findings
        for what, ids in (
            ("lost", one.lost),
            ("never committed", one.phantoms),
            ("out of order", one.disordered),
            ("incidents not ended", one.unended),
        )
        if ids
    ]


def broken_claims(lies: Sequence[SurfaceLie], faults: Sequence[FaultRecord]) -> list[str]:
    """Lies that are longer than allowed."""
    return [
        f"{lie.surface} called {lie.camera} watched for {lie.lasted_s:.1f} s without a new frame, "
        f"during: {', '.join(_kinds(lie, faults)) or 'no fault'}"
        for lie in lies
        if lie.lasted_s > _allowed_s(lie, faults)
    ]


def _allowed_s(lie: SurfaceLie, faults: Sequence[FaultRecord]) -> float:
    frozen = any(
        one.kind == FREEZE and one.target == lie.camera and one.is_on(lie.begin_s, lie.end_s)
        for one in faults
    )
    return FROZEN_LIE_S if frozen else LIE_S


def _kinds(lie: SurfaceLie, faults: Sequence[FaultRecord]) -> list[str]:
    return sorted({one.kind for one in faults if one.is_on(lie.begin_s, lie.end_s)})


def sink_table(findings: Sequence[SinkFindings]) -> ResultTable:
    """How each sink stands."""
    return ResultTable(
        title=SINKS,
        columns=(
            "sink", "committed", "arrived", "lost", "phantoms", "out of order", "unended",
            "duplicates %",
        ),
        rows=tuple(
            (
                one.sink,
                one.committed,
                one.arrived,
                len(one.lost),
                len(one.phantoms),
                len(one.disordered),
                len(one.unended),
                round(100 * one.duplicate_share, 2),
            )
            for one in findings
        ),
    )  # fmt: skip


def kind_table(faults: Sequence[FaultRecord], lies: Sequence[SurfaceLie]) -> ResultTable:
    """How often each kind came, and how long until all was well."""
    counts = Counter(one.kind for one in faults if one.target)
    longest: dict[str, float] = {}
    for (_, kind), seconds in longest_by_kind(lies, faults).items():
        longest[kind] = max(longest.get(kind, 0.0), seconds)
    rows: list[tuple[Cell, ...]] = []
    for kind in FAULT_KINDS:
        if not counts[kind]:
            continue
        back = [
            one.recovered_s
            for one in faults
            if one.kind == kind and one.target and one.recovered_s is not None
        ]
        rows.append(
            (
                kind,
                counts[kind],
                round(statistics.median(back), 1) if back else "-",
                round(max(back), 1) if back else "-",
                counts[kind] - len(back),
                round(longest.get(kind, 0.0), 1),
            )
        )
    return ResultTable(title=FAULTS, columns=FAULT_COLUMNS, rows=tuple(rows))


def lie_table(lies: Sequence[SurfaceLie], faults: Sequence[FaultRecord]) -> ResultTable:
    """The longest lie of each surface."""
    rows: list[tuple[Cell, ...]] = []
    for surface in SURFACES:
        own = [lie for lie in lies if lie.surface == surface]
        if not own:
            rows.append((surface, 0.0, "-", "-"))
            continue
        worst = max(own, key=lambda lie: lie.lasted_s)
        kinds = ", ".join(_kinds(worst, faults)) or "no fault"
        rows.append((surface, round(worst.lasted_s, 1), worst.camera, kinds))
    columns = ("surface", "longest lie s", "camera", "during")
    return ResultTable(
        title="Called watched without a new frame", columns=columns, rows=tuple(rows)
    )


def recovery_metrics(faults: Sequence[FaultRecord]) -> list[Metric]:
    """Seconds until all was well, by kind."""
    samples: dict[str, list[float]] = {}
    for one in faults:
        if one.target and one.recovered_s is not None:
            samples.setdefault(one.kind, []).append(one.recovered_s)
    return [
        Metric(name=f"{RECOVERY}[{kind}]", unit="s", better="lower", samples=tuple(values))
        for kind, values in samples.items()
    ]
