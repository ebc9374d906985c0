"""How a sink is now, in facts and in one sentence for those who look after the city."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

ANSWERS_WITHIN_S: Final = 5.0
"""A delivery that takes longer is told before it has failed."""
MOST_NAMED: Final = 4
"""Cameras that a sentence names."""


@dataclass(frozen=True, slots=True)
class SinkState:
    """One sink as one worker sees it, or all of them together.

    Attributes:
        name: Under which its progress is kept.
        delivered: Acknowledgements since the start.
        failed: Attempts without one since the start.
        pending: Events that wait for it.
        dead: Its dead letters.
        dead_lately: Those of the last day.
        reason: Why it does not take events and what to do; empty while it does.
        since: From when on, UTC; None while it takes events.
        cameras: Those whose events it does not take, where it takes others; all where empty.
        oldest: When the oldest of the events that wait was recorded, UTC; None where none waits.
    """

    name: str
    delivered: int = 0
    failed: int = 0
    pending: int = 0
    dead: int = 0
    dead_lately: int = 0
    reason: str = ""
    since: datetime | None = None
    cameras: tuple[str, ...] = ()
    oldest: datetime | None = None

    @property
    def trouble(self) -> str:
        """Why events wait, in a sentence; empty where it takes them."""
        if self.since is None:
            return ""
        of = f" of camera {listing(self.cameras)}" if self.cameras else ""
        return (
            f"sink {self.name} takes no events{of} since {self.since:%Y-%m-%d %H:%M:%S} UTC:"
            f" {self.reason}; events that wait: {self.pending}"
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person has to know, a sentence each; nothing where all is well."""
        dead = (
            f"sink {self.name} refused events for good within the last day: {self.dead_lately};"
            " `cityeye events dead` says why, `cityeye events replay` sends them again"
        )
        return tuple(filter(None, (self.trouble, dead if self.dead_lately else "")))


class SinkWatch:
    """Follows the attempts of one courier. Safe for use from several threads."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._utc_s = utc_s
        self._lock = threading.Lock()
        self._failing: dict[str, tuple[float, str]] = {}
        self._accepted_s = float("-inf")
        self._began: tuple[float, float] | None = None
        self._reason = ""
        self._delivered = 0
        self._failed = 0

    def begins(self) -> None:
        """An event is handed over."""
        with self._lock:
            self._began = self._monotonic(), self._utc_s()

    def ends(self) -> None:
        """It was handed over, or was not."""
        with self._lock:
            self._began = None

    def accepted(self, partition: str) -> None:
        """The sink has acknowledged it."""
        with self._lock:
            self._accepted_s = self._utc_s()
            self._delivered += 1
            self._failing.pop(partition, None)

    def failed(self, partition: str, reason: str) -> None:
        """The sink has not; the partition waits."""
        with self._lock:
            self._failed += 1
            self._reason = reason
            since_s, _ = self._failing.get(partition, (self._utc_s(), ""))
            self._failing[partition] = since_s, reason

    def given_up(self, partition: str) -> None:
        """What the partition waited for became a dead letter."""
        with self._lock:
            self._failing.pop(partition, None)

    def reasons(self) -> dict[str, str]:
        """Why the last attempt failed, by partition that waits for the next one."""
        with self._lock:
            return {partition: reason for partition, (_, reason) in self._failing.items()}

    def state(self, name: str) -> SinkState:
        """How the sink is; nothing of what waits for it."""
        with self._lock:
            known = SinkState(name, self._delivered, self._failed)
            if self._failing:
                since_s = min(since for since, _ in self._failing.values())
                takes_others = self._accepted_s >= since_s
                return replace(
                    known,
                    reason=self._reason,
                    since=datetime.fromtimestamp(since_s, UTC),
                    cameras=tuple(sorted(self._failing)) if takes_others else (),
                )
            if self._began and self._monotonic() - self._began[0] > ANSWERS_WITHIN_S:
                since = datetime.fromtimestamp(self._began[1], UTC)
                return replace(known, reason="it has not answered yet", since=since)
            return known


def city_sinks(states: Iterable[SinkState]) -> tuple[SinkState, ...]:
    """The sinks of a city from what its workers say of them, in the order of the first worker."""
    together: dict[str, SinkState] = {}
    for one in states:
        other = together.get(one.name)
        together[one.name] = one if other is None else _both(other, one)
    return tuple(together.values())


def _both(first: SinkState, second: SinkState) -> SinkState:
    troubled = [one for one in (first, second) if one.since is not None]
    worst = min(troubled, key=lambda one: (bool(one.cameras), one.since), default=first)
    everywhere = any(not one.cameras for one in troubled)
    cameras = () if everywhere else tuple(sorted({c for one in troubled for c in one.cameras}))
    return SinkState(
        first.name,
        first.delivered + second.delivered,
        first.failed + second.failed,
        first.pending + second.pending,
        first.dead + second.dead,
        first.dead_lately + second.dead_lately,
        worst.reason,
        worst.since,
        cameras,
        min(filter(None, (first.oldest, second.oldest)), default=None),
    )


def listing(cameras: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = len(cameras) - MOST_NAMED
    return ", ".join(cameras[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
