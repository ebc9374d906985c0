"""Holds incidents as evidence: retention leaves them alone, and the hub copies their keyframes.

The keyframe store deletes by its own rules, and what is held must outlive it.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, select, update

from event_hub.answers import EvidenceHold
from event_hub.deletions.guard import deleted_among
from event_hub.keyframes import EvidenceFolder, KeyframeSource
from event_hub.store import EventStore
from event_hub.tables import INCIDENTS, KEYFRAMES, from_us, to_us
from pipelines.event import IncidentData

UNNAMED_S: Final = 24 * 3600.0

logger = logging.getLogger(__name__)


class EvidenceKeeper:
    """Holds and releases incidents; safe to use from several threads."""

    def __init__(self, store: EventStore, source: KeyframeSource, folder: EvidenceFolder) -> None:
        """Copies what `source` has into the `folder`."""
        self._store = store
        self._source = source
        self._folder = folder

    def hold(self, incident: Row[Any]) -> EvidenceHold:
        """Holds an incident and copies the keyframes that there are.

        Raises:
            StoreUnavailableError: The database does not take it.
        """
        now_us = incident.held_us or to_us(datetime.now(UTC))
        self._note(incident, now_us)
        names = self._names(incident)
        copies = sum(self._copy(name) for name in names)
        return EvidenceHold(held_since=from_us(now_us), keyframes=len(names), copies=copies)

    def release(self, incident: Row[Any]) -> EvidenceHold:
        """Leaves an incident to retention again; its copies go.

        Raises:
            StoreUnavailableError: The database does not take it.
        """
        self._note(incident, None)
        names = self._names(incident)
        for key, _ in names:
            with suppress(OSError):
                self._folder.remove(key)
        return EvidenceHold(held_since=None, keyframes=len(names), copies=0)

    def copy_missing(self) -> int:
        """Copies keyframes of held incidents that came or were stored later.

        Returns:
            How many keyframes of held incidents have no copy yet.
        """
        held = select(INCIDENTS).where(INCIDENTS.c.held_us.is_not(None))
        with self._store.database.read() as connection:
            incidents = connection.execute(held).all()
        names = [name for incident in incidents for name in self._names(incident)]
        return sum(not self._copy(name) for name in names)

    def remove_unnamed(self) -> int:
        """Removes images of the hub's own of which nothing that is kept speaks any more.

        Returns:
            How many there were. What is younger than a day may yet be named.
        """
        removed = 0
        for key in self._folder.older_than(UNNAMED_S):
            with self._store.database.read() as connection:
                named = connection.scalar(select(KEYFRAMES.c.key).where(KEYFRAMES.c.key == key))
            if named is None:
                self._folder.remove(key)
                removed += 1
        return removed

    def _note(self, incident: Row[Any], held_us: int | None) -> None:
        same = (INCIDENTS.c.incident_id == incident.incident_id) & (
            INCIDENTS.c.city == incident.city
        )
        with self._store.database.write() as connection:
            connection.execute(update(INCIDENTS).where(same).values(held_us=held_us))

    def _names(self, incident: Row[Any]) -> list[tuple[str, str]]:
        """Key and sha256 of the keyframes that an incident names and nobody had deleted."""
        keyframes = IncidentData.model_validate_json(incident.data).keyframes
        deleted = deleted_among(self._store.database, [one.key for one in keyframes])
        return [(one.key, one.sha256) for one in keyframes if one.key not in deleted]

    def _copy(self, name: tuple[str, str]) -> bool:
        """Whether there is a copy now."""
        key, sha256 = name
        if self._folder.has(key):
            return True
        try:
            data = self._source.fetch(key)
            if hashlib.sha256(data).hexdigest() != sha256:
                return False
            self._folder.put(key, data)
        except LookupError:
            return False
        except OSError as error:
            logger.warning("evidence_not_copied", extra={"key": key, "error": str(error)})
            return False
        return True
