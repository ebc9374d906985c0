"""Masking: heads of persons and plates of vehicles are made unrecognisable in a keyframe.

No model finds heads or plates here: where they are follows from the boxes of persons and vehicles,
generously. Everything that any model of the camera found in the frame counts, also what is too
doubtful to be followed, and what was lost a moment ago counts where it was seen last. What no model
found is not masked. A region is replaced by so few cells that nothing of a face or a plate is left
in them: no enlargement brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from camera_adapters import Frame, FullImage, Image, Letterbox, Size
from models.detections import Box, Detections, plain_label
from pipelines.plan import ModelRef
from pipelines.track import CYCLES, PERSONS, VEHICLES, Track

CELLS: Final = 4
"""Along the longer side of a region: a head or a plate covers one or two of them."""

MARGIN: Final = 0.1
"""Boxes are that inexact, in their own width or height."""

LOST_MARGIN: Final = 0.3
"""The same for what was lost, which has gone on moving."""

OTHER_STREAM_S: Final = 0.3
"""By how much an image of the main stream may be earlier or later than the frame that was inferred:
what is followed moves on by so much of its own motion, either way."""

LEAST_MARGIN_PX: Final = 2.0
HOLD_S: Final = 2.0
"""How long what was lost counts where it was seen last, seconds."""

HOLD_INTERVALS: Final = 1.5
"""The same where a model infers less often, in intervals between its frames."""

HEAD_OF_HEIGHT: Final = 0.28
"""The head and neck of who stands, from the top of the box, in its heights."""

HEAD_OF_WIDTH: Final = 0.55
"""The same where the box is wide, as of who sits or is cut off below, in its widths."""

RIDER_OF_HEIGHT: Final = 0.45
"""Where the head of a rider may be in the box of a cycle that encloses both."""

PLATE_FROM: Final = 0.4
"""Plates of vehicles and cycles lie below this, from the top of the box, in its heights."""

WHOLE: Final = frozenset(
    {"face", "head", "plate", "license_plate", "licence_plate", "number_plate"}
)
"""What is masked as a whole, where a model finds it."""


@dataclass(frozen=True, slots=True, eq=False)
class SensitiveImage:
    """A full-resolution image, and where heads and plates are in it.

    Attributes:
        full: The image.
        regions: (x1, y1, x2, y2) in normalised image coordinates, perhaps beyond 0..1.
    """

    full: FullImage
    regions: tuple[Box, ...]

    @property
    def size(self) -> Size:
        """See `FullImage.size`."""
        return self.full.size

    def rgb(self) -> Image:
        """See `FullImage.rgb`: the image as it was taken."""
        return self.full.rgb()


def masked(image: Image, regions: Iterable[Box]) -> Image:
    """A copy of an image (H, W, 3) in which no region can be recognised any more."""
    result = image.copy()
    height, width = image.shape[:2]
    for region in regions:
        left, right = _pixels(region.x1, region.x2, width)
        top, bottom = _pixels(region.y1, region.y2, height)
        if left < right and top < bottom:
            part = result[top:bottom, left:right]
            part[:] = _coarse(image[top:bottom, left:right])
    return result


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """The pixels that a stretch touches, a few more on either side."""
    first = int(np.floor(low * size - LEAST_MARGIN_PX))
    last = int(np.ceil(high * size + LEAST_MARGIN_PX))
    return max(0, first), min(size, last)


def _coarse(part: Image) -> Image:
    """The means of a few square cells, each filled with its own."""
    height, width = part.shape[:2]
    cell = max(1, -(-max(height, width) // CELLS))
    rows, columns = np.arange(0, height, cell), np.arange(0, width, cell)
    sums = np.add.reduceat(part.astype(np.uint32), rows, axis=0)
    sums = np.add.reduceat(sums, columns, axis=1)
    heights = np.minimum(rows + cell, height) - rows
    widths = np.minimum(columns + cell, width) - columns
    means = (sums // (heights[:, None, None] * widths[None, :, None])).astype(np.uint8)
    coarse: Image = means.repeat(heights, axis=0).repeat(widths, axis=1)
    return coarse


def regions_of(label: str, box: Box, aspect: float, margin: float = MARGIN) -> tuple[Box, ...]:
    """Where heads and plates of an object may be; none for what has neither.

    Args:
        label: Its class name.
        box: Its box, in normalised image coordinates.
        aspect: Width of the image over its height.
        margin: How inexact the box is, in its own width and height.
    """
    name = plain_label(label)
    width, height = box.x2 - box.x1, box.y2 - box.y1
    left, right = box.x1 - margin * width, box.x2 + margin * width
    top, bottom = box.y1 - margin * height, box.y2 + margin * height

    def down_to(share: float) -> Box:
        return Box(left, top, right, box.y1 + (min(1.0, share) + margin) * height)

    plates = Box(left, box.y1 + (PLATE_FROM - margin) * height, right, bottom)
    if name in PERSONS:
        seated = HEAD_OF_WIDTH * width * aspect / height if height > 0 else 1.0
        return (down_to(max(HEAD_OF_HEIGHT, seated)),)
    if name in VEHICLES:
        return (plates,)
    if name in CYCLES:
        return (down_to(RIDER_OF_HEIGHT), plates)
    return (Box(left, top, right, bottom),) if name in WHOLE else ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is followed, where it was seen last.

    Attributes:
        seen_s: When, monotonic seconds.
        label: Its class name.
        box: Its box, in normalised image coordinates.
        drift: How far its middle moves in a second, in widths and heights of the image.
    """

    seen_s: float
    label: str
    box: Box
    drift: tuple[float, float] = (0.0, 0.0)

    def moved(self, now_s: float, label: str, box: Box) -> _Seen:
        """The same, seen again."""
        passed_s = now_s - self.seen_s
        if passed_s <= 0:
            return _Seen(now_s, label, box, self.drift)
        right = (box.x1 + box.x2 - self.box.x1 - self.box.x2) / 2
        down = (box.y1 + box.y2 - self.box.y1 - self.box.y2) / 2
        return _Seen(now_s, label, box, (right / passed_s, down / passed_s))


