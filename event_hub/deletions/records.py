"""Records of deletions: who asked for what and why, and what is gone, each chained to the last.

The SHA-256 of a record covers the one before, so none can be altered or taken out unseen; the
digest of a request also stands in the audit trail, which is another file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from event_hub.tables import DELETION_RECORDS, USAGE

REQUESTED: Final = "requested"
COMPLETED: Final = "completed"


def lock_records(connection: Connection) -> None:
    """Until the transaction ends, no other hub on this database adds a record."""
    connection.execute(select(USAGE).with_for_update())


def append_record(
    connection: Connection, step: str, content: dict[str, Any], deletion: int | None = None
) -> tuple[int, str]:
    """Adds a record; gives the number of its deletion, and its digest.

    Args:
        connection: In a transaction.
        step: `requested` or `completed`.
        content: JSON.
        deletion: The number of the request; a new one without it.
    """
    lock_records(connection)
    newest = DELETION_RECORDS.c.number.desc()
    last = connection.execute(select(DELETION_RECORDS).order_by(newest).limit(1)).first()
    number = last.number + 1 if last else 1
    record = {"number": number, "step": step, **content, "previous": last.digest if last else ""}
    text = json.dumps(record, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    row = {"number": number, "deletion": deletion or number, "digest": digest, "record": text}
    connection.execute(insert(DELETION_RECORDS).values(row))
    return deletion or number, digest


def records_of(connection: Connection, deletion: int | None = None) -> list[dict[str, Any]]:
    """The records of one deletion, or of all, in order, each with its text and digest."""
    query = select(DELETION_RECORDS).order_by(DELETION_RECORDS.c.number)
    if deletion is not None:
        query = query.where(DELETION_RECORDS.c.deletion == deletion)
    rows = connection.execute(query).all()
    return [
        json.loads(row.record)
        | {"deletion": row.deletion, "digest": row.digest, "text": row.record}
        for row in rows
    ]


def broken_record(connection: Connection) -> int | None:
    """The number of the first record that does not fit; None where all are whole."""
    rows: Sequence[Any] = connection.execute(
        select(DELETION_RECORDS).order_by(DELETION_RECORDS.c.number)
    ).all()
    previous = ""
    for count, row in enumerate(rows, 1):
        digest = hashlib.sha256(row.record.encode()).hexdigest()
        said = json.loads(row.record)
        if (row.number, digest, said["previous"]) != (count, row.digest, previous):
            return count
        previous = digest
    return None
