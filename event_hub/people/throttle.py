"""`LoginThrottle`: after some failed logins the next has to wait, each time for longer.

Three counts wait for themselves: of a name from one address, of an address, and of a name from
anywhere. The last one waits for a minute at most, so that nobody can keep another out for long.
They are kept in memory: a hub that is started again has forgotten them.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from event_hub.people.errors import LoginWaitError

KNOWN_MAX: Final = 10_000
"""Counts that are remembered at most; the oldest goes first."""


class _Limit(NamedTuple):
    """So many failures are free; then the wait doubles with each up to a longest one."""

    free: int
    longest_s: float


FROM_ADDRESS: Final = _Limit(5, 900.0)
OF_ADDRESS: Final = _Limit(30, 900.0)
OF_NAME: Final = _Limit(50, 60.0)


@dataclass(slots=True)
class _Count:
    failures: int = 0
    until_s: float = 0.0


class LoginThrottle:
    """Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str, str], _Count] = OrderedDict()

    def begin(self, name: str, address: str) -> None:
        """To be called before a password is checked; it counts as failed until `succeeded`.

        Raises:
            LoginWaitError: It is too early; the attempt does not count.
        """
        with self._lock:
            now_s = self._clock()
            counts = [
                (self._count(key, limit, now_s), limit) for key, limit in _keys(name, address)
            ]
            wait_s = max(count.until_s for count, _ in counts) - now_s
            if wait_s > 0:
                raise LoginWaitError(wait_s)
            for count, limit in counts:
                count.failures += 1
                over = count.failures - limit.free
                wait_s = min(limit.longest_s, 2.0 ** min(over, 20)) if over >= 0 else 0.0
                count.until_s = now_s + wait_s

    def succeeded(self, name: str, address: str) -> None:
        """The password was right: what failed before does not count against the name any more."""
        with self._lock:
            for key, limit in _keys(name, address):
                if limit is OF_ADDRESS:
                    # One account of their own must not let somebody try those of others for ever.
                    count = self._counts[key]
                    count.failures, count.until_s = count.failures - 1, 0.0
                else:
                    self._counts.pop(key, None)

    def _count(self, key: tuple[str, str, str], limit: _Limit, now_s: float) -> _Count:
        count = self._counts.get(key)
        if count is None or now_s - count.until_s > 2 * limit.longest_s:
            count = _Count(until_s=now_s)
        self._counts[key] = count
        self._counts.move_to_end(key)
        while len(self._counts) > KNOWN_MAX:
            self._counts.popitem(last=False)
        return count


def _keys(name: str, address: str) -> list[tuple[tuple[str, str, str], _Limit]]:
    return [
        (("from", name, address), FROM_ADDRESS),
        (("address", "", address), OF_ADDRESS),
        (("name", name, ""), OF_NAME),
    ]
