"""Retention: what is kept for how long and in how many bytes, and the deletion of what is older.

Everything is done in small steps, oldest first, so that nobody waits for it. Evidence of incidents
that are held stays, whatever the limits. Where the holds cannot be read, nothing is deleted.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from pipelines.delivery.event_log import OutboxLimits
from pipelines.delivery.holds import Holds
from pipelines.delivery.stores.store import KeyframeStore
from pipelines.errors import HoldsUnreadable, StoreError
from pipelines.keyframe_key import KEY_PREFIX, RESTRICTED_PREFIX, incident_tag

log = logging.getLogger(__name__)

GIGABYTE = 1e9
DAY_S = 86_400.0
PASS_EVERY_S = 600.0
"""From the end of one look through the store to the next."""

AGAIN_AFTER_S = 30.0
"""The same after a failure; what health says of it must not outlive its cause by long."""

STEP = 100
"""Keyframes per step."""


@dataclass(frozen=True, slots=True)
class RetentionLimit:
    """How long and how much; None is without end.

    Attributes:
        days: Older is deleted.
        gigabytes: Of 10^9 bytes; beyond it the oldest is deleted.
    """

    days: float | None = None
    gigabytes: float | None = None

    @property
    def max_bytes(self) -> float:
        """Infinity without a limit."""
        return float("inf") if self.gigabytes is None else self.gigabytes * GIGABYTE

    @property
    def max_age_s(self) -> float:
        """Infinity without a limit."""
        return float("inf") if self.days is None else self.days * DAY_S


def outbox_limits(limit: RetentionLimit) -> OutboxLimits:
    """The bounds of an outbox that keeps delivered events within a limit."""
    if limit.gigabytes is None:
        return OutboxLimits()
    return OutboxLimits(max_bytes=int(limit.max_bytes))


@dataclass(frozen=True, slots=True)
class Retention:
    """The limits of everything that a city keeps.

    Attributes:
        keyframes: Of the keyframe store.
        restricted: Of clips and clean images in the same store.
        coverage: Of the coverage ledger in each outbox; older periods go, published or not.
        events: Of each outbox; beyond its bytes delivered events go first, then the least
            important ones. What is not delivered has no age.
        logs: Of each worker's log files that are not written any more.
        comparisons: Of each worker's comparisons, images included.
        damaged: Of outboxes that were set aside.
        models: Of copies of model packages that no rollout table names, from their last use on.
    """

    keyframes: RetentionLimit = RetentionLimit(30.0, 100.0)
    restricted: RetentionLimit = RetentionLimit(7.0, 100.0)
    coverage: RetentionLimit = RetentionLimit(30.0, 0.05)
    events: RetentionLimit = RetentionLimit(1.0, 0.27)
    logs: RetentionLimit = RetentionLimit(30.0, 0.1)
    comparisons: RetentionLimit = RetentionLimit(30.0, 1.0)
    damaged: RetentionLimit = RetentionLimit(30.0)
    models: RetentionLimit = RetentionLimit(90.0, 20.0)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one kind, at the end of the newest look at all of it.

    Attributes:
        name: What it is.
        limit: How much it may be.
        bytes: How much it is.
        oldest: Date of the oldest, UTC; None where there is nothing.
        held: Files that are kept beyond the limit for an incident that is held.
        deleted: Files deleted since the start.
        fault: Why nothing can be deleted; empty where it can.
    """

    name: str
    limit: RetentionLimit
    bytes: int = 0
    oldest: date | None = None
    held: int = 0
    deleted: int = 0
    fault: str = ""


KINDS: Final = {KEY_PREFIX: "keyframes", RESTRICTED_PREFIX: "restricted"}
"""What lies below a prefix, as people call it."""


