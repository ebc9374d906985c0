"""The `Frame`: one decoded image, converted for inference on demand, kept for evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from camera_adapters.geometry import Letterbox, Size, ViewSpec

Image = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, RGB, C-contiguous, origin top left."""

Luma = npt.NDArray[np.uint8]
"""(H, W) uint8, brightness from black (0) to white (255), C-contiguous, origin top left."""


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisImage:
    """A frame scaled for one size and fit.

    Attributes:
        image: (H, W, 3) uint8 RGB; bars have `PADDING_VALUE`.
        letterbox: The placement, to turn boxes back into normalised image coordinates.
    """

    image: Image
    letterbox: Letterbox


class FullImage(Protocol):
    """A handle to the full-resolution image; cheap to hold, converted only on demand."""

    @property
    def size(self) -> Size:
        """Size of the upright image in square pixels."""
        ...

    def rgb(self) -> Image:
        """The upright image as (H, W, 3) uint8 RGB; converts on every call, from any thread."""
        ...


class SourceImage(FullImage, Protocol):
    """A full-resolution image that analysis images can be made from."""

    def views(self, specs: Iterable[ViewSpec]) -> Mapping[ViewSpec, AnalysisImage]:
        """Upright analysis images by size and fit; converts on every call, from any thread.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        ...

    def luma(self, size: Size) -> Luma:
        """The brightness of the whole upright image at `size`, stretched; from any thread.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded image of one camera.

    Attributes:
        index: Position among the decoded frames of this camera since its worker started.
        stream_restarts: Counts stream restarts; trackers start anew when it changes.
        captured_at: When the image was taken as far as this host knows, UTC: its arrival, or
            its place on the time line of a recording that is read fast.
        captured_mono_s: The same on the monotonic clock, seconds; all elapsed time uses this.
        arrived_mono_s: Arrival at this host on the monotonic clock; a frame's age counts from it.
        tasks: Names of the tasks that are due on this frame.
        views: Analysis images by size and fit, as far as `converted` was asked for them.
        full: The full-resolution image, held until this frame's result is in.
        decode_s: Seconds that decoding took; 0 where that is not known.
    """

    camera: str
    index: int
    stream_restarts: int
    captured_at: datetime
    captured_mono_s: float
    arrived_mono_s: float
    tasks: frozenset[str]
    views: Mapping[ViewSpec, AnalysisImage]
    full: SourceImage
    decode_s: float = 0.0

    def converted(self, specs: frozenset[ViewSpec]) -> Frame:
        """The frame with an analysis image for each of `specs`.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        missing = specs - self.views.keys()
        if not missing:
            return self
        return replace(self, views={**self.views, **self.full.views(missing)})
