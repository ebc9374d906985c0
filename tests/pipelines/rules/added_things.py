"""Static changes as the signal gives them, beside the tracks of a small world."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.detections import Box, common_area
from pipelines.incident import Transition
from pipelines.rules import Rule
from pipelines.rules.rule import FrameSignals
from pipelines.signals.signal import ChangeKind, StaticChange
from tests.pipelines.synthetic import MONO_START_S, Thing, View, World, moment, times

STILL_S, GONE_S = 7.5, 5.0
"""After how long the signal gives a change, and takes it back."""

LAYER_S = 5.0
"""After how long it says that something was put on a change."""

VIEW = View()


@dataclass(frozen=True)
class Added:
    """Something that lies in `box` from one second to another, and what is put on it later."""

    box: Box
    start_s: float
    end_s: float = math.inf
    kind: ChangeKind = ChangeKind.ADDED
    later_s: tuple[float, ...] = ()


def added(box: Box, start_s: float, end_s: float = math.inf) -> Added:
    return Added(box, start_s, end_s)


def dropped_by(
    x: float,
    y: float,
    start_s: float,
    end_s: float = math.inf,
    *,
    label: str = "bag",
    removed: bool = False,
) -> Added:
    """What looks like an object of a label on the ground."""
    box = VIEW.box(x, y, label)
    assert box is not None
    return Added(box, start_s, end_s, ChangeKind.REMOVED if removed else ChangeKind.ADDED)


@dataclass
class Ground:
    """A world with what was added to it.

    Attributes:
        things: Who is there, and what a detector sees.
        changes: What lies there.
        label: What the detector calls everything but persons and vehicles; empty for what it is.
        shake: Standard deviation of all boxes of the detector, shares of the image.
        settles_s: How old a change must be to belong to the place.
        start_s: When the worker starts.
    """

    things: Sequence[Thing]
    changes: Sequence[Added]
    label: str = ""
    shake: float = 0.0
    settles_s: float = math.inf
    start_s: float = 0.0

    def watched_by(self, rule: Rule, until_s: float, fps: float = 5.0) -> list[Transition]:
        world, steps = World(self.things), list[Transition]()
        rng = np.random.default_rng(5)
        for t in times(until_s, fps, self.start_s):
            tracks = world.tracks(t)
            if self.label:
                tracks = tuple(
                    one._replace(label=self.label) if one.label == "bag" else one for one in tracks
                )
            if self.shake:
                shaken = (rng.normal(0, self.shake, 4) for _ in tracks)
                tracks = tuple(
                    one._replace(box=Box(*(np.array(one.box) + off)))
                    for one, off in zip(tracks, shaken, strict=True)
                )
            covers = [one.box for one in tracks if one.label in {"person", "car", "truck"}]
            signals = FrameSignals(static_changes=tuple(self._listed(t, covers)))
            steps += rule.observe(tracks, moment(t), signals).transitions
        return steps

    def _listed(self, t: float, covers: Sequence[Box]) -> Iterable[StaticChange]:
        for number, one in enumerate(self.changes, 1):
            if not one.start_s + STILL_S <= t < one.end_s + GONE_S:
                continue
            if one.start_s + STILL_S >= one.end_s:
                continue  # It was gone before it had been still for long enough.
            seen_s = min(t, one.end_s)
            if any(common_area(one.box, cover) > 0 for cover in covers):
                seen_s = max(one.start_s + STILL_S, seen_s - 2.0)
            change = StaticChange(
                number, one.kind, one.box, MONO_START_S + one.start_s, MONO_START_S + seen_s,
                0.7 * common_area(one.box, one.box),
                later_s=tuple(MONO_START_S + s for s in one.later_s if t >= s + LAYER_S),
            )  # fmt: skip
            if t - one.start_s < self.settles_s:
                yield change
            elif t < one.end_s:
                yield replace(change, settled=True)
