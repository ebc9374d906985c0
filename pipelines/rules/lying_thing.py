"""`LyingThing`: one thing that lies in a zone, by whichever signal, and what speaks for litter.

It is recognised by where it is, not by ids of tracks or changes: both change, and a shaking camera
moves them. `likeness` says whether a box shows the same thing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from models.detections import Box, box_iou, common_area, common_share, is_covered, plain_label
from pipelines.rules.condition import Condition
from pipelines.rules.resting_place import OwnerTracker
from pipelines.signals.signal import StaticChange
from pipelines.track import CYCLES, LITTER, PERSONS, VEHICLES, Track

ROAD_USERS: Final = PERSONS | VEHICLES | CYCLES

ANIMALS: Final = frozenset(
    {"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"}
)
"""What general detectors take a bag for; they support it, but do not give it its name."""

UNNAMED: Final = "object"
"""Label of a thing that no class names."""

SAME_IOU: Final = 0.3
SAME_PART: Final = 0.5
SAME_SIZES: Final = 0.6
SHAKE: Final = 0.035
"""Two boxes show one thing if they overlap so much, if so much of the smaller one is in the other,
or if their centres are nearer than so many sizes, or this share of the image's height."""

ITSELF_IOU: Final = 0.4
"""A person or vehicle whose box overlaps the thing's so much is what seems to lie there."""

COVERED_SHARE: Final = 0.4
SETTLE_S: Final = 10.0
"""The box that classes give is the mean of about this time."""

PARTS_GAP: Final = 0.02
PARTS_S: Final = 3.0
"""Changes so near to each other, in shares of the height, that came at the same time are parts."""

NAMED_SIGHTINGS: Final = 2
ALONE_S: Final = 3.0
"""Nobody must have stayed with it for this long."""

MAX_SIZE_M: Final = 1.5
"""What is larger may be somebody who sits, a bicycle or a vehicle; a class must say that it is a
thing."""

SMALL_M: Final = 0.8
"""What is smaller is no vehicle, whatever its class says."""

ROAD_USER_SHARE: Final = 0.3
"""Share of the frames in which a class says that it is a person or vehicle, from which on it is."""


def likeness(one: Box, other: Box, aspect: float) -> float:
    """How well two boxes fit one thing: 0 not at all, above 0 the same one."""
    (x1, y1), (x2, y2) = one.centre, other.centre
    away = math.hypot((x1 - x2) * aspect, y1 - y2)
    size = max(_size(one, aspect), _size(other, aspect))
    iou = box_iou(one, other)
    is_same = (
        iou >= SAME_IOU
        or common_share(one, other) >= SAME_PART
        or away <= max(SAME_SIZES * size, SHAKE)
    )
    return iou + 1 / (1 + away / size) if is_same else 0.0


def gap(one: Box, other: Box, aspect: float) -> float:
    """How far apart two boxes are, in shares of the image's height; 0 where they touch."""
    across = (max(one.x1, other.x1) - min(one.x2, other.x2)) * aspect
    return max(across, max(one.y1, other.y1) - min(one.y2, other.y2), 0.0)


