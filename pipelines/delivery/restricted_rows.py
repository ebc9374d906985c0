"""Clips and clean images in the `blob` table of an outbox: what is restricted, beside keyframes.

They are known by their priority, which lies below that of every keyframe: where the spool is full,
they are given up first. No event waits for them. What becomes of a clip is said in a revision of
its own; a clean image is named by its keyframe, and nothing is said when it is stored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from pipelines.event import IncidentData
from pipelines.event_evidence import CleanImageData, ClipData, KeyframeData

CLIP_PRIORITY: Final = -2
CLEAN_PRIORITY: Final = -1
LEAST_KEYFRAME_PRIORITY: Final = 0

REVISES: Final = 1
"""In the column `announced`: what becomes of it is published; no event waits for it."""

SILENT: Final = 2
"""In the same column: no event waits for it, and nothing is published of it."""

LOST: Final = "it was given up or lost before it was in the store"
NOT_KEPT: Final = "the worker ended before it was kept"

Blob = KeyframeData | CleanImageData | ClipData
"""What is on its way to the store: has a key, its digest, its media type and a file name."""


def blob_of(priority: int, data: str) -> Blob:
    """What a row describes.

    Raises:
        pydantic.ValidationError: It cannot be read.
    """
    kinds: dict[int, type[Blob]] = {CLIP_PRIORITY: ClipData, CLEAN_PRIORITY: CleanImageData}
    return kinds.get(priority, KeyframeData).model_validate_json(data)


def add_clean(db: sqlite3.Connection, incident: str, keyframe: KeyframeData) -> None:
    """Notes the clean image of a keyframe, where it has one; it is in the spool."""
    if (clean := keyframe.clean) is not None:
        db.execute(
            "INSERT OR IGNORE INTO blob (key, incident, seq, priority, data, state, announced)"
            " VALUES (?, ?, 0, ?, ?, 'spooled', ?)",
            (clean.key, incident, CLEAN_PRIORITY, clean.model_dump_json(), SILENT),
        )


def without_lost(
    db: sqlite3.Connection, incident: str, keyframes: Sequence[KeyframeData]
) -> list[KeyframeData]:
    """The keyframes of an incident; what was lost of clean images is not named any more."""
    rows = db.execute(
        "SELECT key FROM blob WHERE incident = ? AND priority = ? AND state = 'lost'",
        (incident, CLEAN_PRIORITY),
    )
    lost = {row[0] for row in rows}
    return [
        one.model_copy(update={"clean": None}) if one.clean and one.clean.key in lost else one
        for one in keyframes
    ]


def add_clip(db: sqlite3.Connection, incident: str, clip: ClipData) -> None:
    """Notes a clip that is in the spool; a second one of an incident changes nothing."""
    _insert(db, incident, clip, clip.key, "spooled")


def add_no_clip(db: sqlite3.Connection, incident: str, reason: str) -> None:
    """Notes why an incident has no clip, where it has none yet."""
    _insert(db, incident, ClipData(state="none", reason=reason), f"none/{incident}", "lost")


def keep_clip(db: sqlite3.Connection, incident: IncidentData) -> None:
    """Notes what an event says of a clip, where the row itself was lost."""
    clip = incident.clip
    if clip is not None and clip.state == "none":
        add_no_clip(db, incident.incident_id, clip.reason)
    elif clip is not None and clip.key:
        state = "stored" if clip.state == "stored" else "spooled"
        _insert(db, incident.incident_id, clip, clip.key, state)


def _insert(db: sqlite3.Connection, incident: str, clip: ClipData, key: str, state: str) -> None:
    if clip_of(db, incident) is None:
        db.execute(
            "INSERT OR IGNORE INTO blob (key, incident, seq, priority, data, state, announced)"
            " VALUES (?, ?, 0, ?, ?, ?, ?)",
            (key, incident, CLIP_PRIORITY, clip.model_dump_json(), state, REVISES),
        )


def clip_of(db: sqlite3.Connection, incident: str) -> ClipData | None:
    """What is known of the clip of an incident; None where nothing is."""
    row = db.execute(
        "SELECT data, state FROM blob WHERE incident = ? AND priority = ?",
        (incident, CLIP_PRIORITY),
    ).fetchone()
    if row is None:
        return None
    clip, state = ClipData.model_validate_json(row[0]), row[1]
    if state == "lost":
        return ClipData(state="none", reason=clip.reason if clip.state == "none" else LOST)
    return clip.model_copy(update={"state": "stored" if state == "stored" else "pending"})


def incidents_without(db: sqlite3.Connection, before: int) -> list[str]:
    """Incidents of incarnations before one that await a clip of which nothing is known."""
    rows = db.execute(
        "SELECT id FROM incident WHERE json_valid(CAST(body AS TEXT))"
        " AND json_extract(CAST(body AS TEXT), '$.data.clip.state') = 'pending'"
        " AND coalesce(json_extract(CAST(body AS TEXT), '$.incarnation'), 0) < ?"
        " AND NOT EXISTS"
        " (SELECT 1 FROM blob WHERE blob.incident = incident.id AND priority = ?)",
        (before, CLIP_PRIORITY),
    ).fetchall()
    return [row[0] for row in rows]