class KeyframeRetention:
    """Keeps a store within its limit. Not thread-safe: one thread calls `step`."""

    def __init__(
        self,
        store: KeyframeStore,
        limit: RetentionLimit,
        holds: Holds,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        prefix: str = KEY_PREFIX,
    ) -> None:
        """Begins with the next step.

        Args:
            store: The store.
            limit: How much is kept.
            holds: What stays all the same.
            utc_now: The time.
            monotonic: Monotonic seconds.
            prefix: What it is about: keyframes, or what is restricted.
        """
        self.kept = Kept(KINDS[prefix], limit)
        self._prefix = prefix
        self._store = store
        self._limit = limit
        self._holds = holds
        self._utc_now = utc_now
        self._monotonic = monotonic
        self._pass: Iterator[None] | None = None
        self._due_s = float("-inf")
        self._held: frozenset[str] = frozenset()

    def step(self) -> None:
        """Deals with some keyframes, if anything is due."""
        if self._pass is None:
            if self._monotonic() < self._due_s:
                return
            self._pass = self._go_through()
        try:
            # A hold counts from the next step on.
            self._held = frozenset(incident_tag(one.incident) for one in self._holds.all())
            for _ in range(STEP):
                next(self._pass)
            return
        except StopIteration:
            pass
        except (StoreError, HoldsUnreadable) as error:
            self.kept = replace(self.kept, fault=str(error))
            log.warning("retention.failed", extra={"error": str(error)})
        self._pass = None
        wait_s = AGAIN_AFTER_S if self.kept.fault else PASS_EVERY_S
        self._due_s = self._monotonic() + wait_s

    def _go_through(self) -> Iterator[None]:
        """Deletes what is too old, then the oldest of what is too much; pauses at each keyframe."""
        bytes_of: dict[date, int] = {}
        held = 0
        for day in sorted(self._store.days(self._prefix)):
            yield
            for key, size in self._store.of_day(day, self._prefix):
                yield
                is_held = self._is_held(key)
                held += is_held
                if self._is_old(day) and not is_held:
                    self._delete(key)
                else:
                    bytes_of[day] = bytes_of.get(day, 0) + size
        excess = sum(bytes_of.values()) - self._limit.max_bytes
        for day in sorted(bytes_of):
            for key, size in self._store.of_day(day, self._prefix) if excess > 0 else ():
                yield
                if excess > 0 and not self._is_held(key):
                    self._delete(key)
                    excess -= size
                    bytes_of[day] -= size
        self.kept = replace(
            self.kept,
            bytes=sum(bytes_of.values()),
            oldest=min((day for day, size in bytes_of.items() if size > 0), default=None),
            held=held,
            fault="",
        )

    def _is_held(self, key: str) -> bool:
        return key.rpartition("/")[2].partition("_")[0] in self._held

    def _delete(self, key: str) -> None:
        self._store.remove(key)
        self.kept = replace(self.kept, deleted=self.kept.deleted + 1)

    def _is_old(self, day: date) -> bool:
        """Whether even the last second of a day is too long ago."""
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        return (self._utc_now() - end).total_seconds() > self._limit.max_age_s


def keep_files(
    name: str, files: Iterable[Path], limit: RetentionLimit, now_s: float, kept: Kept
) -> Kept:
    """Deletes the oldest of some files, by the time of their last change, down to a limit.

    Args:
        name: What they are.
        files: All of them; nobody writes them.
        limit: How many.
        now_s: Seconds since 1970 UTC.
        kept: What was kept before.
    """
    found = []
    for path in files:
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    found.sort()
    used, deleted, fault = sum(size for _, size, _ in found), kept.deleted, ""
    oldest = None
    for changed_s, size, path in found:
        if now_s - changed_s <= limit.max_age_s and used <= limit.max_bytes:
            oldest = datetime.fromtimestamp(changed_s, UTC).date()
            break
        try:
            path.unlink()
        except OSError as error:
            fault = f"{path} cannot be deleted: {error.strerror}"
            continue
        used, deleted = used - size, deleted + 1
    return Kept(name, limit, used, oldest, 0, deleted, fault)
