"""The tables of an outbox file; triggers keep `usage`, so that bounds hold in every transaction.

`event` is the log, in delivery order. `progress` is one cursor per sink and partition: as the
events of a partition are delivered in order, everything up to `acked` has been acknowledged.
`partitions` has the newest event of each. `blob` is a keyframe on its way to the store, `incident`
the newest state of each incident, `dead` what no further attempt will deliver.
"""

from __future__ import annotations

VERSION = 2

MIGRATIONS = {
    1: """
    ALTER TABLE lane RENAME TO partitions;
    ALTER TABLE partitions RENAME COLUMN camera TO partition;
    ALTER TABLE event RENAME COLUMN camera TO partition;
    ALTER TABLE progress RENAME COLUMN camera TO partition;
    ALTER TABLE dead RENAME COLUMN camera TO partition;
    """
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