class MaskMemory:
    """Where the heads and plates of one camera are and were a moment ago. Not thread-safe."""

    def __init__(self, rates: Mapping[str, float]) -> None:
        """Starts with nothing; `rates` are frames per second by task."""
        slowest = min((rate for rate in rates.values() if rate > 0), default=1.0)
        self._hold_s = max(HOLD_S, HOLD_INTERVALS / slowest)
        self._seen: dict[tuple[str, int], _Seen] = {}
        self._found: list[tuple[ModelRef, Letterbox, Detections]] = []
        self._now_s = 0.0
        self._aspect = 1.0

    def note(
        self,
        frame: Frame,
        found: Mapping[ModelRef, Detections],
        tracks: Mapping[ModelRef, Iterable[Track]],
    ) -> None:
        """Takes what was found in a frame, and what of it is followed."""
        now_s = self._now_s = frame.captured_mono_s
        size = frame.full.size
        self._aspect = size.width / size.height
        for model, own in tracks.items():
            for track in own:
                seen = (now_s, track.label, track.box)
                known = self._seen.get((model.key, track.id))
                self._seen[model.key, track.id] = known.moved(*seen) if known else _Seen(*seen)
        gone_s = now_s - self._hold_s
        if any(one.seen_s < gone_s for one in self._seen.values()):
            self._seen = {key: one for key, one in self._seen.items() if one.seen_s >= gone_s}
        # Looked at only where a keyframe is taken of this frame, which itself is not held for it.
        self._found = [
            (model, frame.views[model.view].letterbox, one) for model, one in found.items()
        ]

    def image(self, full: FullImage, *, is_other: bool = False) -> SensitiveImage:
        """The image of the newest frame with all regions.

        Args:
            full: The image.
            is_other: Whether it is of another stream of the camera, perhaps `OTHER_STREAM_S` apart
                from the frame: regions are larger then, the more so where they move.
        """
        regions: list[Box] = []
        exact = LOST_MARGIN if is_other else MARGIN
        for one in self._seen.values():
            margin = exact if one.seen_s == self._now_s else LOST_MARGIN
            own = regions_of(one.label, one.box, self._aspect, margin)
            regions += (_swept(region, one.drift) for region in own) if is_other else own
        for found in self._found:
            for label, box in _boxes(*found):
                regions += regions_of(label, box, self._aspect, exact)
        return SensitiveImage(full, tuple(regions))


def _swept(region: Box, drift: tuple[float, float]) -> Box:
    """A region with where it may be `OTHER_STREAM_S` before and after."""
    right, down = (OTHER_STREAM_S * abs(one) for one in drift)
    return Box(region.x1 - right, region.y1 - down, region.x2 + right, region.y2 + down)


def _boxes(
    model: ModelRef, letterbox: Letterbox, detections: Detections
) -> Iterable[tuple[str, Box]]:
    """Everything that a model found in a frame, also where it is in doubt."""
    boxes = letterbox.to_normalised(detections.boxes)
    counts = detections.scores >= model.min_scores[detections.class_ids]
    for box, class_id in zip(boxes[counts], detections.class_ids[counts], strict=True):
        yield model.labels[int(class_id)], Box(*map(float, box))
