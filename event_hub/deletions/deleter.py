"""`EvidenceDeleter`: deletes evidence everywhere, and again where something puts it back.

From the moment that a request is taken nothing gives the evidence away any more, whatever the store
still has. A worker that was cut off may hold an image for days and store it then: for a week it is
removed again every hour.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, insert, or_, select, update

from event_hub.database import Database
from event_hub.deletions.found import (
    KEYS_MAX,
    DeletedItem,
    DeletionRequest,
    ambiguous_among,
    held_among,
    items_of,
)
from event_hub.deletions.records import (
    COMPLETED,
    REQUESTED,
    append_record,
    lock_records,
    records_of,
)
from event_hub.errors import HubError
from event_hub.keyframes import KeyframeSource
from event_hub.tables import (
    DELETED_EVIDENCE,
    DELETION_RECORDS,
    INCIDENTS,
    from_us,
    to_us,
)
from pipelines.access import AuditTrail, Caller

logger = logging.getLogger(__name__)

AGAIN_EVERY: Final = timedelta(hours=1)
AGAIN_FOR: Final = timedelta(days=7)
BATCH: Final = 100
"""Keys that are removed before that is noted."""
FAILURES_MAX: Final = 5
"""After so many the store counts as away: the next round tries again."""
NAMED: Final = 10
"""Held incidents that a refusal names."""


class NothingToDeleteError(HubError):
    """No event that is kept names what was asked for."""


class TooMuchToDeleteError(HubError):
    """A request is about more than it may be."""


class AmbiguousIncidentError(HubError):
    """Several cities have an incident of one id, and the request says none."""


class HeldEvidenceError(HubError):
    """Some of it is held: release it first."""


class EvidenceDeleter:
    """Safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        source: KeyframeSource,
        trail: AuditTrail,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Removes from `source`, which has the store and the hub's own copies."""
        self._database = database
        self._source = source
        self._trail = trail
        self._utc_now = utc_now

    def delete(self, by: Caller, wanted: DeletionRequest) -> int:
        """Deletes what a request is about; gives its number.

        What the store does not let go of now is removed as soon as it does.

        Raises:
            NothingToDeleteError: No event that is kept names it.
            TooMuchToDeleteError: It is too much for one request.
            AmbiguousIncidentError: It is not clear which incident is meant.
            HeldEvidenceError: Some of it is held as evidence.
            AuditError: It cannot be noted.
            StoreUnavailableError: The database does not take it.
        """
        with self._database.read() as connection:
            items = self._checked(connection, wanted)
        now = self._utc_now()
        content = {
            "at": now.isoformat(),
            "by": by.name,
            "by_id": by.id,
            "reason": wanted.reason,
            "evidence": [one.model_dump(mode="json") for one in items],
        }
        with self._database.write() as connection:
            number, digest = append_record(connection, REQUESTED, content)
            _forget(connection, items, number, to_us(now))
            reason = f"{wanted.reason} (record {digest})"
            self._trail.note(by, f"deletion {number}", reason, "evidence.deleted")
        self._remove([one.key for one in items])
        return number

    def remove_again(self) -> int:
        """Removes what the store did not let go of, and what may have come back.

        Returns:
            How many keys are still in the store although they were to be deleted.

        Raises:
            StoreUnavailableError: The database cannot be used.
        """
        now_us = to_us(self._utc_now())
        row = DELETED_EVIDENCE.c
        young = row.asked_us > now_us - _us(AGAIN_FOR)
        due = or_(row.removed_us.is_(None), young & (row.removed_us < now_us - _us(AGAIN_EVERY)))
        with self._database.read() as connection:
            keys = connection.scalars(select(row.key).where(due).order_by(row.removed_us)).all()
        self._remove(keys)
        waiting = select(func.count()).where(row.removed_us.is_(None))
        with self._database.read() as connection:
            return connection.scalar(waiting) or 0

    def _checked(self, connection: Connection, wanted: DeletionRequest) -> list[DeletedItem]:
        several = ambiguous_among(connection, wanted)
        if several:
            raise AmbiguousIncidentError(
                f"several cities have incident {several[0]}: say which with `city`"
            )
        items = items_of(connection, wanted)
        if not items:
            raise NothingToDeleteError("no event that is kept names evidence of this")
        if len(items) > KEYS_MAX:
            raise TooMuchToDeleteError(
                f"this is about {len(items)} images and clips; a request takes {KEYS_MAX}, so ask"
                " for a shorter time"
            )
        held = held_among(connection, items)
        held |= {one.incident or one.key for one in items if self._source.is_held(one.key)}
        if held:
            named = ", ".join(sorted(held)[:NAMED])
            raise HeldEvidenceError(
                f"evidence of these incidents is held, release it first: {named}"
            )
        return items

    def _remove(self, keys: Sequence[str]) -> None:
        """Removes keys from store and folder, and notes what is gone, some at a time."""
        # One that always fails must not stand before the others for ever.
        mixed = random.sample(keys, len(keys))
        failed = 0
        for part in _batches(mixed):
            removed = []
            for key in part:
                if failed >= FAILURES_MAX:
                    break
                is_removed = self._is_removed(key)
                failed += not is_removed
                removed += [key] if is_removed else []
            now = self._utc_now()
            with self._database.write() as connection:
                named = DELETED_EVIDENCE.c.key.in_(removed)
                values = {"removed_us": to_us(now)}
                connection.execute(update(DELETED_EVIDENCE).where(named).values(values))
                _complete(connection, now)

    def _is_removed(self, key: str) -> bool:
        """Whether neither the store nor the hub has it now: it is asked for once more."""
        try:
            self._source.remove(key)
            self._source.fetch(key)
        except LookupError:
            return True
        except OSError as error:
            logger.warning("evidence_not_deleted", extra={"key": key, "error": str(error)})
        return False


