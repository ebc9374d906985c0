"""Annotation: detections, tracks and places drawn into an image for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from camera_adapters import Image, Letterbox
from models.detections import Detections
from pipelines.rules.zone import ImagePoint
from pipelines.track import Track

RgbColour = tuple[int, int, int]
GREEN: Final[RgbColour] = (64, 224, 64)
MAGENTA: Final[RgbColour] = (255, 96, 224)
CYAN: Final[RgbColour] = (64, 208, 255)
GREY: Final[RgbColour] = (160, 160, 160)
TEXT_COLOUR: Final[RgbColour] = (16, 16, 16)


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """The detections of one model in one image.

    Attributes:
        found: Boxes in pixels of the analysis image.
        letterbox: Where the full image lies in the analysis image.
        labels: Class names by class id.
        colour: RGB.
        prefix: Written before every class name, to distinguish two models.
    """

    found: Detections
    letterbox: Letterbox
    labels: tuple[str, ...]
    colour: RgbColour = GREEN
    prefix: str = ""


def annotated(full: Image, overlays: Iterable[Overlay]) -> Image:
    """A copy of the full image (H, W, 3) RGB with boxes, class names and scores drawn in."""
    image = full.copy()
    for overlay in overlays:
        _draw(image, overlay)
    return image


def draw_tracks(image: Image, tracks: Iterable[Track]) -> None:
    """Draws thin boxes with class name and id of the track into an image (H, W, 3) RGB."""
    height, width = image.shape[:2]
    for track in tracks:
        x1, x2 = (round(side * width) for side in (track.box.x1, track.box.x2))
        y1, y2 = (round(side * height) for side in (track.box.y1, track.box.y2))
        cv2.rectangle(image, (x1, y1), (x2, y2), GREEN, 1)
        _write(image, f"{track.label} {track.id}", (x1, y1), GREEN)


def draw_places(
    image: Image,
    zones: Mapping[str, tuple[ImagePoint, ...]],
    masks: Mapping[str, tuple[ImagePoint, ...]],
) -> None:
    """Draws zones and lines with their names, and masks, into an image (H, W, 3) RGB.

    Points are in normalised image coordinates; two of them are a line.
    """
    height, width = image.shape[:2]
    for places, colour in ((masks, GREY), (zones, CYAN)):
        for name, points in places.items():
            corners = np.round(np.array(points) * (width, height)).astype(np.int32)
            cv2.polylines(image, [corners], isClosed=True, color=colour, thickness=1)
            _write(image, name, (int(corners[0][0]), int(corners[0][1])), colour)


def _draw(image: Image, overlay: Overlay) -> None:
    height, width = image.shape[:2]
    found = overlay.found
    boxes = overlay.letterbox.to_normalised(found.boxes) * (width, height, width, height)
    for box, score, class_id in zip(boxes, found.scores, found.class_ids, strict=True):
        x1, y1, x2, y2 = (round(float(value)) for value in box)
        cv2.rectangle(image, (x1, y1), (x2, y2), overlay.colour, 2)
        text = f"{overlay.prefix}{overlay.labels[int(class_id)]} {score:.2f}"
        _write(image, text, (x1, y1), overlay.colour)


def _write(image: Image, text: str, corner: tuple[int, int], colour: RgbColour) -> None:
    """Text on a plate above a box, or inside it at the upper edge of the image."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    x, y = corner[0], max(corner[1], height + base)
    cv2.rectangle(image, (x, y - height - base), (x + width, y), colour, cv2.FILLED)
    cv2.putText(
        image,
        text,
        (x, y - base),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.45,
        TEXT_COLOUR,
        1,
        cv2.LINE_AA,
    )
