"""Image geometry: sizes, and where a full image lies inside an analysis image.

Everything downstream of a camera works in normalised image coordinates, so a zone survives a
change of resolution and a box survives a change of model input size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

PADDING_VALUE = 114
"""Grey level (0 to 255) of letterbox borders, the value YOLO-family detectors are trained with."""

SAME_SHAPE = 0.03
"""Share by which width over height of two streams of one view may differ: their sizes are rounded
to whole blocks."""

ImageFit = Literal["letterbox", "stretch"]
"""`letterbox` keeps the aspect and leaves bars, `stretch` fills the analysis image."""


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height of an image in pixels."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"an image needs a positive size, got {self.width}x{self.height}")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    def has_shape_of(self, other: Size) -> bool:
        """Whether width over height is the same, but for `SAME_SHAPE`."""
        ratio = self.width * other.height / (self.height * other.width)
        return abs(ratio - 1) <= SAME_SHAPE


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where the full image lies inside an analysis image; without bars where it is stretched.

    Attributes:
        full: Size of the upright full image in square pixels.
        analysis: Size of the analysis image in pixels.
        content: Size of the scaled image inside the analysis image in pixels.
        left: Columns of padding on the left side.
        top: Rows of padding above.
    """

    full: Size
    analysis: Size
    content: Size
    left: int
    top: int

    @classmethod
    def fit(cls, full: Size, analysis: Size) -> Letterbox:
        """The largest centred placement of `full` inside `analysis`; content sizes are even."""
        scale = min(analysis.width / full.width, analysis.height / full.height)
        width = min(analysis.width, max(2, round(full.width * scale / 2) * 2))
        height = min(analysis.height, max(2, round(full.height * scale / 2) * 2))
        left, top = (analysis.width - width) // 2, (analysis.height - height) // 2
        return cls(full, analysis, Size(width, height), left, top)

    def to_normalised(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes (N, 4) x1 y1 x2 y2 in analysis pixels → normalised image coordinates in 0..1."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        extent = np.array([self.content.width, self.content.height] * 2, np.float32)
        shares: npt.NDArray[np.float32] = (boxes - offset) / extent
        np.maximum(shares, 0.0, out=shares)
        return np.minimum(shares, 1.0, out=shares)

    def to_analysis(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes (N, 4) x1 y1 x2 y2 in normalised image coordinates → analysis pixels."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        extent = np.array([self.content.width, self.content.height] * 2, np.float32)
        return (boxes * extent + offset).astype(np.float32)


@dataclass(frozen=True, slots=True, order=True)
class ViewSpec:
    """Which analysis image a model takes; a frame has one per distinct value.

    Attributes:
        size: Size of the analysis image in pixels.
        fit: How the full image is brought to that size.
    """

    size: Size
    fit: ImageFit = "letterbox"

    def __hash__(self) -> int:
        """One step instead of two: analysis images are looked up several times per frame."""
        return hash((self.size.width, self.size.height, self.fit))

    def place(self, full: Size) -> Letterbox:
        """Where a full image of this size lies in the analysis image."""
        if self.fit == "stretch":
            return Letterbox(full, self.size, content=self.size, left=0, top=0)
        return Letterbox.fit(full, self.size)
