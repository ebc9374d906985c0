"""`Undeleted`: a source of keyframes that has nothing of what was deleted on request.

Everything that gives images away reads from it, so that none is shown again that a worker puts into
the store later, or that the store does not let go of yet.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from event_hub.database import Database
from event_hub.keyframes import KeyframeSource
from event_hub.tables import DELETED_EVIDENCE, from_us


class DeletedEvidenceError(LookupError):
    """It was deleted on request."""


def deleted_among(database: Database, keys: Collection[str]) -> set[str]:
    """Those of some keys that were deleted on request.

    Raises:
        StoreUnavailableError: The database cannot be read.
    """
    named = DELETED_EVIDENCE.c.key.in_(keys)
    with database.read() as connection:
        return set(connection.scalars(select(DELETED_EVIDENCE.c.key).where(named)))


class Undeleted:
    """A `KeyframeSource` over another one."""

    def __init__(self, source: KeyframeSource, database: Database) -> None:
        self._source = source
        self._database = database

    def fetch(self, key: str) -> bytes:
        """See `KeyframeSource.fetch`.

        Raises:
            DeletedEvidenceError: It was deleted on request.
        """
        row = DELETED_EVIDENCE.c
        with self._database.read() as connection:
            asked_us = connection.scalar(select(row.asked_us).where(row.key == key))
        if asked_us is not None:
            raise DeletedEvidenceError(
                f"this was deleted on request on {from_us(asked_us):%Y-%m-%d}"
            )
        return self._source.fetch(key)

    def remove(self, key: str) -> None:
        """See `KeyframeSource.remove`."""
        self._source.remove(key)

    def is_held(self, key: str) -> bool:
        """See `KeyframeSource.is_held`."""
        return self._source.is_held(key)


def why_not(error: LookupError, otherwise: str) -> str:
    """Why a source does not have something, in a sentence."""
    return str(error) if isinstance(error, DeletedEvidenceError) else otherwise
