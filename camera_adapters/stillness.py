"""Frozen images: how long a camera's images have been the same, bit by bit.

A sensor has noise, and a key frame encodes it anew, so no two images of a camera that sees are
equal for long, however still the scene is. What stays equal is a camera that sends one image again
and again, a lens that is shut so well that all is black, or a test pattern. None of them sees its
place, and that is what is said; the images are analysed all the same. A freeze that the camera
encodes anew with changing quality is not noticed.
"""

from __future__ import annotations

from typing import Protocol

CHECK_EVERY_S = 1.0


class Fingerprinted(Protocol):
    """An image that can be compared with others."""

    def fingerprint(self) -> int:
        """Equal for equal images, and hardly ever for different ones."""
        ...


class StillnessWatch:
    """Measures for one camera how long its image has not changed."""

    def __init__(self) -> None:
        """Starts without an image."""
        self._last: int | None = None
        self._since_s = 0.0
        self._checked_s: float | None = None
        self._still_s = 0.0

    def still_s(self, image: Fingerprinted, now_s: float) -> float:
        """Seconds for which images have been equal; compares about once a second."""
        if self._checked_s is not None and now_s - self._checked_s < CHECK_EVERY_S:
            return self._still_s
        self._checked_s = now_s
        seen = image.fingerprint()
        if seen != self._last:
            self._last, self._since_s = seen, now_s
        self._still_s = now_s - self._since_s
        return self._still_s
