"""`cityeye bench signals`: static changes found and invented, and false alarms of the view.

In drawn places things are put down and taken away while people pass, and traffic goes by; nothing
is wrong with the view. Each place is shown in several lights and weathers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import truediv
from typing import Final

import numpy as np
from pydantic import JsonValue

from benchmarks.errors import BenchmarkError
from benchmarks.place_watch import CONDITIONS, DRAWN_PX, FPS, PlaceFrame, boxes_of, drawn, shown
from benchmarks.result import BenchmarkResult, Metric, ResultTable, RunStart
from benchmarks.subject import Say
from camera_adapters import Luma, Size
from models.detections import Box, common_area
from pipelines.signals import CameraSignals, ChangeKind, Signal, StaticChange
from simulation.scenes import Scene, busy_crossroad, busy_square, left_things

PLACES: Final[Mapping[str, Callable[[int, str], Scene]]] = {
    "park": lambda seed, light: left_things(seed, "park", light),
    "square": lambda seed, light: left_things(seed, "square", light),
    "busy square": lambda seed, light: replace(busy_square(seed), light=light),
    "busy crossroad": lambda seed, light: replace(busy_crossroad(seed), light=light),
}
TRAFFIC: Final = "busy crossroad"
LEAST_S: Final = 20.0
"""What lies for a shorter time, or leaves its place free for a shorter time, is not asked for."""

LEAST_SEEN: Final = 0.5
"""Share of a thing that is in view and not hidden by what belongs to the place."""

LATE_S: Final = 6.0
"""So long after a thing has gone it may still be told."""

ASPECT: Final = DRAWN_PX[0] / DRAWN_PX[1]
ASKED_AREA: Final = 0.0003
ASKED_SIDE: Final = 0.025
"""Share of the image that a thing has, and share of the height that both its sides have, from which
on it is asked for: what docs/signals.md promises."""

WANTED: Final = frozenset({Signal.VIEW, Signal.STATIC_CHANGE})
IN_COMMON: Final = 0.3
"""Share of the smaller of two boxes in the other one from which on a change is that thing."""


@dataclass(frozen=True, slots=True)
class SignalsBenchmark:
    """What to measure.

    Attributes:
        seeds: How many scenes of each place.
        seconds: Length of each.
        conditions: Names in `CONDITIONS`; all if there is none.
        first_seed: That of the first scene of each place.
    """

    seeds: int = 5
    seconds: float = 240.0
    conditions: tuple[str, ...] = ()
    first_seed: int = 1


@dataclass(frozen=True, slots=True)
class PlacedThing:
    """What should be told: a thing that was added, or one that was there and has been removed.

    Attributes:
        box: Normalised.
        is_asked: Whether it is large enough and there for long enough; else it may be told.
        start_s: When it was put down, or taken away.
        end_s: When the place is as it was, or the scene ends.
    """

    kind: ChangeKind
    box: Box
    is_asked: bool
    start_s: float
    end_s: float


@dataclass(slots=True)
class SignalFigures:
    """What was told of one scene.

    Attributes:
        seconds: Its length.
        asked: By kind, how many things should have been told.
        found: By kind, after how many seconds each was told that was.
        false_changes: Changes at no thing, or of the wrong kind.
        false_views: Faults of the view that were told; there was none.
    """

    seconds: float
    asked: dict[ChangeKind, int] = field(default_factory=lambda: dict.fromkeys(ChangeKind, 0))
    found: dict[ChangeKind, list[float]] = field(
        default_factory=lambda: {kind: [] for kind in ChangeKind}
    )
    false_changes: int = 0
    false_views: int = 0


Figures = dict[tuple[str, str], list[SignalFigures]]
"""By condition and place, those of each seed."""


def run(benchmark: SignalsBenchmark, say: Say) -> BenchmarkResult:
    """Draws the places and watches them.

    Raises:
        BenchmarkError: There is no such condition.
    """
    conditions = benchmark.conditions or tuple(CONDITIONS)
    if unknown := [name for name in conditions if name not in CONDITIONS]:
        raise BenchmarkError(f"no condition {unknown[0]!r}; there are: {', '.join(CONDITIONS)}")
    start = RunStart()
    figures: Figures = {(name, place): [] for name in conditions for place in PLACES}
    lights = sorted({CONDITIONS[name][0] for name in conditions})
    for seed in range(benchmark.first_seed, benchmark.first_seed + benchmark.seeds):
        for light in lights:
            for place, make in PLACES.items():
                say(f"seed {seed}, {light}, {place}: drawing {benchmark.seconds:g} s")
                scene = make(seed, light)
                frames = drawn(scene, seed, benchmark.seconds)
                things = placed_things(scene, benchmark.seconds)
                for name in conditions:
                    if CONDITIONS[name][0] == light:
                        figures[name, place].append(watch(frames, things, name, seed))
    settings: dict[str, JsonValue] = {
        "seeds": benchmark.seeds,
        "seconds": benchmark.seconds,
        "first_seed": benchmark.first_seed,
        "conditions": list(conditions),
        "fps": FPS,
    }
    return start.result("signals", settings, _metrics(figures), [_table(figures)])


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """An image of the size that signals ask for."""

    values: Luma

    def luma(self, size: Size) -> Luma:
        if (size.height, size.width) != self.values.shape:
            raise ValueError(f"the signals want an image of {size}, not of {self.values.shape}")
        return self.values


def placed_things(scene: Scene, seconds: float) -> list[PlacedThing]:
    """What happens to the place in the start of a scene, as far as it can be seen."""
    view, things = scene.view(DRAWN_PX), []
    for one in scene.resting:
        was_there = one.start_s == 0
        kind = ChangeKind.REMOVED if was_there else ChangeKind.ADDED
        start_s = one.end_s if was_there else one.start_s
        end_s = seconds if was_there else min(one.end_s, seconds)
        lying = [state for state in scene.states_at(one.start_s + 0.1) if state.key == one.key]
        truth = view.truth(lying)
        if not len(truth.boxes):
            continue
        (box,) = boxes_of(truth, np.ones(1, np.bool_))
        width, height = box.x2 - box.x1, box.y2 - box.y1
        is_large = width * height >= ASKED_AREA and min(width * ASPECT, height) >= ASKED_SIDE
        is_seen = bool(truth.visible[0] >= LEAST_SEEN) and end_s - start_s >= LEAST_S
        things.append(PlacedThing(kind, box, is_large and is_seen, start_s, end_s))
    return things


def watch(
    frames: Sequence[PlaceFrame], things: Sequence[PlacedThing], condition: str, seed: int
) -> SignalFigures:
    """Shows a place under a condition to both signals, and compares what they tell."""
    figures = SignalFigures(len(frames) / FPS)
    signals = CameraSignals(WANTED)
    told: dict[int, bool] = {}
    found: dict[PlacedThing, float] = {}
    fault = None
    lumas = shown(frames, CONDITIONS[condition][1], seed)
    for frame, luma in zip(frames, lumas, strict=True):
        newest = signals.observe(_Shown(luma), frame.at_s, frame.covers)
        before, fault = fault, newest.view
        figures.false_views += fault is not None and fault is not before
        for change in newest.static_changes:
            fitting = [one for one in things if _fits(change, one, frame.at_s)]
            told[change.id] = told.get(change.id, False) or bool(fitting)
            for thing in fitting:
                found.setdefault(thing, frame.at_s - thing.start_s)
    for thing in (one for one in things if one.is_asked):
        figures.asked[thing.kind] += 1
        if thing in found:
            figures.found[thing.kind].append(found[thing])
    figures.false_changes = sum(not fits for fits in told.values())
    return figures


def _fits(change: StaticChange, thing: PlacedThing, at_s: float) -> bool:
    if change.kind is not thing.kind or not thing.start_s <= at_s <= thing.end_s + LATE_S:
        return False
    smaller = min(_area(change.box), _area(thing.box))
    return common_area(change.box, thing.box) >= IN_COMMON * smaller


def _area(box: Box) -> float:
    return (box.x2 - box.x1) * (box.y2 - box.y1)


def _metrics(figures: Figures) -> list[Metric]:
    metrics = []
    for (condition, place), scenes in figures.items():
        of = f"[condition={condition},place={place}]"
        for kind in ChangeKind:
            recall = [len(one.found[kind]) / one.asked[kind] for one in scenes if one.asked[kind]]
            if recall:
                metrics.append(
                    Metric(
                        name=f"signals.recall_{kind}{of}", unit="", better="higher",
                        samples=tuple(recall),
                    )
                )  # fmt: skip
        hours = [one.seconds / 3600 for one in scenes]
        counts = {
            "false_changes": [one.false_changes for one in scenes],
            "false_view_faults": [one.false_views for one in scenes],
        }
        metrics += [
            Metric(
                name=f"signals.{what}_per_hour{of}", unit="1/h", better="lower",
                samples=tuple(map(truediv, count, hours)),
            )
            for what, count in counts.items()
        ]  # fmt: skip
    return metrics


def _table(figures: Figures) -> ResultTable:
    rows = []
    for condition in dict.fromkeys(name for name, _ in figures):
        on_foot = [one for place in PLACES if place != TRAFFIC for one in figures[condition, place]]
        traffic = figures[condition, TRAFFIC]
        hours = sum(one.seconds for one in [*on_foot, *traffic]) / 3600
        cells: list[str | float] = [condition, round(hours, 2)]
        for kind in ChangeKind:
            asked = sum(one.asked[kind] for one in on_foot)
            found = [after_s for one in on_foot for after_s in one.found[kind]]
            cells += [f"{len(found)} of {asked}", f"{np.median(found):.1f}" if found else "-"]
        cells += [_per_hour(scenes, "false_changes") for scenes in (on_foot, traffic)]
        cells.append(_per_hour([*on_foot, *traffic], "false_views"))
        rows.append(tuple(cells))
    return ResultTable(
        title="All seeds and places together",
        columns=(
            "condition",
            "hours",
            "added: found",
            "after, s (median)",
            "removed: found",
            "after, s (median)",
            "false changes per hour, people on foot",
            "false changes per hour, traffic",
            "false view faults per hour",
        ),
        rows=tuple(rows),
    )


def _per_hour(scenes: Sequence[SignalFigures], what: str) -> str:
    hours = sum(one.seconds for one in scenes) / 3600
    return f"{sum(getattr(one, what) for one in scenes) / hours:.1f}"