def _forget(connection: Connection, items: Sequence[DeletedItem], number: int, now_us: int) -> None:
    """Marks what is to be deleted, so that nothing gives it away from now on."""
    asked: dict[str, Any] = {"deletion": number, "asked_us": now_us, "removed_us": None}
    for part in _batches([one.key for one in items]):
        named = DELETED_EVIDENCE.c.key.in_(part)
        known = set(connection.scalars(select(DELETED_EVIDENCE.c.key).where(named)))
        connection.execute(update(DELETED_EVIDENCE).where(named).values(asked))
        new = [{"key": key, **asked} for key in part if key not in known]
        if new:
            connection.execute(insert(DELETED_EVIDENCE), new)
    for incident, city in {(one.incident, one.city) for one in items if one.incident}:
        same = (INCIDENTS.c.incident_id == incident) & (INCIDENTS.c.city == city)
        connection.execute(update(INCIDENTS).where(same).values(deleted_us=now_us))


def _complete(connection: Connection, now: datetime) -> None:
    """Adds the second record of every deletion of which everything is gone."""
    lock_records(connection)
    one_record = select(DELETION_RECORDS.c.deletion).group_by(DELETION_RECORDS.c.deletion)
    for deletion in connection.scalars(one_record.having(func.count() == 1)).all():
        (record,) = records_of(connection, deletion)
        keys = [one["key"] for one in record["evidence"]]
        gone = [one for part in _batches(keys) for one in _gone(connection, part)]
        if len(gone) == len(keys):
            content = {"at": now.isoformat(), "gone": gone}
            append_record(connection, COMPLETED, content, deletion)


def _gone(connection: Connection, keys: Sequence[str]) -> list[dict[str, str]]:
    row = DELETED_EVIDENCE.c
    query = select(row.key, row.removed_us).where(row.key.in_(keys), row.removed_us.is_not(None))
    return [
        {"key": one.key, "at": from_us(one.removed_us).isoformat()}
        for one in connection.execute(query.order_by(row.key))
    ]


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))


def _us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
