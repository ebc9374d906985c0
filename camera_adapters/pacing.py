"""Pacing: which tasks are due on an image, and when an image of a recording has its turn.

The long-run rate of a task is the one it asked for, whatever the camera's own rate; a task that
asks for more than the camera gives is due on every image.
"""

from __future__ import annotations

from collections.abc import Mapping

SLACK = 0.1
"""Share of an interval by which an image may come early and still count; absorbs jitter."""

LONGEST_STEP_S = 10.0
"""A larger step between two timestamps of a recording is a defect of the recording, not a pause."""

LARGEST_LAG_S = 1.0
"""A recording that fell behind by more goes on from where it is instead of racing after itself."""


class Pacer:
    """Decides for one camera which tasks are due now."""

    def __init__(self, rates: Mapping[str, float]) -> None:
        """Starts with every task due.

        Args:
            rates: Wanted frames per second by task; a rate of zero or less is never due.
        """
        self._interval_s = {task: 1.0 / rate for task, rate in rates.items() if rate > 0}
        self._next_s: dict[str, float] = {}

    def due(self, now_s: float) -> frozenset[str]:
        """The tasks that are due on an image at `now_s`; they are taken as served by it."""
        return frozenset(task for task in self._interval_s if self._is_due(task, now_s))

    def _is_due(self, task: str, now_s: float) -> bool:
        interval_s = self._interval_s[task]
        next_s = self._next_s.get(task, now_s)
        if now_s + SLACK * interval_s < next_s:
            return False
        # The schedule advances by whole intervals, so a late image does not lower the rate; it is
        # never left behind the present, so a gap is not made up for by a burst.
        self._next_s[task] = max(next_s + interval_s, now_s)
        return True


class MediaStamps:
    """Turns the timestamps of a recording into seconds that always grow, over loops and defects."""

    def __init__(self, frame_s: float) -> None:
        """Starts at zero.

        Args:
            frame_s: Nominal time from image to image in seconds, for where none is known.
        """
        self._frame_s = frame_s
        self._media_s: float | None = None
        self._pts_s: float | None = None

    def stamp(self, pts_s: float | None) -> float:
        """Seconds from the first image to this one.

        Args:
            pts_s: What the recording says, in seconds; None where it says nothing.
        """
        if self._media_s is None:
            self._media_s = 0.0
        else:
            step_s = None if pts_s is None or self._pts_s is None else pts_s - self._pts_s
            if step_s is None or not 0 < step_s <= LONGEST_STEP_S:
                step_s = self._frame_s
            self._media_s += step_s
        # Without a timestamp the next known one has to be measured from where we believe to be.
        self._pts_s = pts_s if pts_s is not None else self._guess()
        return self._media_s

    def restart(self) -> None:
        """The recording begins again; time goes on."""
        self._pts_s = None

    def _guess(self) -> float | None:
        return None if self._pts_s is None else self._pts_s + self._frame_s


class PlaybackClock:
    """Plays a recording at the speed of life."""

    def __init__(self) -> None:
        self._anchor_s: float | None = None

    def delay_s(self, media_s: float, now_s: float) -> float:
        """How long to wait until the image at `media_s` has its turn, in seconds."""
        if self._anchor_s is None:
            self._anchor_s = now_s - media_s
        delay_s = self._anchor_s + media_s - now_s
        if delay_s < -LARGEST_LAG_S:
            self._anchor_s = now_s - media_s
        return max(0.0, delay_s)
