"""A new outbox from what can be read of a damaged one.

Rows are known by the types of their values, as their tables may be lost. An event is believed where
its JSON names the id that stands beside it. Where a doubt remains, it costs a delivery twice, which
receivers are made for, and not an event: cursors go back, and keyframes are looked for again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from pydantic import ValidationError

from pipelines.access import create_owned_file
from pipelines.delivery.outbox_schema import BODY_TYPE, create
from pipelines.delivery.restricted_rows import add_clean, keep_clip
from pipelines.delivery.salvage.page import Row, Value
from pipelines.delivery.salvage.page_file import PageFile
from pipelines.event import EVENT, IncidentData, OutgoingEvent

LETTERS = {type(None): "n", int: "i", float: "f", str: "t", bytes: "b"}
DAMAGED = "unreadable: the outbox was damaged where it stood"
GARBLED = "\ufffd"
"""Stands where a text is not UTF-8 any more; what the event itself says counts then."""
EPOCH_S = 1e9
"""Less than any time since this was written; more than the bytes of an outbox."""


@dataclass(slots=True)
class Salvaged:
    """What a rebuild brought over.

    Attributes:
        events: Events that are in the new outbox.
        unreadable: Events of which only a part was left; they are dead letters now.
    """

    events: int = 0
    unreadable: int = 0


def rebuild(source: Path, target: Path, utc_s: Callable[[], float]) -> Salvaged:
    """Makes `target`, durable when this returns, from what `source` and its log still hold.

    Raises:
        OSError: `target` cannot be written.
        sqlite3.OperationalError: So too.
    """
    create_owned_file(target).close()
    db = sqlite3.connect(target, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        create(db)
        db.execute("BEGIN")
        with PageFile(source) as pages:
            takers = _takers(utc_s())
            for row in pages.rows():
                for shape, take in takers:
                    if shape.fullmatch(_letters(row)):
                        take(db, row)
        _complete(db, utc_s())
        (events,) = db.execute("SELECT count(*) FROM event").fetchone()
        (dead,) = db.execute("SELECT count(*) FROM dead WHERE reason = ?", (DAMAGED,)).fetchone()
        db.execute("COMMIT")
    finally:
        db.close()
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Salvaged(events, dead)


def _letters(row: Row) -> str:
    """The types of a row: `r` for a rowid, then one letter for each value."""
    start = "" if row.rowid is None else "r"
    return start + "".join(LETTERS[type(value)] for value in row.values)


Take = Callable[[sqlite3.Connection, Row], None]


def _takers(now_s: float) -> list[tuple[re.Pattern[str], Take]]:
    """The shape of each table's rows, and what brings one over. Shapes are those of all versions.

    A REAL column holds an integer where its value is one.
    """

    def event(db: sqlite3.Connection, row: Row) -> None:
        _take_event(db, row, now_s)

    return [
        (re.compile(shape), take)
        for shape, take in (
            ("rntt[nt]ibi[fi][fi][in]?", event),
            ("r[nt]ittbt[fi]i?", _take_dead),
            ("rnttiittii", _take_blob),
            ("tiib", _take_incident),
            ("ttii", _take_progress),
            ("tb", _take_camera),
            ("rif", _take_life),
            ("tt[fi][fi][fi]ti", _take_coverage),
        )
    ]


def _take_event(db: sqlite3.Connection, row: Row, now_s: float) -> None:
    _, name, partition, _, priority, body, sealed, at, mono, *rest = row.values
    event, checksum = _parsed(body), rest[0] if rest else None
    altered = checksum is not None and isinstance(body, bytes) and crc32(body) != checksum
    if event is None or altered or (event.id != name and GARBLED not in str(name)):
        values = (None, row.rowid, name, partition, body, DAMAGED, now_s)
        _bring_dead(db, values)
        return
    incident = event.incident and event.incident.incident_id
    columns = (row.rowid, event.id, event.partitionkey, incident, priority, body, sealed)
    added = db.execute(
        "INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*columns, at, mono, checksum),
    ).rowcount
    if not added and sealed:
        # A page that was given up may hold the event as it was before its last change.
        db.execute(
            "UPDATE event SET body = ?, sealed = 1, checksum = ?"
            " WHERE seq = ? AND id = ? AND NOT sealed",
            (body, checksum, row.rowid, event.id),
        )
    db.execute("UPDATE life SET incarnation = max(incarnation, ?)", (event.incarnation,))


def _take_dead(db: sqlite3.Connection, row: Row) -> None:
    # Whether one was to be sent again is not worth believing a damaged page.
    _bring_dead(db, row.values[:7])


def _bring_dead(db: sqlite3.Connection, values: Sequence[object]) -> None:
    db.execute(
        "INSERT INTO dead (sink, seq, id, partition, body, reason, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def _take_blob(db: sqlite3.Connection, row: Row) -> None:
    _, key, *_, data, state, _, _ = row.values
    if state not in ("spooled", "stored", "lost") or _field(data, "key") != key:
        return
    db.execute(
        "INSERT OR IGNORE INTO blob VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row.rowid, *row.values[1:]),
    )


def _take_incident(db: sqlite3.Connection, row: Row) -> None:
    name, revision, _, body = row.values
    event = _parsed(body)
    found = event.incident if event else None
    if found is not None and (found.incident_id, found.revision) == (name, revision):
        _keep_incident(db, found, body)


def _take_progress(db: sqlite3.Connection, row: Row) -> None:
    db.execute(
        "INSERT INTO progress VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " acked = min(acked, excluded.acked)",
        row.values,
    )


def _take_camera(db: sqlite3.Connection, row: Row) -> None:
    event = _parsed(row.values[1])
    if event is not None and event.camera_state is not None:
        db.execute("INSERT OR REPLACE INTO camera VALUES (?, ?)", row.values)


def _take_coverage(db: sqlite3.Connection, row: Row) -> None:
    *_, gaps, _ = row.values
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        seconds = json.loads(gaps) if isinstance(gaps, str) else None
        if isinstance(seconds, dict) and all(float(one) >= 0 for one in seconds.values()):
            # The same row may stand on a page that was given up; what is published stays so.
            db.execute(
                "INSERT INTO coverage VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " ends_at = excluded.ends_at, able_s = excluded.able_s, gaps = excluded.gaps,"
                " published = excluded.published WHERE (excluded.published, excluded.ends_at) >"
                " (published, ends_at)",
                row.values,
            )


def _take_life(db: sqlite3.Connection, row: Row) -> None:
    incarnation, alive_s = row.values
    if isinstance(alive_s, float) and alive_s >= EPOCH_S:
        db.execute(
            "UPDATE life SET incarnation = max(incarnation, ?), alive_at = ?",
            (incarnation, alive_s),
        )


def _complete(db: sqlite3.Connection, now_s: float) -> None:
    """Makes what is lost of the other tables from the events; numbers go on behind all before."""
    (newest,) = db.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    # A cursor behind all events comes from a damaged page, or its events are gone: it is void.
    db.execute("DELETE FROM progress WHERE acked > ?", (newest,))
    db.execute("INSERT INTO partitions SELECT partition, max(seq) FROM event GROUP BY partition")
    bodies = db.execute(
        "SELECT seq, priority, sealed, body FROM event WHERE incident IS NOT NULL ORDER BY seq"
    )
    for *row, body in bodies:
        event = _parsed(body)
        if event is not None and event.incident is not None:
            _keep_incident(db, event.incident, body)
            _keep_keyframes(db, event.incident, *row)
    db.execute(
        "INSERT OR IGNORE INTO camera SELECT partition, body FROM event WHERE seq IN"  # noqa: S608
        f" (SELECT max(seq) FROM event WHERE {BODY_TYPE} = 'cityeye.camera.state'"
        " GROUP BY partition)"
    )
    # Lost events may have had greater numbers; no count of events ever overtakes the clock.
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'event'")
    behind = max(newest, int(now_s * 1000))
    db.execute("INSERT INTO sqlite_sequence VALUES ('event', ?)", (behind,))


def _keep_incident(db: sqlite3.Connection, incident: IncidentData, body: Value) -> None:
    db.execute(
        "INSERT INTO incident VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " revision = excluded.revision, open = excluded.open, body = excluded.body"
        " WHERE excluded.revision > revision",
        (incident.incident_id, incident.revision, incident.phase != "ended", body),
    )


def _keep_keyframes(
    db: sqlite3.Connection, incident: IncidentData, seq: int, priority: int, sealed: int
) -> None:
    """A keyframe that was on its way is looked for in the spool, and then in the store."""
    for one in incident.keyframes:
        spooled = one.state == "pending"
        data = one.model_copy(update={"state": "pending"}).model_dump_json()
        state = "spooled" if spooled else "stored"
        announced = spooled and bool(sealed)
        db.execute(
            "INSERT OR IGNORE INTO blob (key, incident, seq, priority, data, state, announced)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (one.key, incident.incident_id, seq, priority, data, state, announced),
        )
        add_clean(db, incident.incident_id, one)
    keep_clip(db, incident)


def _parsed(body: Value) -> OutgoingEvent | None:
    """The event that a body holds; None where it holds none."""
    if isinstance(body, bytes):
        with contextlib.suppress(ValidationError):
            return EVENT.validate_json(body)
    return None


def _field(text: Value, name: str) -> Any:  # noqa: ANN401 - as JSON has it
    """A field of a JSON object; None where the text is none."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found.get(name) if isinstance(found, dict) else None
