"""Finds the regions that have left the background and are still: things, and what is only light.

What touches in the image is taken apart: a thing and its shadow, two things that were put down one
after the other, two things that a long shadow joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from camera_adapters import Luma
from pipelines.signals.background import Background
from pipelines.signals.block_grid import PixelMask
from pipelines.signals.change_region import MARGIN_PX, Region, shade

STAY_S: Final = 6.0
"""How long a change must be still until it is a candidate, seconds."""

CALM_S: Final = 2.0
"""How long a pixel must be still to belong to a change whose most pixels have stayed."""

LEAST_AREA: Final = 0.0003
"""Share of the image that a region has at least."""

LEAST_FILL: Final = 0.3
"""Share of its bounding box that a region fills; what fills less is several, or has a shadow."""

MOST_SHADE: Final = 0.8
"""Share of what touches from which on all of it is light: what is left at the edges is no thing."""

_GAP: Final = np.ones((5, 5), np.uint8)
_EDGE: Final = np.ones((3, 3), np.uint8)


class RegionFinder:
    """Finds the still regions of one image."""

    def __init__(self, background: Background, luma: Luma, at_s: float) -> None:
        """Takes the image (H, W) uint8 that the background has observed last."""
        self._background = background
        self._luma = luma
        self._at_s = at_s
        # Where only what is expected changed, as beside the edge of a shadow, the image is still.
        self._stays_s = np.minimum(background.still_s, background.left_for_s)
        self._still = background.left & (self._stays_s >= CALM_S)

    def regions(self, known: Sequence[Region]) -> list[Region]:
        """All of them; `known` are those that were found before and count as one thing each."""
        stays = self._still & (self._stays_s >= STAY_S)
        if np.count_nonzero(stays) < LEAST_AREA * stays.size / 2:
            return []
        joined = cv2.morphologyEx(self._still.view(np.uint8), cv2.MORPH_CLOSE, _GAP) > 0
        shaded = self._shaded(joined)
        things = joined & ~shaded
        newer = self._newer(things, known)
        return [
            region
            for part in (things & ~newer, newer, shaded)
            for outer in self._regions_of(part)
            for region in self._bodies(outer)
        ]

    def _shaded(self, joined: PixelMask) -> PixelMask:
        """Where there is only light."""
        shaded = np.zeros_like(joined)
        left, top, width, height = cv2.boundingRect(joined.view(np.uint8))
        part = np.s_[top : top + height, left : left + width]
        inside = joined[part]
        light = inside & shade(self._luma[part], self._background.expected[part])
        if light.any():
            count, labels = cv2.connectedComponents(inside.view(np.uint8))
            sizes = np.bincount(labels[inside], minlength=count)
            shades = np.bincount(labels[light], minlength=count)
            light |= (shades >= MOST_SHADE * sizes)[labels] & inside
        shaded[part] = light
        return shaded

    def _newer(self, things: PixelMask, known: Sequence[Region]) -> PixelMask:
        """What touches a known thing, and still was the place when that was there: another one."""
        newer = np.zeros_like(things)
        for region in known:
            window = region.window
            place_at_s = self._at_s - self._background.left_for_s[window]
            newer[window] |= things[window] & ~region.mask & (place_at_s >= region.since_s + CALM_S)
        if newer.any():
            # The edge of a thing comes and goes with the noise.
            newer = cv2.morphologyEx(newer.view(np.uint8), cv2.MORPH_OPEN, _EDGE) > 0
        return newer

    def _bodies(self, region: Region) -> list[Region]:
        """Takes long shadows off what casts them, and apart what they join."""
        if region.area >= LEAST_FILL * region.width * region.height:
            return [region]
        part = np.zeros_like(self._still)
        opened = cv2.morphologyEx(region.mask.view(np.uint8), cv2.MORPH_OPEN, _GAP)
        part[region.window] = opened > 0
        return self._regions_of(part) or [region]

    def _regions_of(self, part: PixelMask) -> list[Region]:
        outlines, _ = cv2.findContours(
            part.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        found = (self._region(outline, part) for outline in outlines)
        return [region for region in found if region is not None]

    def _region(self, outline: cv2.typing.MatLike, part: PixelMask) -> Region | None:
        """What is inside an outline; None if it is small, or has not been still."""
        rows, columns = part.shape
        left, top, width, height = cv2.boundingRect(outline)
        if width * height < LEAST_AREA * part.size:
            return None
        from_x, from_y = max(0, left - MARGIN_PX), max(0, top - MARGIN_PX)
        window = (
            slice(from_y, min(rows, top + height + MARGIN_PX)),
            slice(from_x, min(columns, left + width + MARGIN_PX)),
        )
        filled = np.zeros_like(part[window], np.uint8)
        cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED, offset=(-from_x, -from_y))
        mask = (filled > 0) & part[window]
        area = int(np.count_nonzero(mask))
        calm = mask & self._still[window]
        if area < LEAST_AREA * part.size or not calm.any():
            return None
        for_s = float(np.median(self._stays_s[window][calm]))
        if for_s < STAY_S:
            return None
        since_s = self._at_s - for_s
        return Region(left, top, width, height, area, window, mask, filled > 0, since_s)
