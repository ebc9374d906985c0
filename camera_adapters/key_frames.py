"""Whether key frames alone are enough, because no task wants more images than there are of them.

Decoding is the price of a camera: a task that looks once in a few seconds need not pay for 25
images a second.
"""

from __future__ import annotations

MARGIN = 1.05
"""Key frames may be this much further apart than wanted images and still be called enough."""

MIN_REGULAR = 2
"""Intervals in a row that must be short enough before anything is skipped."""


class KeyFrameWatch:
    """Measures how far apart the key frames of a stream are."""

    def __init__(self, wanted_fps: float, longest_s: float) -> None:
        """Starts without knowing anything, so nothing is skipped.

        Args:
            wanted_fps: Highest wanted rate in frames per second; 0 where nothing is wanted.
            longest_s: Key frames further apart than this are never enough, because so long a
                pause could not be told from a stream that died.
        """
        longest_wanted_s = MARGIN / wanted_fps if wanted_fps > 0 else longest_s
        self._longest_s = min(longest_s, longest_wanted_s)
        self._last_s: float | None = None
        self._regular = 0

    def is_enough(self, at_s: float) -> bool:
        """Takes note of a key frame; whether from here on key frames are enough.

        Args:
            at_s: The key frame's time on the stream's own clock, in seconds.
        """
        if self._last_s is not None:
            near = 0 < at_s - self._last_s <= self._longest_s
            self._regular = self._regular + 1 if near else 0
        self._last_s = at_s
        return self._regular >= MIN_REGULAR
