"""`traffic.line_count`: how many cross a line per minute, by label and direction.

A crossing is counted once a vehicle is clearly on the other side, so that a box that shakes on the
line counts at most once. A vehicle that gets another track id at the line goes on under it, and one
that is first seen behind the line counts if it came across it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from models.detections import plain_label
from pipelines.incident import EndReason, Measurement
from pipelines.rules.condition import Explanation, SituationStage
from pipelines.rules.minutes import Minute, MinuteMeter
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    MeasureParameters,
    Moment,
    RuleResult,
    RuleType,
)
from pipelines.rules.zone import ImagePoint
from pipelines.rules.zone_geometry import LineShape, Vector
from pipelines.track import CYCLES, VEHICLES, Track, group_of

MEAN_S: Final = 0.4
"""Time constant of the mean position that must be on the other side."""

CLEAR_SIZES: Final = 0.25
"""How far beyond the line it must be, in sizes of the box."""

RETURN_SIZES: Final = 1.0
"""The same for somebody who was counted before."""

MAX_INTERVAL_S: Final = 0.4
"""Time between two frames from which on a vehicle near the camera is not followed any more."""

LOST_S, LOST_FRAMES = 2.0, 2.5
"""For so long, or so many frames, somebody who is missed may go on under another id."""

JOIN_SIZES: Final = 0.8
"""How far from where it is expected, in sizes of its box."""

ON_LINE_SHARE: Final = 1e-6
"""A way is made longer by this share, so that it does not end on the line."""

MAX_LABELS: Final = 20
"""So that what is measured stays small: two numbers for each label."""


class LineCountParameters(MeasureParameters):
    """Who is counted."""

    labels: tuple[str, ...] = Field(
        default=tuple(sorted(VEHICLES | CYCLES)),
        min_length=1,
        max_length=MAX_LABELS,
        description="labels of those that are counted",
        examples=["[car, truck, bicycle, person]"],
    )


@dataclass(slots=True)
class _Traveller:
    """Somebody who is followed towards the line.

    Attributes:
        track: As last seen.
        mean: Mean of the newest feet.
        velocity: Of the foot, in shares of the image per second; None before the second sighting.
        side: The side on which they are taken to be: 1 where traffic goes, else -1.
        crossed: Whether they came to the other side across the line, and not beside it.
        counts: How often they were counted.
    """

    track: Track
    mean: ImagePoint
    side: int
    velocity: Vector | None = None
    crossed: bool = False
    counts: int = 0


class _LineCountWatch:
    """One line; it opens no incidents."""

    def __init__(
        self, shape: LineShape, identity: Identity, parameters: LineCountParameters
    ) -> None:
        self._shape = shape
        self._identity = identity
        self._labels = {plain_label(label) for label in parameters.labels}
        self._meter = MinuteMeter()
        self._followed: dict[int, _Traveller] = {}
        self._counted: Counter[str] = Counter()

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        minute = self._meter.observe(at)
        measurements = [self._measure(minute)] if minute else []
        seen = [
            track
            for track in tracks
            if not track.rides and plain_label(track.label) in self._labels
        ]
        lost_s = max(LOST_S, LOST_FRAMES * self._meter.span_s)
        for key, one in list(self._followed.items()):
            if at.mono_s - one.track.last_seen_s > lost_s:
                self._leave(self._followed.pop(key))
        shown = {track.id for track in seen}
        for track in seen:
            known = self._followed.get(track.id) or self._joined(track, shown)
            if known is None:
                self._followed[track.id] = self._meet(track)
            else:
                self._follow(known, track)
                self._followed[track.id] = known
        return RuleResult(measurements=measurements)

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        for one in self._followed.values():
            self._leave(one)
        self._followed.clear()
        minute = self._meter.close(at)
        return RuleResult(measurements=[self._measure(minute)] if minute else [])

    def explain(self, at: Moment) -> Sequence[Explanation]:
        counted = self._counted["forward"] + self._counted["backward"]
        note = f"it only measures: {counted} crossed in this minute"
        return (Explanation(self._identity.zone, None, (), SituationStage.WATCHING, note=note),)

    def _meet(self, track: Track) -> _Traveller:
        foot = track.box.foot
        return _Traveller(track, foot, self._side(foot))

    def _joined(self, track: Track, shown: set[int]) -> _Traveller | None:
        """Who was missed, and goes on under this new id; they are followed no more."""
        found = {
            key: away
            for key, one in self._followed.items()
            if key not in shown
            and group_of(one.track.label) == group_of(track.label)
            and (away := _away(one, track)) <= JOIN_SIZES
        }
        return self._followed.pop(min(found, key=lambda key: found[key])) if found else None

    def _follow(self, one: _Traveller, track: Track) -> None:
        before, foot = one.track, track.box.foot
        span_s = track.last_seen_s - before.last_seen_s
        if span_s <= 0:
            return
        old = before.box.foot
        if one.velocity is None:
            one.velocity = (foot[0] - old[0]) / span_s, (foot[1] - old[1]) / span_s
            self._look_back(one)
        else:
            new = (foot[0] - old[0]) / span_s, (foot[1] - old[1]) / span_s
            one.velocity = _between(one.velocity, new, span_s / (span_s + MEAN_S))
        if self._side(old) != self._side(foot):
            one.crossed = self._is_crossed(old, foot)
        one.mean = _between(one.mean, foot, span_s / (span_s + MEAN_S))
        one.track = track
        self._count(one, one.mean)

    def _look_back(self, one: _Traveller) -> None:
        """Finds who crossed the line between their first detection and their first track."""
        track, (x, y) = one.track, one.track.box.foot
        hidden_s = max(0.0, track.last_seen_s - track.first_seen_s)
        to_x, to_y = one.velocity or (0.0, 0.0)
        start = x - hidden_s * to_x, y - hidden_s * to_y
        if self._is_crossed(start, (x, y)):
            one.side, one.crossed = self._side(start), True

    def _leave(self, one: _Traveller) -> None:
        """Counts who was clearly about to be on the other side when they were last seen."""
        (x, y), (to_x, to_y) = one.track.box.foot, one.velocity or (0.0, 0.0)
        self._count(one, (x + MEAN_S * to_x, y + MEAN_S * to_y))

    def _count(self, one: _Traveller, place: ImagePoint) -> None:
        """Counts somebody who is clearly on the other side at a place."""
        offset = self._shape.offset(place, one.track.aspect)
        side = 1 if offset > 0 else -1
        # Who was counted and shakes on the line must come away from it to count once more.
        clear = CLEAR_SIZES if not one.counts else RETURN_SIZES
        if side == one.side or abs(offset) < clear * _size(one.track):
            return
        one.side = side
        # Beside the line, or not over it yet: only those who were on the other side count.
        if one.crossed:
            one.counts += 1
            way = "forward" if side > 0 else "backward"
            self._counted[way] += 1
            self._counted[f"{plain_label(one.track.label)}_{way}"] += 1

    def _is_crossed(self, before: ImagePoint, after: ImagePoint) -> bool:
        """Whether the way between two places, one of which may lie on the line, crosses it."""
        start, end = (
            _between(before, after, -ON_LINE_SHARE),
            _between(before, after, 1 + ON_LINE_SHARE),
        )
        return self._shape.is_crossed(start, end)

    def _side(self, point: ImagePoint) -> int:
        return 1 if self._shape.offset(point, 1.0) > 0 else -1

    def _measure(self, minute: Minute) -> Measurement:
        counted, self._counted = self._counted, Counter()
        total = counted["forward"] + counted["backward"]
        detail = {
            "forward": float(counted.pop("forward", 0)),
            "backward": float(counted.pop("backward", 0)),
            "watched_s": minute.watched_s,
            **{name: float(count) for name, count in sorted(counted.items())},
        }
        return Measurement(
            "traffic.count",
            self._identity.camera,
            minute.begins_at,
            minute.ends_at,
            float(total),
            "1",
            line=self._identity.zone,
            detail=detail,
        )


def _away(one: _Traveller, track: Track) -> float:
    """How far a track is from where somebody who is missed is expected, in sizes."""
    span_s = track.last_seen_s - one.track.last_seen_s
    (x, y), (to_x, to_y) = one.track.box.foot, one.velocity or (0.0, 0.0)
    expected = x + span_s * to_x, y + span_s * to_y
    dx, dy = track.box.foot[0] - expected[0], track.box.foot[1] - expected[1]
    return math.hypot(dx * track.aspect, dy) / max(_size(one.track), _size(track))


def _between(one: Vector, other: Vector, share: float) -> Vector:
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])


def _size(track: Track) -> float:
    """Root of the area of a box, in heights of the image."""
    x1, y1, x2, y2 = track.box
    return math.sqrt(max((x2 - x1) * track.aspect * (y2 - y1), 1e-9))


LINE_COUNT: Final = RuleType(
    kind="traffic.line_count",
    version="1",
    task="traffic",
    Parameters=LineCountParameters,
    line=_LineCountWatch,
    measures=("traffic.count",),
    max_interval_s=MAX_INTERVAL_S,
)
