"""The state of one camera, derived from decoded images alone. Pure: no thread, no I/O, no sleep.

A camera is online when a clean image was decoded lately. That a connection is open, or that bytes
arrive on it, says nothing.

| from | to | when |
|---|---|---|
| any | ONLINE | a clean image is decoded after a fault |
| ONLINE | DEGRADED | over the window, images are too few or too many of them are damaged |
| ONLINE | DEGRADED | the image has not changed by a single bit for too long |
| ONLINE | DEGRADED | whoever analyses the images says that they do not show the place |
| DEGRADED | ONLINE | all that has recovered, by a margin |
| any | OFFLINE | a fault, a silence longer than allowed, or the end of a recording |
| any | UNAUTHORIZED | the camera refuses the login |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from camera_adapters.source import SourceTiming

WINDOW_S = 5.0
WINDOW_IMAGES = 4
"""The window is long enough for this many wanted images, so that slow tasks are not degraded."""

TOO_FEW = 0.5
ENOUGH = 0.6
"""Shares of the wanted rate below which a camera is degraded and from which it is online again."""

TOO_DAMAGED = 0.3
CLEAN_ENOUGH = 0.15
"""Shares of damaged images above which it is degraded and up to which it is online again."""

FROZEN_AFTER_S = 45.0
"""An image that stays the same for so long is frozen; see `camera_adapters.stillness`."""

MAX_REMEMBERED = 2048
SHORTEST_SPAN_S = 1.0

CONNECTING = "connecting"
ENDED = "ended"
TOO_FEW_IMAGES = "too few images"
DAMAGED_IMAGES = "too many damaged images"
FROZEN_IMAGE = f"the image is frozen: it has not changed at all for {FROZEN_AFTER_S:g} s"


class CameraState(StrEnum):
    """Whether a camera can be relied on."""

    ONLINE = auto()
    DEGRADED = auto()
    OFFLINE = auto()
    UNAUTHORIZED = auto()


@dataclass(frozen=True, slots=True)
class StateChange:
    """A camera's state changed.

    Attributes:
        state: The state from now on.
        previous: The state before; the same only for the first fault of a camera never seen, and
            where `view` alone has changed.
        reason: Why, in words without secrets; empty when all is well.
        at: When, UTC.
        at_mono_s: When, on the monotonic clock in seconds.
        view: Why images that come do not show the place, in one word; empty where they do.
    """

    camera: str
    state: CameraState
    previous: CameraState
    reason: str
    at: datetime
    at_mono_s: float
    view: str = ""


class StateMachine:
    """Turns images and faults into states. Not thread-safe.

    Attributes:
        last_image_s: When the last clean image was decoded, in seconds; None before the first.
    """

    def __init__(
        self,
        camera: str,
        *,
        wanted_fps: float,
        silence_s: float,
        clock: Callable[[], float],
        utc_now: Callable[[], datetime],
    ) -> None:
        """Starts OFFLINE, connecting.

        `wanted_fps` is 0 where nothing is wanted of the camera; `silence_s` is the longest silence
        of a live stream. The wall clock is for people only.
        """
        self.state = CameraState.OFFLINE
        self.reason = CONNECTING
        self.last_image_s: float | None = None
        self._camera = camera
        self._wanted_fps = wanted_fps
        self._silence_s = silence_s
        self._clock = clock
        self._utc_now = utc_now
        self._window_s = max(WINDOW_S, WINDOW_IMAGES / wanted_fps) if wanted_fps > 0 else WINDOW_S
        # When images of the window came, and whether they were clean; and how many of them were.
        self._recent: deque[tuple[float, bool]] = deque()
        self._recent_clean = 0
        self._streaming_since_s: float | None = None
        self._timing = SourceTiming.LIVE
        self._is_frozen = False
        # What is wrong with the stream, and with what it shows: one word and a sentence.
        self._shortfall_reason = ""
        self._view = ("", "")
        self._published_view = ""

    @property
    def recent_fps(self) -> float:
        """Clean images per second lately."""
        since_s = self._streaming_since_s
        return 0.0 if since_s is None else self._summary(self._clock(), since_s)[0]

    @property
    def streaming_for_s(self) -> float:
        """How long images have been coming without a fault, in seconds."""
        return 0.0 if self._streaming_since_s is None else self._clock() - self._streaming_since_s

    def begin(self, timing: SourceTiming) -> None:
        """A source was opened.

        Silence is a fault of live sources alone, and a recording that is read as fast as it is
        taken has no rate of its own.
        """
        self._timing = timing

    def image(self, *, clean: bool = True, still_s: float = 0.0) -> StateChange | None:
        """An image was decoded; one that is damaged, or depends on a damaged one, is not clean.

        `still_s` says for how many seconds images have been the same.
        """
        now_s = self._clock()
        self._recent.append((now_s, clean))
        self._recent_clean += clean
        if len(self._recent) > MAX_REMEMBERED:
            self._recent_clean -= self._recent.popleft()[1]
        if clean:
            self.last_image_s = now_s
            self._is_frozen = still_s >= FROZEN_AFTER_S
        if self._streaming_since_s is None:
            if not clean:
                return None
            self._streaming_since_s, self._shortfall_reason = now_s, ""
            return self._stream_on()
        reason = FROZEN_IMAGE if self._is_frozen else ""
        if not reason:
            window_is_full = now_s - self._streaming_since_s >= self._window_s
            if self._timing is SourceTiming.FAST or not window_is_full:
                return None
            reason = self._shortfall(now_s, self._streaming_since_s)
        if reason == self._shortfall_reason:
            return None
        self._shortfall_reason = reason
        return self._stream_on()

    def view(self, fault: str, reason: str) -> StateChange | None:
        """The images show the place, or do not: `fault` in one word, `reason` in a sentence.

        Both are empty where they show it. It counts until something else is said, also over an
        outage.
        """
        self._view = (fault, reason)
        return None if self._streaming_since_s is None else self._stream_on()

    def fault(self, reason: str, *, unauthorized: bool = False) -> StateChange | None:
        """The source failed or could not be opened."""
        state = CameraState.UNAUTHORIZED if unauthorized else CameraState.OFFLINE
        self._streaming_since_s = None
        self._recent.clear()
        self._recent_clean = 0
        return self._become(state, reason)

    def check(self) -> StateChange | None:
        """Checks the clock: no image for too long is a fault even if the source reports none."""
        if (
            self._streaming_since_s is None
            or self.last_image_s is None
            or self._timing is not SourceTiming.LIVE
            or self._clock() - self.last_image_s <= self._silence_s
        ):
            return None
        return self.fault(silence(self._silence_s))

    def _stream_on(self) -> StateChange | None:
        """The state while images come."""
        fault, view_reason = self._view
        reason = self._shortfall_reason or view_reason
        return self._become(CameraState.DEGRADED if reason else CameraState.ONLINE, reason, fault)

    def _shortfall(self, now_s: float, since_s: float) -> str:
        """What is wrong with the images of the window, empty if nothing is."""
        degraded = bool(self._shortfall_reason)
        fps, damaged_share = self._summary(now_s, since_s)
        if fps < (ENOUGH if degraded else TOO_FEW) * self._wanted_fps:
            return TOO_FEW_IMAGES
        if damaged_share > (CLEAN_ENOUGH if degraded else TOO_DAMAGED):
            return DAMAGED_IMAGES
        return ""

    def _summary(self, now_s: float, since_s: float) -> tuple[float, float]:
        """Clean images per second and the share of damaged ones (0 to 1) over the window.

        The window starts at `since_s` if that is less than its length ago.
        """
        oldest_s = now_s - self._window_s
        while self._recent and self._recent[0][0] <= oldest_s:
            self._recent_clean -= self._recent.popleft()[1]
        start_s = max(since_s, oldest_s)
        if len(self._recent) == MAX_REMEMBERED:
            start_s = max(start_s, self._recent[0][0])
        fps = self._recent_clean / max(now_s - start_s, SHORTEST_SPAN_S)
        return fps, 1 - self._recent_clean / len(self._recent) if self._recent else 0.0

    def _become(self, state: CameraState, reason: str, view: str = "") -> StateChange | None:
        first_fault = self.reason == CONNECTING
        if (state, view) == (self.state, self._published_view) and not first_fault:
            # The reason of an outage may change while it lasts; the state does not change again.
            self.reason = reason
            return None
        at, at_mono_s = self._utc_now(), self._clock()
        change = StateChange(self._camera, state, self.state, reason, at, at_mono_s, view)
        self.state, self.reason, self._published_view = state, reason, view
        return change


def silence(silence_s: float) -> str:
    """The reason of a stream that fell silent."""
    return f"no image for {silence_s:g} s"