@dataclass(slots=True, eq=False)
class LyingThing:
    """One thing that lies.

    Attributes:
        number: Running number in its zone.
        box: Where it lies.
        aspect: Width over height of the image in pixels.
        since_s: Since when it has lain here, monotonic seconds.
        seen_s: When it was last seen here, uncovered.
        lies: Whether it lies here now; None where this frame does not show it.
        changes: The static changes that show it, as last seen, by id.
        named_s: When a class was last seen here.
        votes: How often each label was seen here.
        track: The newest track that shows it; None if none ever did.
        frames: In how many frames it was known.
        as_road_user: In how many of them a person or vehicle was seen in its very place.
        joined: Since when other changes have been parts of it that somebody put there later.
        layers: What was put on its changes later, by change and time: whether somebody brought it.
        was_there: Whether a class alone shows it, and did so at the start.
        brought: Whether somebody was beside it when it came.
        asked_s: When that was asked last.
        owners: Who stays with it.
        owner_ids: Tracks of those who were near when it came.
        watched_from_s: From when on it is known who was near.
        alone_since_s: Since when nobody has stayed with it; None while somebody does.
        size_m: The longer of its sides, metres.
        is_litter: Whether all conditions held once, and it has lain here since.
        is_kept: Whether an incident is about it, which keeps it from being forgotten.
    """

    number: int
    box: Box
    aspect: float
    since_s: float
    seen_s: float
    lies: bool | None = True
    changes: dict[int, StaticChange] = field(default_factory=dict)
    named_s: float = -math.inf
    votes: Counter[str] = field(default_factory=Counter)
    track: Track | None = None
    frames: int = 0
    as_road_user: int = 0
    joined: dict[int, float] = field(default_factory=dict)
    layers: dict[tuple[int, float], bool] = field(default_factory=dict)
    was_there: bool = False
    brought: bool = False
    asked_s: float = -math.inf
    owners: OwnerTracker = field(default_factory=OwnerTracker)
    owner_ids: set[int] = field(default_factory=set)
    watched_from_s: float = math.inf
    alone_since_s: float | None = None
    size_m: float = 0.0
    is_litter: bool = False
    is_kept: bool = False

    @property
    def label(self) -> str:
        """The most frequent label that names a thing, one of litter before others."""
        names = [(name in LITTER, count, name) for name, count in self._names()]
        return max(names)[2] if names else UNNAMED

    @property
    def is_litter_by_class(self) -> bool:
        """Whether a class says that it is litter."""
        return sum(n for name, n in self._names() if name in LITTER) >= NAMED_SIGHTINGS

    @property
    def is_thing_by_class(self) -> bool:
        """Whether a class says that it is anything but a person or vehicle."""
        return sum(self.votes.values()) >= NAMED_SIGHTINGS

    @property
    def pieces_since_s(self) -> Sequence[float]:
        """Since when each further piece that was put on it or against it has lain, oldest first."""
        brought = (since_s for (_, since_s), is_brought in self.layers.items() if is_brought)
        times: list[float] = []
        for since_s in sorted([*self.joined.values(), *brought]):
            # A change and a layer of another one may show the same piece.
            if not times or since_s - times[-1] > PARTS_S:
                times.append(since_s)
        return times

    @property
    def subject(self) -> Track:
        """The thing as one of the objects of an incident; its track is 0 if it never had one."""
        if self.track is None:
            return Track(0, self.label, self.box, 0.0, self.since_s, self.seen_s, self.aspect)
        return self.track._replace(label=self.label, box=self.box)

    def see_class(self, track: Track, at_s: float, *, places: bool) -> None:
        """Notes that a track is seen here; `places`: it also says where the thing lies."""
        if not places and box_iou(self.box, track.box) < SAME_IOU:
            return  # A class of something else that only is near gives it no name.
        self.votes[plain_label(track.label)] += 1
        if not places:
            return
        # A class says better than a change where one thing ends, once it sees it.
        is_first = math.isinf(self.named_s)
        span_s = 0.0 if is_first else at_s - self.named_s
        share = span_s / (span_s + min(at_s - self.since_s, SETTLE_S)) if span_s > 0 else 0.0
        self.box = track.box if is_first else self.box.towards(track.box, share)
        self.seen_s = max(self.seen_s, at_s)
        self.named_s, self.track = at_s, track

    @property
    def area(self) -> float:
        """Share of the image that it covers, as far as it is known."""
        box = common_area(self.box, self.box)
        return min(box, sum(one.area for one in self.changes.values())) if self.changes else box

    def is_covered(self, others: Iterable[Track]) -> bool:
        """Whether somebody or something stands between the camera and the thing."""
        return is_covered(self.box, (other.box for other in others), COVERED_SHARE)

    def is_seen_as(self, others: Iterable[Track]) -> bool:
        """Whether one of these persons or vehicles is what seems to lie here."""
        return any(box_iou(self.box, other.box) >= ITSELF_IOU for other in others)

    def conditions(
        self, at_s: float, confirm_s: float, needed: int, evidence: int
    ) -> Sequence[Condition]:
        """What decides whether it is litter.

        Args:
            at_s: Now, monotonic seconds.
            confirm_s: How long it must have lain here.
            needed: How much evidence there must be.
            evidence: How much there is.
        """
        alone_s = 0.0 if self.alone_since_s is None else at_s - self.alone_since_s
        share = self.as_road_user / max(1, self.frames) if self.size_m >= SMALL_M else 0.0
        conditions = (
            Condition("lies", round(self.seen_s - self.since_s, 1), confirm_s, "s"),
            Condition("nobody_stays", round(alone_s, 1), min(ALONE_S, confirm_s), "s"),
            Condition("evidence", float(evidence), float(needed)),
            Condition("seen_as_road_user", round(share, 2), ROAD_USER_SHARE, at_least=False),
        )
        if self.is_thing_by_class:
            return conditions
        return (*conditions, Condition("size", round(self.size_m, 2), MAX_SIZE_M, "m", False))

    @property
    def where(self) -> str:
        """The thing in a few words: `bag at 0.41 0.77`."""
        x, y = self.box.centre
        return f"{self.label} at {x:.2f} {y:.2f}"

    @property
    def evidence_words(self) -> str:
        """What shows it, in a short sentence."""
        said = []
        if self.changes:
            said.append(f"static change {', '.join(map(str, sorted(self.changes)))}")
        if self.votes:
            seen = ", ".join(f"{name} {count} times" for name, count in self.votes.most_common(3))
            said.append(f"seen as {seen}")
        said.append("somebody brought it" if self.brought else "nobody was seen to bring it")
        if self.alone_since_s is None:
            said.append("somebody stays with it")
        return "; ".join(said)

    def _names(self) -> list[tuple[str, int]]:
        return [(name, count) for name, count in self.votes.items() if name not in ANIMALS]


def _size(box: Box, aspect: float) -> float:
    return max((box.x2 - box.x1) * aspect, box.y2 - box.y1, 1e-6)
