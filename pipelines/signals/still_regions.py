"""Finds the regions that have left the background and are still: things, and what is only light.

What touches in the image is taken apart: a thing and its shadow, two things that were put down one
after the other, two things that a long shadow joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final

import cv2
import numpy as np

from camera_adapters import Luma
from pipelines.signals.background import Background, Window
from pipelines.signals.block_grid import PixelMask
from pipelines.signals.change_region import MARGIN_PX, Region, RegionKind, region_kind, shade

STAY_S: Final = 6.0
"""How long a change must be still until it is a candidate, seconds."""

CALM_S: Final = 2.0
"""How long a pixel must be still to belong to a change whose most pixels have stayed."""

LEAST_AREA: Final = 0.0003
MOST_AREA: Final = 0.1
"""Share of the image that a change has, at least and at most."""

LEAST_SIDE: Final = 0.025
"""Share of the height that both sides of a change have at least."""

CHANGES: Final = (RegionKind.ADDED, RegionKind.REMOVED)

LEAST_FILL: Final = 0.3
"""Share of its bounding box that a change fills; what fills less is several, or has a shadow."""

MOST_SHADE: Final = 0.8
"""Share of a region from which on all of it is light: what is left at its edges is no thing."""

PARTS_PX: Final = 6
PARTS_S: Final = 3.0
"""Changes of one kind that are so near to each other, and began so close together, are one."""

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

    def regions(self, known: Sequence[Region]) -> list[tuple[Region, RegionKind]]:
        """All of them with what they are; `known` were found before, and are one thing each."""
        stays = self._still & (self._stays_s >= STAY_S)
        if np.count_nonzero(stays) < LEAST_AREA * stays.size / 2:
            return []
        joined = cv2.morphologyEx(self._still.view(np.uint8), cv2.MORPH_CLOSE, _GAP) > 0
        newer = self._newer(joined, known)
        found = [
            told
            for part in (joined & ~newer, newer)
            for region in self._regions_of(part)
            for told in self._told(region)
        ]
        return _whole(found) if len(found) > 1 else found

    def _told(self, region: Region) -> list[tuple[Region, RegionKind]]:
        """A region with its kind; where it is no change as a whole, the changes in it."""
        kind = self._kind(region)
        if kind in CHANGES:
            return [(region, kind)]
        lit = self._lit(region)
        if np.count_nonzero(lit) >= MOST_SHADE * region.area:
            return [(region, kind)]
        things = self._placed(region.window, region.mask & ~lit)
        bodies = [body for part in self._regions_of(things) for body in self._bodies(part)]
        found = [(body, self._kind(body)) for body in bodies]
        if not any(kind in CHANGES for _, kind in found):
            return [(region, kind)]
        rest = self._placed(region.window, lit)
        return found + [(light, RegionKind.LIGHT) for light in self._regions_of(rest)]

    def _lit(self, region: Region) -> PixelMask:
        """Where in the window of a region there is only another light."""
        expected = self._background.expected[region.window]
        return region.mask & shade(self._luma[region.window], expected)

    def _kind(self, region: Region) -> RegionKind:
        rows = self._luma.shape[0]
        if (
            region.area > MOST_AREA * self._luma.size
            or min(region.width, region.height) < LEAST_SIDE * rows
            or region.area < LEAST_FILL * region.width * region.height
        ):
            return RegionKind.UNCLEAR
        return region_kind(region, self._luma, self._background.expected)

    def _newer(self, joined: PixelMask, known: Sequence[Region]) -> PixelMask:
        """What touches a known thing, and still was the place when that was there: another one."""
        newer = np.zeros_like(joined)
        for region in known:
            window = region.window
            place_at_s = self._at_s - self._background.left_for_s[window]
            newer[window] |= joined[window] & ~region.mask & (place_at_s >= region.since_s + CALM_S)
        if newer.any():
            # The edge of a thing comes and goes with the noise.
            newer = cv2.morphologyEx(newer.view(np.uint8), cv2.MORPH_OPEN, _EDGE) > 0
        return newer

    def _bodies(self, region: Region) -> list[Region]:
        """Takes long shadows off what casts them, and apart what they join."""
        if region.area >= LEAST_FILL * region.width * region.height:
            return [region]
        opened = cv2.morphologyEx(region.mask.view(np.uint8), cv2.MORPH_OPEN, _GAP) > 0
        return self._regions_of(self._placed(region.window, opened)) or [region]

    def _placed(self, window: Window, mask: PixelMask) -> PixelMask:
        """A mask of a window as one of the whole image."""
        part = np.zeros_like(self._still)
        part[window] = mask
        return part

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


def _whole(found: list[tuple[Region, RegionKind]]) -> list[tuple[Region, RegionKind]]:
    """Puts the parts of a thing together: of glass only the seams and the label stand out."""
    whole: list[tuple[Region, RegionKind]] = []
    for region, kind in found:
        parts = [one for one, its in whole if its is kind and _are_parts(one, region)]
        whole = [entry for entry in whole if entry[0] not in parts]
        whole.append((reduce(together, parts, region), kind))
    return whole


def _are_parts(one: Region, other: Region) -> bool:
    """Whether two regions have come at the same time, side by side."""
    across = max(one.left, other.left) - min(one.left + one.width, other.left + other.width)
    down = max(one.top, other.top) - min(one.top + one.height, other.top + other.height)
    is_near = max(across, down) <= PARTS_PX
    return is_near and abs(one.since_s - other.since_s) <= PARTS_S


def together(one: Region, other: Region) -> Region:
    """Two regions of one image as one."""
    left, top = min(one.left, other.left), min(one.top, other.top)
    width = max(one.left + one.width, other.left + other.width) - left
    height = max(one.top + one.height, other.top + other.height) - top
    window = (
        slice(*_ends(one.window[0], other.window[0])),
        slice(*_ends(one.window[1], other.window[1])),
    )
    mask, filled = (
        _in_window(window, (one.window, first), (other.window, second))
        for first, second in ((one.mask, other.mask), (one.filled, other.filled))
    )
    since_s = min(one.since_s, other.since_s)
    return Region(
        left, top, width, height, int(np.count_nonzero(mask)), window, mask, filled, since_s
    )


def _ends(one: slice, other: slice) -> tuple[int, int]:
    return min(one.start, other.start), max(one.stop, other.stop)


def _in_window(window: Window, *parts: tuple[Window, PixelMask]) -> PixelMask:
    """Masks of smaller windows in a window that holds them all."""
    rows, columns = window
    whole = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    for (part_rows, part_columns), mask in parts:
        whole[
            part_rows.start - rows.start : part_rows.stop - rows.start,
            part_columns.start - columns.start : part_columns.stop - columns.start,
        ] |= mask
    return whole
