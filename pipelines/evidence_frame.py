"""`EvidenceFrame`: a frame that may become a keyframe, with what is to be drawn over it.

Keyframes are stored clean. Where the zone lies, what was tracked in the image and which way it came
is published as data, bounded, so that whoever shows a keyframe may draw it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from camera_adapters import EvidenceImage, FullImage
from models.detections import Box
from pipelines.event_evidence import OverlayData, OverlayTrackData
from pipelines.rules.zone import ImagePoint, Zone
from pipelines.rules.zone import Line as ZoneLine
from pipelines.track import Track

MAX_TRACKS: Final = 20
"""Those that take part in the incident first, then the most confident."""

TRAIL_POINTS: Final = 6
TRAIL_STEP_S: Final = 0.5
FORGET_S: Final = 5.0
DIGITS: Final = 4

Places = Mapping[str, tuple[ImagePoint, ...]]
"""The corners of each zone and the ends of each line of a camera, by name."""


def outlines(places: Iterable[Zone | ZoneLine]) -> Places:
    """The points of zones and lines by their names."""
    return {
        place.name: place.polygon if isinstance(place, Zone) else (place.start, place.end)
        for place in places
    }


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceFrame:
    """A frame at the moment when rules saw it.

    Attributes:
        image: The full image.
        tracks: All objects that are seen in it.
        trails: Where the foot of each was lately, by the id of its track, oldest first.
        places: The zones and lines of the camera.
        of_main: What `image` shows, where the camera has a main stream beside the one that is
            inferred.
    """

    image: FullImage
    tracks: tuple[Track, ...] = ()
    trails: Mapping[int, tuple[ImagePoint, ...]] = field(default_factory=dict)
    places: Places = field(default_factory=dict)
    of_main: EvidenceImage | None = None

    def prepare(self) -> None:
        """Decodes the image now, where that is still to be done."""
        if self.of_main is not None:
            self.of_main.prepare()

    def overlay(self, zone: str, subjects: Collection[int]) -> OverlayData:
        """What is to be drawn over the image for an incident.

        Args:
            zone: The zone or line of the incident.
            subjects: Ids of the tracks that take part.
        """
        ordered = sorted(self.tracks, key=lambda one: (one.id not in subjects, -one.score, one.id))
        return OverlayData(
            place=tuple(map(_rounded, self.places.get(zone, ()))),
            tracks=tuple(
                OverlayTrackData(
                    track=one.id,
                    label=one.label,
                    box=_rounded_box(one.box),
                    trail=self.trails.get(one.id, ()),
                    subject=one.id in subjects,
                )
                for one in ordered[:MAX_TRACKS]
            ),
        )


@dataclass(slots=True)
class _Trail:
    points: tuple[ImagePoint, ...]
    noted_s: float
    seen_s: float


class TrackTrails:
    """Where the tracks of one camera were lately."""

    def __init__(self) -> None:
        self._trails: dict[int, _Trail] = {}
        self._forgot_s = float("-inf")

    def observe(self, tracks: Iterable[Track], at_s: float) -> None:
        """Takes the tracks of a frame, and forgets those not seen for long."""
        for track in tracks:
            known = self._trails.get(track.id)
            if known is None:
                self._trails[track.id] = _Trail((_rounded(track.box.foot),), at_s, at_s)
                continue
            known.seen_s = at_s
            if at_s - known.noted_s >= TRAIL_STEP_S:
                known.noted_s = at_s
                known.points = (*known.points[1 - TRAIL_POINTS :], _rounded(track.box.foot))
        if at_s - self._forgot_s >= FORGET_S:
            self._forgot_s = at_s
            kept = {name: one for name, one in self._trails.items() if one.seen_s > at_s - FORGET_S}
            self._trails = kept

    def of(self, tracks: Iterable[Track]) -> dict[int, tuple[ImagePoint, ...]]:
        """The trails of some tracks, by id."""
        found = {track.id: self._trails.get(track.id) for track in tracks}
        return {name: one.points for name, one in found.items() if one is not None}


class PeakFrames:
    """The newest peak of each open incident whose peak is not published yet; bounded."""

    MOST: Final = 8
    """A full image that is held is some megabytes."""

    def __init__(self) -> None:
        self._frames: dict[str, EvidenceFrame] = {}

    def keep(self, incident: str, frame: EvidenceFrame) -> None:
        """Keeps the frame instead of an earlier one of the incident.

        Where there are too many, that of the incident whose peak is longest ago is given up.
        """
        self._frames.pop(incident, None)
        self._frames[incident] = frame
        while len(self._frames) > self.MOST:
            del self._frames[next(iter(self._frames))]

    def take(self, incident: str) -> EvidenceFrame | None:
        """Gives the frame away, if there is one."""
        return self._frames.pop(incident, None)


def _rounded(point: ImagePoint) -> ImagePoint:
    return round(float(point[0]), DIGITS), round(float(point[1]), DIGITS)


def _rounded_box(box: Box) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(side), DIGITS) for side in box)
    return x1, y1, x2, y2
