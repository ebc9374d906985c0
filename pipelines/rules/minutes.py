"""`MinuteMeter`: full UTC minutes as a rule sees them, to measure over.

Minutes are counted on the monotonic clock from the first frame on, so that a step of the wall clock
neither repeats a minute nor leaves one out while the rule runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipelines.incident import Measurement
from pipelines.rules.hysteresis import MAX_GAP_S
from pipelines.rules.rule import Identity, Moment

MINUTE_S: Final = 60.0
DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Minute:
    """A minute that is over.

    Attributes:
        begins_at: UTC, a full minute but for the first one of a rule.
        ends_at: UTC; a full minute but for the last one.
        watched_s: Seconds between frames that were no further apart than a gap.
    """

    begins_at: datetime
    ends_at: datetime
    watched_s: float

    def measurement(
        self,
        identity: Identity,
        kind: str,
        value: float,
        unit: str,
        detail: Mapping[str, float],
    ) -> Measurement:
        """What was measured in it in one zone; `detail` says besides how long it was watched.

        Args:
            identity: Camera and zone.
            kind: What was measured: `traffic.flow`.
            value: The number.
            unit: Its unit; `1` for counts and shares.
            detail: Numbers that belong to it.
        """
        return Measurement(
            kind=kind,
            camera=identity.camera,
            begins_at=self.begins_at,
            ends_at=self.ends_at,
            value=round(value, DIGITS),
            unit=unit,
            zone=identity.zone,
            detail={**detail, "watched_s": self.watched_s},
        )


class MinuteMeter:
    """Says with each frame how long it stands for, and when a minute is over."""

    def __init__(self, max_gap_s: float = MAX_GAP_S) -> None:
        """Counts a pause longer than `max_gap_s`, seconds, as not watched."""
        self._max_gap_s = max_gap_s
        self._begin: Moment | None = None
        self._ends_s = math.inf
        self._last_s = math.nan
        self._watched_s = 0.0
        self.span_s = 0.0
        """Seconds since the frame before; 0 for the first one, and after a gap."""

    def observe(self, at: Moment) -> Minute | None:
        """Takes the time of a frame; call it before the frame is counted.

        Returns:
            The minute that ended before this frame: add it up and begin anew.
        """
        span_s = at.mono_s - self._last_s
        self.span_s = span_s if 0 < span_s <= self._max_gap_s else 0.0
        self._last_s = at.mono_s
        ended = None
        if self._begin is None or at.mono_s >= self._ends_s:
            if self._begin is not None:
                ended = self._finish(self._begin, self._ends_s)
            self._start(at)
        self._watched_s += self.span_s
        return ended

    def close(self, at: Moment) -> Minute | None:
        """The minute that was begun, up to now; None where nothing was watched in it."""
        begin, self._begin = self._begin, None
        self._last_s, self._ends_s = math.nan, math.inf
        if begin is None or not self._watched_s:
            return None
        return self._finish(begin, max(at.mono_s, begin.mono_s))

    def _start(self, at: Moment) -> None:
        begin, since_s = at, at.mono_s - self._ends_s
        if self._begin is not None and since_s < MINUTE_S:
            # The minute that is going on began where the last one ended.
            begin = Moment(self._utc(self._begin, self._ends_s), self._ends_s)
        minute = begin.utc.replace(second=0, microsecond=0)
        passed_s = (begin.utc - minute).total_seconds()
        # A whole minute that misses its begin by rounding is one.
        left_s = MINUTE_S - passed_s if passed_s < MINUTE_S - 1e-3 else 2 * MINUTE_S - passed_s
        self._begin, self._ends_s, self._watched_s = begin, begin.mono_s + left_s, 0.0

    def _finish(self, begin: Moment, ends_s: float) -> Minute:
        watched_s, self._watched_s = self._watched_s, 0.0
        return Minute(begin.utc, self._utc(begin, ends_s), round(watched_s, 3))

    @staticmethod
    def _utc(begin: Moment, at_s: float) -> datetime:
        return begin.utc + timedelta(seconds=at_s - begin.mono_s)
