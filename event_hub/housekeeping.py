"""The hub's housekeeping, in a thread of its own: damage, lost disks, time limits, retention.

It gives freed memory back to the system, too.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from sqlalchemy import update

from event_hub.cases.limit_watch import LimitWatch
from event_hub.deletions.deleter import EvidenceDeleter
from event_hub.errors import StoreUnavailableError
from event_hub.evidence import EvidenceKeeper
from event_hub.repeated_rounds import RepeatedRounds
from event_hub.retention import delete_old
from event_hub.settings import HubRetention
from event_hub.store import EventStore
from event_hub.tables import USAGE
from pipelines.free_memory import FreeMemory

logger = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 1.0
TRY_EVERY_S: Final = 5.0
TIDY_EVERY_S: Final = 60.0
WARN_EVERY_S: Final = 2.0
CLEAR_EVERY_S: Final = 3600.0


class Housekeeper(RepeatedRounds):
    """Runs between `start` and `stop`."""

    def __init__(
        self,
        store: EventStore,
        limits: HubRetention,
        evidence: EvidenceKeeper,
        watch: LimitWatch,
        deleter: EvidenceDeleter,
    ) -> None:
        super().__init__("housekeeping", self._round, CHECK_EVERY_S)
        self._store = store
        self._deleter = deleter
        self._undeleted = 0
        self._limits = limits
        self._evidence = evidence
        self._watch = watch
        self._free_memory = FreeMemory()
        self._uncopied = 0
        self._tidy_due_s = self._try_due_s = self._warn_due_s = time.monotonic()
        self._clear_due_s = self._tidy_due_s

    def problems(self, used_bytes: int) -> list[str]:
        """What is wrong, a sentence each; `used_bytes` as in `Health.bytes`."""
        database = self._store.database
        found = [
            f"a damaged database was set aside as {path}: the hub began anew without what it held;"
            " have the cities replay what they still keep, then remove the file"
            for path in database.aside()
        ]
        if database.damage:
            found.append(database.damage)
        if database.trouble:
            found.append(f"nothing can be stored: {database.trouble}; senders keep their events")
        if used_bytes > self._limits.max_bytes:
            found.append(
                f"{used_bytes} bytes of events are more than the {self._limits.gigabytes:g} GB that"
                " the hub may keep: what is left is too young to be deleted, or held, or of open"
                " incidents"
            )
        if self._uncopied:
            found.append(
                f"{self._uncopied} keyframes of held incidents are not copied yet:"
                " the keyframe store does not have them"
            )
        if self._undeleted:
            found.append(
                f"{self._undeleted} images and clips that were deleted on request are still in the"
                " keyframe store, which does not remove them; nothing gives them away"
            )
        return found

    def _round(self) -> None:
        self._free_memory.give_back()
        now_s = time.monotonic()
        if self._store.database.damage:
            self._store.replace_damaged()
        if self._store.database.trouble and now_s >= self._try_due_s:
            self._try_due_s = now_s + TRY_EVERY_S
            self._try_to_write()
        if now_s >= self._warn_due_s:
            self._warn_due_s = now_s + WARN_EVERY_S
            self._watch.check()
        if now_s >= self._tidy_due_s:
            self._tidy_due_s = now_s + TIDY_EVERY_S
            deleted = delete_old(self._store.database, self._limits, stopped=self.is_stopping)
            if deleted:
                logger.info("events_deleted", extra={"count": deleted})
            self._uncopied = self._evidence.copy_missing()
            self._undeleted = self._deleter.remove_again()
        if now_s >= self._clear_due_s:
            self._clear_due_s = now_s + CLEAR_EVERY_S
            self._evidence.remove_unnamed()

    def _try_to_write(self) -> None:
        """Finds out whether the disk takes something again, where no sender tries."""
        try:
            with self._store.database.write() as connection:
                connection.execute(update(USAGE).values(id=1))
        except StoreUnavailableError:
            return
        logger.warning("database_writable_again")
