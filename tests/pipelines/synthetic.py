"""A small world of boxes on a ground plane, with its truth: what trackers and rules are tested on.

Objects move in metres and seconds, a pinhole camera turns them into normalised boxes, and `Flaws`
spoil what a detector or tracker would make of them: jitter, misses, swapped ids, other labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from camera_adapters.geometry import Letterbox, Size
from models.detections import Box, Detections
from pipelines.incident import Phase, Transition
from pipelines.rules import Rule
from pipelines.rules.rule import Moment
from pipelines.rules.zone import GroundCalibration, ImagePoint, Zone
from pipelines.track import Track

LABELS = ("person", "car", "bus", "truck", "motorcycle", "bicycle", "bag", "bottle", "bin_bag")
FULL = Size(1920, 1080)
LETTERBOX = Letterbox.fit(FULL, Size(640, 384))
START = datetime(2024, 5, 17, 8, 30, tzinfo=UTC)
MONO_START_S = 1000.0
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))

Path = Callable[[float], ImagePoint | None]

SIZES = {
    "person": (0.6, 0.4, 1.7),
    "car": (1.8, 4.4, 1.5),
    "truck": (2.4, 8.0, 3.2),
    "bus": (2.5, 11.0, 3.1),
    "bag": (0.45, 0.3, 0.4),
    "bin_bag": (0.6, 0.6, 0.6),
    "bottle": (0.12, 0.12, 0.3),
}
"""Width across, length along the road and height, metres."""


@dataclass(frozen=True)
class View:
    """A pinhole camera over the origin that looks along +y; x is to the right. Metres."""

    height_m: float = 7.0
    pitch_deg: float = 28.0
    focal: float = 1.0
    aspect: float = 16 / 9

    def image(self, x: float, y: float, z: float = 0.0) -> ImagePoint | None:
        """Where a point of the world lies in the image, normalised; None behind the camera."""
        pitch = math.radians(self.pitch_deg)
        ahead = y * math.cos(pitch) - (z - self.height_m) * math.sin(pitch)
        above = y * math.sin(pitch) + (z - self.height_m) * math.cos(pitch)
        if ahead <= 0.1:
            return None
        return 0.5 + self.focal * x / ahead / self.aspect, 0.5 - self.focal * above / ahead

    def point(self, x: float, y: float) -> ImagePoint:
        """Where a point of the ground before the camera lies in the image."""
        point = self.image(x, y)
        assert point is not None
        return point

    @lru_cache(maxsize=4096)  # noqa: B019 - views are few and small
    def box(self, x: float, y: float, label: str) -> Box | None:
        """The box of an object that stands on the ground; None if it is not in the image."""
        width, length, height = SIZES[label]
        corners = [
            self.image(x + dx * width / 2, y + dy * length / 2, z)
            for dx in (-1, 1)
            for dy in (-1, 1)
            for z in (0.0, height)
        ]
        if any(corner is None for corner in corners):
            return None
        points = np.clip(np.array(corners), 0.0, 1.0)
        (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
        return Box(x1, y1, x2, y2) if x2 - x1 > 0.002 and y2 - y1 > 0.002 else None

    def calibration(self, places: Sequence[ImagePoint] = ((-5, 9), (5, 9), (6, 35), (-6, 35))):
        """Image points of places on the ground."""
        return GroundCalibration(tuple(self.point(*place) for place in places), tuple(places))

    def zone(self, *ground: ImagePoint, calibrated: bool = True, name: str = "zone") -> Zone:
        """A zone given by corners on the ground, or the whole image."""
        polygon = tuple(self.point(*corner) for corner in ground) if ground else WHOLE
        return Zone(name, polygon, self.calibration() if calibrated else None)


@dataclass(frozen=True)
class Thing:
    """An object: what it is and where it is when. `path` gives None while it is away."""

    label: str
    path: Path


@dataclass(frozen=True)
class Flaws:
    """What goes wrong between the world and the tracks.

    Attributes:
        jitter: Standard deviation of box corners, in box sizes.
        recall: Share of sightings that are not missed.
        switch_every_s: Mean time until a track gets a new id.
        flicker: Share of sightings of cars and trucks that are taken for the other.
        hidden: Things by index that are missed while the function is true of the time.
    """

    jitter: float = 0.0
    recall: float = 1.0
    switch_every_s: float = math.inf
    flicker: float = 0.0
    seed: int = 1
    hidden: dict[int, Callable[[float], bool]] = field(default_factory=dict)


def at(x: float, y: float, start: float = 0.0, end: float = math.inf) -> Path:
    """Stands at a place from `start` to `end`."""
    return lambda t: (x, y) if start <= t < end else None


def moving(
    x: float, y: float, vx: float, vy: float, start: float = 0.0, end: float = math.inf
) -> Path:
    """Moves at constant velocity; is at (x, y) at `start`."""
    return lambda t: (x + vx * (t - start), y + vy * (t - start)) if start <= t < end else None


def then(*legs: tuple[float, Path]) -> Path:
    """Follows each path until the time beside it: `then((5, at(0, 9)), (9, moving(...)))`."""

    def path(t: float) -> ImagePoint | None:
        return next((leg(t) for until, leg in legs if t < until), None)

    return path


class World:
    """Things before a camera."""

    def __init__(self, things: Iterable[Thing], view: View = View(), flaws: Flaws = Flaws()):
        self.things = tuple(things)
        self.view = view
        self.flaws = flaws
        self._rng = np.random.default_rng(flaws.seed)
        self._ids = {index: index + 1 for index in range(len(self.things))}
        self._born: dict[int, float] = {}
        self._next_id = len(self.things) + 1
        self._looked = 0.0

    def truth(self, t: float) -> list[tuple[int, str, Box]]:
        """Index, label and box of everything in the image."""
        seen = []
        for index, thing in enumerate(self.things):
            place = thing.path(t)
            box = self.view.box(*place, thing.label) if place else None
            if box:
                seen.append((index, thing.label, box))
        return seen

    def sightings(self, t: float) -> list[tuple[int, str, Box]]:
        """The truth with its flaws."""
        flaws, seen = self.flaws, []
        for index, label, box in self.truth(t):
            hidden = flaws.hidden.get(index)
            if self._rng.random() >= flaws.recall or (hidden and hidden(t)):
                continue
            if label in {"car", "truck"} and self._rng.random() < flaws.flicker:
                seen.append((index, "truck" if label == "car" else "car", self._shaken(box)))
            else:
                seen.append((index, label, self._shaken(box)))
        return seen

    def tracks(self, t: float) -> tuple[Track, ...]:
        """What a good tracker would give; ids change as `switch_every_s` says."""
        span, self._looked = t - self._looked, t
        tracks = []
        for index, label, box in self.sightings(t):
            if self._rng.random() < span / self.flaws.switch_every_s:
                self._ids[index] = self._next_id
                self._next_id += 1
            track = self._ids[index]
            now = MONO_START_S + t
            born = self._born.setdefault(track, now)
            tracks.append(Track(track, label, box, 0.9, born, now, self.view.aspect))
        return tuple(tracks)

    def detections(
        self, t: float, score: float = 0.9, letterbox: Letterbox = LETTERBOX
    ) -> tuple[Detections, list[int]]:
        """What a detector would give, and the truth's index of every row."""
        seen = self.sightings(t)
        boxes = np.array([[b.x1, b.y1, b.x2, b.y2] for _, _, b in seen], np.float32).reshape(-1, 4)
        detections = Detections(
            boxes=letterbox.to_analysis(boxes),
            scores=np.full(len(seen), score, np.float32),
            class_ids=np.array([LABELS.index(label) for _, label, _ in seen], np.int64),
        )
        return detections, [index for index, _, _ in seen]

    def _shaken(self, box: Box) -> Box:
        if not self.flaws.jitter:
            return box
        size = np.array([box.x2 - box.x1, box.y2 - box.y1] * 2)
        corners = np.array([box.x1, box.y1, box.x2, box.y2])
        shaken = corners + self._rng.normal(0, self.flaws.jitter, 4) * size
        x1, y1, x2, y2 = np.clip(shaken, 0, 1)
        return Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def times(until_s: float, fps: float = 5.0, start_s: float = 0.0) -> Iterator[float]:
    """When frames come: with the small unevenness of a real camera, the same every time."""
    for index in range(math.ceil((until_s - start_s) * fps)):
        yield start_s + index / fps + (0.015 * ((index * 7) % 3 - 1) / fps if index else 0.0)


def moment(t: float, clock_step: Callable[[float], float] = lambda t: 0.0) -> Moment:
    """The moment `t` seconds after `START`; the wall clock may be off by `clock_step(t)`."""
    return Moment(START + timedelta(seconds=t + clock_step(t)), MONO_START_S + t)


def run(rule: Rule, world: World, until_s: float, fps: float = 5.0) -> list[Transition]:
    """Lets a rule watch a world."""
    return [
        transition
        for t in times(until_s, fps)
        for transition in rule.observe(world.tracks(t), moment(t)).transitions
    ]


def seconds(when: datetime | None) -> float:
    """Seconds since `START`."""
    assert when is not None
    return (when - START).total_seconds()


def of(transitions: Iterable[Transition], phase: Phase) -> list[Transition]:
    """The transitions of one phase."""
    return [transition for transition in transitions if transition.phase is phase]
