"""What a region that left the background is: something added, something removed, or only light."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

import cv2
import numpy as np

from camera_adapters import Luma
from pipelines.signals.background import Window
from pipelines.signals.block_grid import Float32Map, PixelMask, correlation

MARGIN_PX: Final = 4
"""What is beside a region counts too: there its contour is."""

SHARPER: Final = 1.2
"""How much stronger the contour must be in one image than in the other."""

LEAST_CONTOUR: Final = 8.0
"""Mean steepness of a contour that something has, levels per pixel."""

LEAST_TEXTURE: Final = 1.2
"""Standard deviation of a surface whose texture can be compared, in levels."""

SAME_TEXTURE: Final = 0.5
"""Correlation of fine structure from which on the surface is the same, in another light."""

SHADES: Final = (0.5, 2.0)
"""By what light is multiplied in shadows and under lamps, beyond them there is something."""

EVEN: Final = 0.035
EVEN_PLAIN: Final = 0.02
"""Spread of that multiple, relative, up to which it is only light. On a plain surface things may be
even too."""

MOST_OFF: Final = 2.0
MOST_OFF_SHARE: Final = 0.03
"""By how many levels, and by what share of its own level, a shaded pixel is off that multiple."""

_SURFACE_PX: Final = 5
_NEIGHBOURS: Final = np.ones((3, 3), np.uint8)


class RegionKind(StrEnum):
    """What a still region is."""

    ADDED = auto()
    REMOVED = auto()
    LIGHT = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A region that is not the background.

    Attributes:
        left: Of its bounding box, pixels; so are the next three.
        area: Pixels that belong to it.
        window: Rows and columns of the bounding box with `MARGIN_PX` around it.
        mask: Where it is, of the window.
        filled: The same without its holes.
        since_s: Monotonic time from which on most of it has been still, seconds.
    """

    left: int
    top: int
    width: int
    height: int
    area: int
    window: Window
    mask: PixelMask
    filled: PixelMask
    since_s: float


def region_kind(region: Region, luma: Luma, expected: Luma) -> RegionKind:
    """Compares the region with the background that is expected there.

    What was added has its contour in the image, what was removed in the background: the place where
    a thing stood has none of its own. Light has the texture of what it falls on.
    """
    mask, now, then = region.mask, luma[region.window], expected[region.window]
    if _is_light(mask, now, then):
        return RegionKind.LIGHT
    contour = _widened(mask) & ~_narrowed(mask)
    seen, known = float(_steepness(now)[contour].mean()), float(_steepness(then)[contour].mean())
    if max(seen, known) < LEAST_CONTOUR:
        return RegionKind.LIGHT
    if seen >= SHARPER * known:
        return RegionKind.ADDED
    if known >= SHARPER * seen:
        return RegionKind.REMOVED
    return RegionKind.UNCLEAR


def shade(luma: Luma, expected: Luma) -> PixelMask:
    """Where an image is the place in another light: its own shades, all brighter or all darker.

    A thing and its shadow touch; only the thing has shades of its own.
    """
    size = (_SURFACE_PX, _SURFACE_PX)
    now, then = luma.astype(np.float32), expected.astype(np.float32)
    multiple = (cv2.blur(now, size) + 1) / (cv2.blur(then, size) + 1)
    off = cv2.blur(np.abs(now - multiple * then), size)
    in_range = (multiple >= SHADES[0]) & (multiple <= SHADES[1])
    return np.asarray(in_range & (off <= MOST_OFF + MOST_OFF_SHARE * now), np.bool_)


def has_same_texture(mask: PixelMask, now: Luma, then: Luma) -> bool:
    """Whether a surface has the fine structure that it had, as it does in another light."""
    fine_now, fine_then = _fine(now)[mask], _fine(then)[mask]
    is_plain = float(fine_then.std()) < LEAST_TEXTURE
    return not is_plain and correlation(fine_now, fine_then) >= SAME_TEXTURE


def _is_light(mask: PixelMask, now: Luma, then: Luma) -> bool:
    inner = _narrowed(mask)
    if np.count_nonzero(inner) < np.count_nonzero(mask) // 4:
        inner = mask
    ratio = (now[inner].astype(np.float32) + 1) / (then[inner].astype(np.float32) + 1)
    middle = float(np.median(ratio))
    spread = float(np.median(np.abs(ratio - middle))) / middle
    is_plain = float(_fine(then)[inner].std()) < LEAST_TEXTURE
    if not SHADES[0] <= middle <= SHADES[1]:
        return False
    if spread <= (EVEN_PLAIN if is_plain else EVEN):
        return True
    return has_same_texture(inner, now, then)


def _widened(mask: PixelMask) -> PixelMask:
    return cv2.dilate(mask.view(np.uint8), _NEIGHBOURS) > 0


def _narrowed(mask: PixelMask) -> PixelMask:
    return cv2.erode(mask.view(np.uint8), _NEIGHBOURS) > 0


def _fine(image: Luma) -> Float32Map:
    values = image.astype(np.float32)
    return values - cv2.blur(values, (5, 5))


def _steepness(image: Luma) -> Float32Map:
    values, steep = image.astype(np.float32), np.empty(image.shape, np.float32)
    across = cv2.Sobel(values, cv2.CV_32F, 1, 0, scale=0.25)
    down = cv2.Sobel(values, cv2.CV_32F, 0, 1, scale=0.25)
    cv2.magnitude(across, down, magnitude=steep)
    return steep
