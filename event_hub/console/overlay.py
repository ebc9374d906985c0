"""What is drawn over a keyframe: the zone or line of the incident, objects and where they went.

Everything comes from the event; the stored image is clean. Older events have no overlay: then the
boxes of those who take part are drawn, as the event has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from event_hub.queries import NamedKeyframe
from pipelines.event_evidence import KeyframeData

OBJECTS_MAX: Final = 40
LINE_ENDS: Final = 2

Corner = tuple[float, float]


@dataclass(frozen=True, slots=True)
class OverlayObject:
    """An object in pixels of the keyframe: its box as x, y, width, height, and its trail."""

    label: str
    score: float | None
    box: tuple[float, float, float, float]
    trail: str
    subject: bool


@dataclass(frozen=True, slots=True)
class KeyframeOverlay:
    """Shapes in pixels of the keyframe.

    Attributes:
        zone: Corners of the zone as SVG has them; empty where there is none.
        line: Both ends of the line; empty where there is none.
    """

    width: int
    height: int
    zone: str
    line: str
    objects: tuple[OverlayObject, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.zone or self.line or self.objects)


def overlay_of(keyframe: KeyframeData, named: NamedKeyframe | None) -> KeyframeOverlay:
    """What may be drawn over a keyframe; `named` has the subjects of older events."""
    width, height = max(1, keyframe.width), max(1, keyframe.height)
    place: Sequence[Corner] = keyframe.overlay.place if keyframe.overlay else ()
    drawn = []
    if keyframe.overlay is not None:
        for track in keyframe.overlay.tracks[:OBJECTS_MAX]:
            trail = _points(track.trail, width, height)
            if pixels := _pixels(track.box, width, height):
                drawn.append(OverlayObject(track.label, None, pixels, trail, track.subject))
    else:
        for subject in named.subjects[:OBJECTS_MAX] if named else ():
            if pixels := _pixels(subject.box, width, height):
                drawn.append(OverlayObject(subject.label, subject.score, pixels, "", True))
    points = _points(place, width, height)
    is_line = len(place) == LINE_ENDS
    return KeyframeOverlay(
        width,
        height,
        zone="" if is_line else points,
        line=points if is_line else "",
        # Who takes part is drawn last, above the others.
        objects=tuple(sorted(drawn, key=lambda one: one.subject)),
    )


def _pixels(
    box: tuple[float, float, float, float], width: int, height: int
) -> tuple[float, float, float, float] | None:
    """The part of a box that lies in the image; None where it has no area there."""
    x1, x2 = (min(1.0, max(0.0, edge)) * width for edge in box[0::2])
    y1, y2 = (min(1.0, max(0.0, edge)) * height for edge in box[1::2])
    if x2 <= x1 or y2 <= y1:
        return None
    return round(x1, 1), round(y1, 1), round(x2 - x1, 1), round(y2 - y1, 1)


def _points(places: Sequence[Corner], width: int, height: int) -> str:
    return " ".join(f"{x * width:.1f},{y * height:.1f}" for x, y in places)
