"""The tables of an outbox, and how older ones become today's.

`event` is the log, in delivery order. `progress` is one cursor per sink and partition: as the
events of a partition are delivered in order, everything up to `acked` has been acknowledged.
`partitions` has the newest event of each. `blob` is a keyframe on its way to the store, `incident`
the newest state of each incident, `camera` the newest state that was published of each camera,
`life` who writes the file and when it was last known to be there, `dead` what no further attempt
will deliver, `coverage` what each task could see. Triggers keep `usage`, so that bounds hold in
every transaction.

The tables themselves show their version; the number in the file's header is not believed against
them, as one wrong bit in it would stop a worker. A new version changes at least one table, column,
index or trigger.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache

VERSION = 6

CAMERA_AND_LIFE = """
CREATE TABLE camera (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE life (incarnation INTEGER NOT NULL, alive_at REAL NOT NULL) STRICT;
INSERT INTO life VALUES (0, 0);
"""

BODY_TYPE = """
    CASE WHEN json_valid(CAST(body AS TEXT)) THEN json_extract(CAST(body AS TEXT), '$.type') END
"""
"""SQL for the type of the event in a column `body`; NULL where it is unreadable."""

CHECKSUM = "ALTER TABLE event ADD COLUMN checksum INTEGER;"
"""CRC-32 of the body: pages have none of their own. None in events of older programs."""

REPLAYS = """
ALTER TABLE sink DROP COLUMN enabled;
ALTER TABLE dead ADD COLUMN replay INTEGER NOT NULL DEFAULT 0;
CREATE INDEX dead_by_sink ON dead (sink, replay, at);
"""
"""No sink is given up any more, and dead letters can be sent again."""

COVERAGE = """
CREATE TABLE coverage (
    camera TEXT NOT NULL,
    task TEXT NOT NULL,
    begins_at REAL NOT NULL,
    ends_at REAL NOT NULL,
    able_s REAL NOT NULL,
    gaps TEXT NOT NULL,
    published INTEGER NOT NULL,
    PRIMARY KEY (camera, task, begins_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX coverage_by_end ON coverage (ends_at);
"""
"""The coverage ledger; `gaps` are seconds by reason, as JSON."""

MIGRATIONS = {
    1: """
    ALTER TABLE lane RENAME TO partitions;
    ALTER TABLE partitions RENAME COLUMN camera TO partition;
    ALTER TABLE event RENAME COLUMN camera TO partition;
    ALTER TABLE progress RENAME COLUMN camera TO partition;
    ALTER TABLE dead RENAME COLUMN camera TO partition;
    """,
    # Which state each camera was in is read from the events that are still kept.
    2: f"""
    {CAMERA_AND_LIFE}
    UPDATE life SET alive_at = (SELECT coalesce(max(committed_at), 0) FROM event);
    INSERT INTO camera SELECT partition, body FROM event WHERE seq IN
        (SELECT max(seq) FROM event WHERE {BODY_TYPE} = 'cityeye.camera.state' GROUP BY partition);
    """,  # noqa: S608
    3: CHECKSUM,
    4: REPLAYS,
    5: COVERAGE,
}
"""From each older version to the next one."""

SCHEMA = """
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    partition TEXT NOT NULL,
    incident TEXT,
    priority INTEGER NOT NULL,
    body BLOB NOT NULL,
    sealed INTEGER NOT NULL,
    committed_at REAL NOT NULL,
    committed_mono_s REAL NOT NULL
) STRICT;
CREATE INDEX event_by_camera ON event (partition, seq);
CREATE INDEX event_by_incident ON event (incident);
CREATE INDEX event_by_priority ON event (priority, seq);

CREATE TABLE partitions (
    partition TEXT PRIMARY KEY,
    newest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sink (name TEXT PRIMARY KEY, enabled INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE progress (
    sink TEXT NOT NULL,
    partition TEXT NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sink, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE dead (
    sink TEXT,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    partition TEXT NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;

CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    open INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE blob (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    incident TEXT NOT NULL,
    seq INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    data TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('spooled', 'stored', 'lost')),
    announced INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX blob_by_incident ON blob (incident, number);
CREATE INDEX blob_by_state ON blob (state, attempts, number);

CREATE TABLE usage (events INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
INSERT INTO usage VALUES (0, 0);
CREATE TRIGGER event_inserted AFTER INSERT ON event BEGIN
    UPDATE usage SET events = events + 1, bytes = bytes + length(new.body);
END;
CREATE TRIGGER event_deleted AFTER DELETE ON event BEGIN
    UPDATE usage SET events = events - 1, bytes = bytes - length(old.body);
END;
CREATE TRIGGER event_sealed AFTER UPDATE OF body ON event BEGIN
    UPDATE usage SET bytes = bytes + length(new.body) - length(old.body);
END;
"""


FIRST_SCHEMA = SCHEMA.replace("partitions", "lane").replace("partition", "camera")
"""Version 1: the same under other names."""


def layout(db: sqlite3.Connection) -> frozenset[str]:
    """Names of all tables, columns, indexes and triggers of a database."""
    rows = db.execute(
        "SELECT m.type || ' ' || m.name || ' ' || coalesce(c.name, '') FROM sqlite_master m"
        " LEFT JOIN pragma_table_info(m.name) c ON m.type = 'table'"
        " WHERE m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    return frozenset(row[0] for row in rows)


@lru_cache(maxsize=1)
def _layouts() -> dict[frozenset[str], int]:
    """The version of each layout that this program knows."""
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(FIRST_SCHEMA)
        layouts = {layout(db): 1}
        for version, migration in MIGRATIONS.items():
            db.executescript(migration)
            layouts[layout(db)] = version + 1
        return layouts
    finally:
        db.close()


def version_of(db: sqlite3.Connection) -> int | None:
    """The version that the tables show; None for tables that this program does not know."""
    return _layouts().get(layout(db))


def migrate(db: sqlite3.Connection, found: int) -> None:
    """Makes tables of a version those of today, in one transaction."""
    steps = " ".join(MIGRATIONS[version] for version in range(found, VERSION))
    db.executescript(f"BEGIN; {steps} PRAGMA user_version = {VERSION}; COMMIT;")


def create(db: sqlite3.Connection) -> None:
    """Makes the tables of an empty database, in one transaction."""
    db.executescript(
        f"BEGIN; {SCHEMA} {CAMERA_AND_LIFE} {CHECKSUM} {REPLAYS} {COVERAGE}"
        f" PRAGMA user_version = {VERSION}; COMMIT;"
    )
