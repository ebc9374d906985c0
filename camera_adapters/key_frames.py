"""Which images are decoded: all, or key frames alone where they come regularly and often enough.

A task that wants one image in a few seconds need not pay for decoding 25 images a second. Nothing
is lost by it: what was left out since the last key frame is kept, and decoded after all when the
next one is late, as with cameras whose key frames come irregularly.
"""

from __future__ import annotations

from camera_adapters.rtp import CLOCK_HZ, CodedImage

KEY_FRAME_MARGIN = 1.05
"""Key frames may be this much further apart than wanted images and still be called enough."""

MIN_REGULAR = 2
"""Intervals in a row that must be short enough before anything is skipped."""

MAX_KEPT_BYTES = 4 * 1024 * 1024
"""More than this is not kept; the stream is then decoded whole."""


class KeyFrameWatch:
    """Measures how far apart the key frames of a stream are."""

    def __init__(self, wanted_fps: float, longest_s: float) -> None:
        """Starts without knowing anything, so nothing is skipped.

        Key frames further apart than `longest_s` are never enough, because so long a pause could
        not be told apart from a stream that died. `wanted_fps` is 0 where nothing is wanted.
        """
        longest_wanted_s = KEY_FRAME_MARGIN / wanted_fps if wanted_fps > 0 else longest_s
        self.longest_s = min(longest_s, longest_wanted_s)
        self._last_s: float | None = None
        self._regular = 0

    def is_enough(self, at_s: float) -> bool:
        """Notes a key frame at `at_s` on the stream's own clock; whether they are enough now."""
        if self._last_s is not None:
            near = 0 < at_s - self._last_s <= self.longest_s
            self._regular = self._regular + 1 if near else 0
        self._last_s = at_s
        return self._regular >= MIN_REGULAR

    def is_late(self, at_s: float) -> bool:
        """Whether a key frame should have come until `at_s`; all starts anew then."""
        if self._last_s is not None and 0 <= at_s - self._last_s <= self.longest_s:
            return False
        self._regular = 0
        return True


class KeyFrameFilter:
    """Chooses what is decoded of one stream."""

    def __init__(self, watch: KeyFrameWatch) -> None:
        """Starts with everything."""
        self._watch = watch
        self._skips = False
        self._kept: list[CodedImage] = []
        self._kept_bytes = 0

    def choose(self, coded: CodedImage) -> list[CodedImage]:
        """What is to be decoded now that an image came, in order; only the last one is new."""
        at_s = coded.ticks / CLOCK_HZ
        if coded.key:
            self._forget()
            self._skips = self._watch.is_enough(at_s) and not coded.damaged
            return [coded]
        if not self._skips:
            return [coded]
        self._kept.append(coded)
        self._kept_bytes += len(coded.data)
        late = self._watch.is_late(at_s)
        if not (late or coded.damaged or self._kept_bytes > MAX_KEPT_BYTES):
            return []
        chosen = self._kept
        self._skips = False
        self._forget()
        return chosen

    def _forget(self) -> None:
        self._kept, self._kept_bytes = [], 0
