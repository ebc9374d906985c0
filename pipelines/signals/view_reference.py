"""What the view of one camera normally is: learned in seconds, followed over minutes."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from pipelines.signals.block_grid import (
    Float32Map,
    block_correlations,
    block_deviations,
    correlation,
)
from pipelines.signals.view_measures import SMALL, ViewMeasures

LEARN_S: Final = 8.0
LEARN_IMAGES: Final = 4
"""After so long and so many images the reference is learned."""

FOLLOW_S: Final = 300.0
"""How slowly the reference follows what is seen, seconds."""

FADE_S: Final = 7200.0
"""How slowly it follows contrast that fades, so that fog which comes slowly is noticed, seconds."""

SAME_PATTERN: Final = 0.5
"""Correlation from which on a block shows the pattern that it always does."""

RELIABLE: Final = 0.6
"""Share of images in which a block must have shown its pattern to count."""

RELIABLE_S: Final = 60.0
"""Over which that share is taken, seconds."""

LEAST_BLOCKS: Final = 12
"""With fewer blocks that count, nothing is said of patterns: a plain wall has none."""

PATTERN_CONTRAST: Final = 4.0
"""Standard deviation of the edges of a block that has a pattern."""

FLAT: Final = 0.4
"""Share of its normal contrast below which a block is flat."""

LEAST_SHIFT: Final = 0.02
"""Share of the width by which a view is shifted at least."""

SHIFTED_CORRELATION: Final = 0.5
BETTER_SHIFTED: Final = 0.2
"""Correlation of the edges once the shift is undone, at least and more than before."""

LEAST_COMMON: Final = 0.4
"""Share of the image that a shift must leave in both."""

SAME_LAYOUT: Final = 0.6
"""Correlation of the brightness of blocks from which on light and dark are where they were."""


class ViewReference:
    """The normal view of one camera, and how the newest image differs from it.

    Attributes:
        is_learned: Whether there is enough to compare with.
        layout: (9, 16) float32, see `ViewMeasures`.
        noise: See `ViewMeasures`.
        lost: Share of the reliable blocks that do not show their pattern; 0 where few are reliable.
        hidden: Share of the reliable blocks that lost their pattern, are flat, and are not as
            bright and dark beside each other as they were: something is in front of them.
        contrast: Contrast of the reliable blocks as a multiple of the normal.
    """

    def __init__(self) -> None:
        """Starts without anything."""
        self.is_learned = False
        self.layout: Float32Map = np.zeros(0, np.float32)
        self.noise = 0.0
        self.lost = 0.0
        self.hidden = 0.0
        self.contrast = 1.0
        self._edges: Float32Map = np.zeros(0, np.float32)
        self._contrasts: Float32Map = np.zeros(0, np.float32)
        self._detail = 0.0
        self._shape = 0.0
        self._images = 0
        self._for_s = 0.0
        self._compared = 0
        self._matched: Float32Map = np.zeros(0, np.float32)
        self._shows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None = None

    def compare(self, now: ViewMeasures) -> None:
        """Sets what the image says beside the reference."""
        self.lost, self.hidden, self.contrast, self._shows = 0.0, 0.0, 1.0, None
        if not self._edges.size:
            return
        has_pattern = block_deviations(self._edges) >= PATTERN_CONTRAST
        shows = block_correlations(now.edges, self._edges) >= SAME_PATTERN
        self._shows = shows
        if not self._compared:
            return
        counts = has_pattern & (self._matched >= RELIABLE)
        blocks = int(counts.sum())
        if blocks < LEAST_BLOCKS:
            return
        flat = now.contrasts < FLAT * self._contrasts
        self.lost = float((counts & ~shows).sum()) / blocks
        hidden = counts & ~shows & flat
        if correlation(now.layout[hidden], self.layout[hidden]) < SAME_LAYOUT:
            self.hidden = float(hidden.sum()) / blocks
        self.contrast = float(np.median(now.contrasts[counts] / (self._contrasts[counts] + 1e-3)))

    def sharpness(self, now: ViewMeasures) -> tuple[float, float]:
        """Fine and coarse structure as multiples of the normal."""
        return now.detail / max(self._detail, 0.1), now.shape / max(self._shape, 0.1)

    def has_layout(self, now: ViewMeasures) -> bool:
        """Whether light and dark are where they normally are; true while that is not known."""
        return not self.is_learned or correlation(now.layout, self.layout) >= SAME_LAYOUT

    def is_shifted(self, now: ViewMeasures) -> bool:
        """Whether the image shows the known view, shifted."""
        window = cv2.createHanningWindow(SMALL, cv2.CV_32F)
        # OpenCV lays the window over the very arrays that it is given.
        found, _ = cv2.phaseCorrelate(self._edges.copy(), now.edges.copy(), window)
        across, down = round(found[0]), round(found[1])
        width, height = SMALL
        common = (width - abs(across)) * (height - abs(down)) / (width * height)
        if max(abs(across), abs(down)) < LEAST_SHIFT * width or common < LEAST_COMMON:
            return False
        known = _part(self._edges, -across, -down)
        undone = correlation(_part(now.edges, across, down), known)
        before = correlation(now.edges, self._edges)
        return undone >= max(SHIFTED_CORRELATION, before + BETTER_SHIFTED)

    def learn(self, now: ViewMeasures, elapsed_s: float) -> None:
        """Follows an image that nothing is wrong with; `compare` comes first."""
        self._images += 1
        self._for_s += elapsed_s
        follow = max(1.0 / self._images, min(1.0, elapsed_s / FOLLOW_S))
        if self._images == 1:
            self._edges, self.layout = now.edges.copy(), now.layout.copy()
            self._contrasts = now.contrasts.copy()
            self._matched = np.ones_like(now.layout)
        self._edges += follow * (now.edges - self._edges)
        self.layout += follow * (now.layout - self.layout)
        fade = max(1.0 / self._images, min(1.0, elapsed_s / FADE_S))
        fades = now.contrasts < self._contrasts
        self._contrasts += np.where(fades, fade, follow) * (now.contrasts - self._contrasts)
        self._detail += follow * (now.detail - self._detail)
        self._shape += follow * (now.shape - self._shape)
        if self._images > 1:
            self.noise += max(1.0 / (self._images - 1), follow) * (now.noise - self.noise)
        if self._for_s >= LEARN_S and self._images >= LEARN_IMAGES:
            self._note_matches(elapsed_s)

    def _note_matches(self, elapsed_s: float) -> None:
        """Which blocks show their pattern in most images; begins when there is a reference."""
        if self._shows is None:
            return
        self._compared += 1
        follow = max(1.0 / self._compared, min(1.0, elapsed_s / RELIABLE_S))
        self._matched += follow * (self._shows - self._matched)
        self.is_learned = self._compared >= LEARN_IMAGES


def _part(image: Float32Map, across: int, down: int) -> Float32Map:
    """What an image has in common with one that is shifted by so many pixels back."""
    height, width = image.shape
    rows = slice(max(0, down), height + min(0, down))
    columns = slice(max(0, across), width + min(0, across))
    return image[rows, columns]
