"""The long-term background of one camera, and how long each pixel has been still.

The background is the median of the first seconds, and follows slowly what differs little from it.
What differs much is left to whoever decides what it is; so nothing that stands there for minutes
fades into it unseen. What people and vehicles cover is neither learned nor counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from camera_adapters import Luma
from pipelines.signals.block_grid import Float32Map, PixelMask
from pipelines.signals.light_patches import DARK, light_patches

Window = tuple[slice, slice]
"""Rows and columns of an image."""

LEARN_S: Final = 8.0
LEARN_IMAGES: Final = 8
"""So long, and so many images, are the first background."""

UNCOVERED_S: Final = 4.0
"""How long a place that was covered from the start must be free and still to be learned."""

FOLLOW_S: Final = 30.0
"""How slowly the background follows, seconds."""

LEAST_CHANGE: Final = 12.0
FLICKER_FACTOR: Final = 3.0
"""A pixel has left the background by so many levels, or so many times its usual flicker."""

MOST_FIRST_FLICKER: Final = 12.0
"""Mean change from image to image, in levels, of a pixel whose first images show the place."""

MOST_FLICKER: Final = 25.0
STILL: Final = 8.0
NOISE_FACTOR: Final = 4.0
"""Levels up to which a pixel is the same as a moment ago; more where the camera is noisy."""

GAINS: Final = (0.4, 2.5)

_NEIGHBOURS: Final = np.ones((3, 3), np.uint8)


class Background:
    """Long and short background models of one camera at one small size. Not thread-safe.

    Attributes:
        is_learned: Whether there is a background.
        expected: The background in the light of the newest image, (H, W) uint8; the first image
            while it is not learned.
        left: Where the newest image is not the background, and is not covered.
        still_s: How long each pixel has been the same, covered times left out, (H, W) float32.
        left_for_s: How long ago each pixel was last seen to be the background, (H, W) float32.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        """Starts without a background; `shape` is (H, W)."""
        self.is_learned = False
        self.expected: Luma = np.zeros(shape, np.uint8)
        self.left: PixelMask = np.zeros(shape, np.bool_)
        self.still_s: Float32Map = np.zeros(shape, np.float32)
        self.left_for_s: Float32Map = np.zeros(shape, np.float32)
        self._long: Float32Map = np.zeros(shape, np.float32)
        self._flicker: Float32Map = np.zeros(shape, np.float32)
        self._short: Luma = np.zeros(shape, np.uint8)
        self._known: PixelMask = np.ones(shape, np.bool_)
        self._held: PixelMask = np.zeros(shape, np.bool_)
        self._gain: Float32Map | np.float32 = np.float32(1)
        self._is_clear: PixelMask | None = None
        self._first: list[Luma] = []
        self._first_free: Float32Map = np.zeros(shape, np.float32)
        self._learned_s = 0.0
        self._learned_images = 0

    def observe(self, luma: Luma, free: PixelMask, elapsed_s: float) -> None:
        """Takes an image of the same aim as the background; `free` is where nothing covers."""
        self._note_stillness(luma, free, elapsed_s)
        if not self.is_learned:
            self._learn(luma, free, elapsed_s)
            return
        self.expected = self._in_light_of(luma, free)
        self._learn_uncovered(luma, free)
        # A small thing with many shades hides the ground that is seen when it is gone, and that
        # ground does not hide the thing: so each is asked about the other.
        change = difference(luma, self.expected)
        limit = np.maximum(self._flicker * np.float32(FLICKER_FACTOR), np.float32(LEAST_CHANGE))
        before, self.left = self.left, (change > limit) & free & self._known
        if self._is_clear is not None:
            self.left &= self._is_clear
        self.left_for_s += np.float32(elapsed_s)
        # One image says little: a streak of rain may look like the ground.
        self.left_for_s[~(self.left | before) & free] = 0
        self._follow(luma, free, elapsed_s)

    def hold(self, places: Sequence[tuple[Window, PixelMask]]) -> None:
        """Does not follow the image in these places, each with a mask of its window.

        A thing that in parts is as bright as the ground would become the ground in these parts.
        """
        self._held[:] = False
        for window, mask in places:
            self._held[window] |= mask

    def absorb(self, luma: Luma, window: Window, mask: PixelMask) -> None:
        """Takes an image for the background where `mask`, which is of the window, holds."""
        self._long[window][mask] = self._in_first_light(luma)[window][mask]
        self.left[window][mask] = False

    def restart(self) -> None:
        """Forgets everything but how much pixels flicker."""
        self.is_learned = False
        self._first.clear()
        self._first_free[:] = 0
        self._learned_s, self._learned_images = 0.0, 0
        self.left[:] = False
        self.still_s[:] = 0
        self.left_for_s[:] = 0
        self._held[:] = False

    def _note_stillness(self, luma: Luma, free: PixelMask, elapsed_s: float) -> None:
        change = np.maximum(luma, self._short) - np.minimum(luma, self._short)
        if self.is_learned:
            weight = min(1.0, elapsed_s / FOLLOW_S)
            flicker = np.minimum(change, np.uint8(MOST_FLICKER))
            cv2.accumulateWeighted(flicker, self._flicker, weight, mask=free.view(np.uint8))
        self.still_s += np.float32(elapsed_s) * free
        # Most pixels show what the camera's noise is.
        limit = max(STILL, NOISE_FACTOR * float(np.median(change[2::6, 2::6])))
        self.still_s[(change > limit) & free] = 0
        # What drifts slowly is still: the newest level counts, not that of long ago.
        np.copyto(self._short, luma, where=free)

    def _learn(self, luma: Luma, free: PixelMask, elapsed_s: float) -> None:
        self._learned_s += elapsed_s
        self._first.append(luma)
        self._first_free += free
        if not self._learned_images:
            self.expected = luma
        self._learned_images += 1
        # Where images come often, the newest are enough.
        del self._first[:-LEARN_IMAGES]
        if self._learned_s < LEARN_S or len(self._first) < LEARN_IMAGES:
            return
        images = np.stack(self._first)
        self._long = np.asarray(np.median(images, axis=0), np.float32)
        change = np.abs(np.diff(images.astype(np.int16), axis=0))
        self._flicker = np.asarray(np.minimum(change.mean(axis=0), MOST_FLICKER), np.float32)
        # Where somebody walked or drove all the time nobody has seen the place.
        calm = self._flicker <= MOST_FIRST_FLICKER
        self._known = (self._first_free > self._learned_images / 2) & calm
        self._first.clear()
        self.is_learned = True
        self.expected = self._in_light_of(luma, free)

    def _learn_uncovered(self, luma: Luma, free: PixelMask) -> None:
        if self._known.all():
            return
        found = ~self._known & free & (self.still_s >= UNCOVERED_S)
        self._long[found] = self._in_first_light(luma)[found]
        self.expected[found] = luma[found]
        self._known |= found

    def _in_light_of(self, luma: Luma, free: PixelMask) -> Luma:
        """The background in the light of an image, by what has not left it."""
        sample = np.s_[2::6, 2::6]
        usual = ~self.left[sample] & self._known[sample] & free[sample]
        gain = 1.0
        if np.count_nonzero(usual) >= usual.size // 4:
            then, now = self._long[sample][usual], luma[sample][usual]
            gain = min(max(_middle((now + DARK) / (then + DARK)), GAINS[0]), GAINS[1])
        light = _levels(self._long, gain)
        patches = light_patches(luma, light, free & self._known)
        if patches is None:
            self._gain, self._is_clear = np.float32(gain), None
            return light
        self._gain, self._is_clear = patches.multiples * np.float32(gain), ~patches.edges
        return _levels(self._long * self._gain)

    def _in_first_light(self, luma: Luma) -> Float32Map:
        """An image as it would be in the light that the background is kept in."""
        return np.asarray(luma / self._gain, np.float32)

    def _follow(self, luma: Luma, free: PixelMask, elapsed_s: float) -> None:
        # What has left the background follows its light, so that it does not fall behind.
        seen = np.where(self.left | self._held | ~free, self.expected, luma)
        cv2.accumulateWeighted(seen, self._long, min(1.0, elapsed_s / FOLLOW_S))


def difference(one: Luma, other: Luma) -> Luma:
    """By how many levels two images of one size differ, more than a camera that trembles makes."""
    return np.maximum(_beyond(one, other), _beyond(other, one))


def _beyond(image: Luma, known: Luma) -> Luma:
    """By how many levels an image is darker or brighter than all that is known around a pixel.

    A camera trembles by a pixel: what was beside a pixel may as well be on it.
    """
    darkest, brightest = np.empty_like(known), np.empty_like(known)
    cv2.erode(known, _NEIGHBOURS, dst=darkest)
    cv2.dilate(known, _NEIGHBOURS, dst=brightest)
    brighter = np.maximum(image, brightest) - brightest
    return np.maximum(brighter, np.maximum(image, darkest) - image, out=brighter)


def _levels(values: Float32Map, gain: float = 1.0) -> Luma:
    """Values times a gain, as an image."""
    image = np.empty(values.shape, np.uint8)
    cv2.convertScaleAbs(values, dst=image, alpha=gain)
    return image


def _middle(values: Float32Map) -> float:
    """The median, the upper one of two; NumPy's own costs many times as much for few values."""
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])
