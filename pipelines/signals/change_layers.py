"""`ChangeLayers`: what was put on a change, or against it, after it came.

Things that are left at one spot touch in the image and hide each other in part: they make one
change that grows. Each is a layer: pixels that came, or that look otherwise than before, all at one
time, and stay so. Who passes leaves the change as it was and makes no layer; nor does light on the
same texture, nor what is taken away. A layer that is seen to be gone counts no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters import Luma
from pipelines.signals.background import Background, Window, difference
from pipelines.signals.block_grid import PixelMask
from pipelines.signals.change_region import Region, has_same_texture

LAYER_STAY_S: Final = 4.0
"""How long a layer must be still until it counts, seconds."""

APART_S: Final = 3.0
"""Layers that came so close together are one."""

LEAST_DIFFERENCE: Final = 20
"""By how many levels a pixel looks otherwise than before."""

LEAST_PX: Final = 20
LEAST_SHARE: Final = 0.12
"""A layer has so many pixels, and this share of what the change had at first."""

GONE_SHARE: Final = 0.6
"""A layer is gone if so much of it looks as before it came."""

MOST_LAYERS: Final = 200

_EDGE: Final = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The window of a change in one image.

    Attributes:
        image: What is seen, (H, W) uint8.
        before: What was known of it.
        returned: Where the place is seen again.
        still_from_s: Since when each pixel has been still, monotonic seconds.
        left_s: When it left the background; infinite where the change was before.
    """

    image: Luma
    before: Luma
    returned: PixelMask
    still_from_s: npt.NDArray[np.float64]
    left_s: npt.NDArray[np.float64]


class ChangeLayers:
    """The layers of one change.

    All images and masks are (H, W), those of a window are parts of them.
    """

    def __init__(self, region: Region, background: Background, luma: Luma, at_s: float) -> None:
        """Takes the change as it is first seen, which is the first layer."""
        self._since_s = {1: region.since_s}
        self._newest_s, self._number = region.since_s, 1
        # Rain and passers delay when it is still, but not when it left the background.
        left_for_s = background.left_for_s[region.window][region.mask]
        self._left_s = min(region.since_s, at_s - float(np.median(left_for_s)))
        self._least_px = max(float(LEAST_PX), LEAST_SHARE * region.area)
        self._window = region.window
        self._light = background.expected
        self._shown, self._under = luma.copy(), background.expected.copy()
        self._owners = np.zeros(luma.shape, np.uint8)
        self._owners[region.window][region.mask] = 1

    @property
    def later_s(self) -> tuple[float, ...]:
        """When each layer after the first came, monotonic seconds, oldest first."""
        return tuple(since_s for number, since_s in self._since_s.items() if number > 1)

    def observe(
        self, region: Region, background: Background, luma: Luma, free: PixelMask, at_s: float
    ) -> None:
        """Takes an image in which the change is seen.

        Args:
            region: Where it is now.
            background: It has observed the image.
            luma: The image, uint8.
            free: Where nothing covers the place.
            at_s: Monotonic time of the image, seconds.
        """
        window = self._window = _hull(self._window, region.window)
        owners, image = self._owners[window], luma[window]
        shown = self._in_light(self._shown, background)
        under = self._in_light(self._under, background)
        left, known, is_free = background.left[window], owners > 0, free[window]
        looks = known & (difference(image, shown) > LEAST_DIFFERENCE)
        as_before = looks & ((difference(image, under) <= LEAST_DIFFERENCE) | ~left)
        self._drop_gone(owners, as_before & is_free, is_free)
        left_for_s, still_s = background.left_for_s[window], background.still_s[window]
        view = _View(
            image=image,
            before=np.where(known, shown, background.expected[window]),
            returned=known & is_free & ~left,
            still_from_s=np.subtract(at_s, still_s, dtype=np.float64),
            left_s=np.where(known, np.inf, at_s - left_for_s),
        )
        is_still = (
            left & (np.minimum(still_s, left_for_s) >= LAYER_STAY_S) & _filled(region, window)
        )
        came = ~known & (view.left_s > self._left_s + APART_S)
        newer = (is_still & (came | (looks & ~as_before))).view(np.uint8)
        self._take(cv2.morphologyEx(newer, cv2.MORPH_OPEN, _EDGE) > 0, view)
        # What was only covered until now belongs to the first layer.
        uncovered = is_still & (owners == 0) & ~came
        owners[uncovered] = 1
        np.copyto(self._shown[window], image, where=uncovered)

    def _drop_gone(self, owners: Luma, as_before: PixelMask, free: PixelMask) -> None:
        """Forgets layers that are seen to be gone."""
        for number in [one for one in self._since_s if one > 1]:
            mine = owners == number
            seen = np.count_nonzero(mine & free)
            is_seen = seen > np.count_nonzero(mine) / 2
            if is_seen and np.count_nonzero(mine & as_before) >= GONE_SHARE * seen:
                del self._since_s[number]
                owners[mine] = 1
                window = self._window
                np.copyto(self._shown[window], self._under[window], where=mine)

    def _take(self, newer: PixelMask, view: _View) -> None:
        """Makes layers of what came later, or looks otherwise, the oldest first."""
        window = self._window
        while np.count_nonzero(newer) >= self._least_px:
            oldest_s = float(np.percentile(view.still_from_s[newer], 10))
            mask = newer & (view.still_from_s <= oldest_s + APART_S)
            newer = newer & ~mask
            if np.count_nonzero(mask) < self._least_px:
                continue
            if has_same_texture(mask, view.image, view.before):
                continue
            since_s = float(np.median(view.still_from_s[mask]))
            is_later = since_s > self._newest_s + APART_S and self._number < MOST_LAYERS
            if is_later and not self._is_uncovered(mask, view, since_s):
                self._number += 1
                self._since_s[self._number] = self._newest_s = since_s
                self._left_s = min(since_s, float(np.median(view.left_s[mask])))
            self._owners[window][mask] = self._number
            np.copyto(self._under[window], view.before, where=mask)
            np.copyto(self._shown[window], view.image, where=mask)

    def _is_uncovered(self, mask: PixelMask, view: _View, since_s: float) -> bool:
        """Whether it was there, and is seen since something before it was taken away."""
        then = np.abs(view.still_from_s - since_s) <= APART_S
        is_inside = np.count_nonzero(mask & np.isinf(view.left_s)) > np.count_nonzero(mask) / 2
        returned = np.count_nonzero(view.returned & then)
        return bool(is_inside and returned >= self._least_px)

    def _in_light(self, image: Luma, background: Background) -> Luma:
        """What was known of the window, in the light of now."""
        window = self._window
        then, now = self._light[window], background.expected[window]
        gain = (float(now.mean()) + 1) / (float(then.mean()) + 1)
        return np.asarray(cv2.convertScaleAbs(image[window], alpha=gain), np.uint8)


def _hull(one: Window, other: Window) -> Window:
    (rows, columns), (other_rows, other_columns) = one, other
    return (
        slice(min(rows.start, other_rows.start), max(rows.stop, other_rows.stop)),
        slice(min(columns.start, other_columns.start), max(columns.stop, other_columns.stop)),
    )


def _filled(region: Region, window: Window) -> PixelMask:
    """Where a region is without its holes, of a window that holds it."""
    rows, columns = window
    filled = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    top, left = region.window[0].start - rows.start, region.window[1].start - columns.start
    height, width = region.filled.shape
    filled[top : top + height, left : left + width] = region.filled
    return filled
