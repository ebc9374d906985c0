"""The hub's tables: every event as it came, what is derived from events, and what was heard last.

Times are whole microseconds since 1970 UTC and text keys are plain strings, so that order and
equality mean the same in SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY = String(512)

METADATA = MetaData()


def _texts(*names: str) -> Iterator[Column[str]]:
    """Columns of plain strings that every row has."""
    return (Column(name, _KEY, nullable=False) for name in names)


def _city() -> Column[str]:
    """The city in the event's source, part of the key; see `pipelines.event.city_of`."""
    return Column("city", _KEY, primary_key=True, server_default="")


def _incarnation() -> Column[int]:
    """The producer's incarnation; 0 where the event has none."""
    return Column("incarnation", BigInteger, nullable=False, server_default="0")


SCHEMA = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))
"""One row, a version that no program has which reads it: programs that came before
`event_hub.migrations` refuse the database by it. Nothing else needs it."""

USAGE = Table(
    "usage",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
"""One row: the newest position that was given to an event, how many events are kept, and the sum of
their bodies. Whoever adds or deletes events locks it first."""

EVENTS = Table(
    "events",
    METADATA,
    Column("source", _KEY, primary_key=True),
    Column("event_id", _KEY, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    *_texts("type", "partitionkey", "sequence"),
    _incarnation(),
    Column("incident_id", _KEY),
    Column("revision", Integer),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("position", name="events_position"),
    Index("events_incident", "incident_id", "revision"),
    Index("events_type", "type", "position"),
)
"""`position` is the order of arrival. `body` holds the bytes that were received, unchanged."""

MEASUREMENTS = Table(
    "measurements",
    METADATA,
    Column("source", _KEY, primary_key=True),
    Column("event_id", _KEY, primary_key=True),
    *_texts("city", "camera", "kind", "task", "zone", "line"),
    Column("begins_us", BigInteger, nullable=False),
    Index("measurements_newest", "begins_us", "source", "event_id"),
    Index("measurements_kind", "kind", "camera", "begins_us", "source", "event_id"),
)
"""Where and when each measurement among the events is of; the event itself has the number."""

MEASURED_SERIES = Table(
    "measured_series",
    METADATA,
    Column("series", String(32), primary_key=True),
    *_texts("city", "camera", "kind", "task", "zone", "line", "unit"),
    Index("measured_series_kind", "kind", "camera"),
)
"""What the measurements of a series have in common; `series` is a digest of it."""

MEASURED_HOURS = Table(
    "measured_hours",
    METADATA,
    Column("series", String(32), primary_key=True),
    Column("begins_us", BigInteger, primary_key=True, autoincrement=False),
    Column("measurements", Integer, nullable=False),
    *(Column(name, Double, nullable=False) for name in ("total", "weighted", "least", "most")),
    *(Column(name, Double, nullable=False) for name in ("watched_s", "able_s", "requested_s")),
    Index("measured_hours_age", "begins_us"),
)
"""The measurements of a series that begin in one hour, summed up when they are stored: `total` of
their values, `weighted` of values times `watched_s`. They stay when the measurements go."""

LISTED = (
    "opened_us", "incident_id", "city", "is_open", "level", "kind", "camera", "zone", "model",
    "model_version", "held_us", "words",
)  # fmt: skip
"""All that incidents are filtered and ordered by. SQLite keeps `data` within its rows, so that a
search over the table reads all of it; over this index it does not. PostgreSQL keeps long texts
apart, and bounds the entries of an index."""

COUNTED = ("level", "kind", "opened_us", "is_open")
GROUPED = ("city", "camera", "level", "zone", "opened_us", "is_open")
"""All that incidents are counted by, at one place or at all of them."""

INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("incident_id", _KEY, primary_key=True),
    _city(),
    Column("revision", Integer, nullable=False),
    *_texts("sequence", "source", "event_id", "kind", "camera", "severity"),
    *_texts("zone", "model", "model_version"),
    _incarnation(),
    Column("is_open", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("held_us", BigInteger),
    Column("deleted_us", BigInteger),
    Column("words", Text, nullable=False),
    Column("data", Text, nullable=False),
    Index("incidents_newest", "opened_us", "incident_id"),
    Index("incidents_open", "is_open", "opened_us", "incident_id"),
    Index("incidents_ended", "is_open", "ended_us", "incident_id"),
    Index("incidents_held", "held_us"),
    Index("incidents_listed", *LISTED).ddl_if(dialect="sqlite"),
    Index("incidents_counted", *COUNTED),
    Index("incidents_grouped", *GROUPED).ddl_if(dialect="sqlite"),
)
"""The state after the greatest (incarnation, revision, sequence, source, event_id) that has
arrived. `opened_us` and `ended_us` never lie far after the arrival of what they are from. Since
`held_us` the incident is evidence, and retention leaves it alone. At `deleted_us` evidence of it
was last deleted on request."""

KEYFRAMES = Table(
    "keyframes",
    METADATA,
    Column("key", _KEY, primary_key=True),
    _city(),
    Column("revision", Integer, nullable=False),
    *_texts("sequence", "source", "event_id"),
    _incarnation(),
    Column("sha256", String(64), nullable=False),
    Column("media_type", _KEY, nullable=False),
    Column("camera", _KEY, nullable=False, server_default=""),
    Column("subjects", Text, nullable=False),
)
"""The keyframes and clips that events name. The least (incarnation, revision, ...) says what one
shows: later events repeat the key while their subjects have moved on."""

CAMERA_STATES = Table(
    "camera_states",
    METADATA,
    Column("camera", _KEY, primary_key=True),
    _city(),
    Column("time_us", BigInteger, nullable=False),
    *_texts("sequence", "source", "event_id"),
    _incarnation(),
    Column("received_us", BigInteger, nullable=False),
    Column("division", _KEY, nullable=False, server_default=""),
    Column("state", _KEY, nullable=False),
    Column("data", Text, nullable=False),
)
"""The newest state per camera by (incarnation, sequence, source, event_id): no clock has a say.
`division` is the administrative division code of the camera's place."""

CAMERAS_HEARD = Table(
    "cameras_heard",
    METADATA,
    Column("camera", _KEY, primary_key=True),
    _city(),
    _incarnation(),
    *_texts("sequence", "state"),
    Column("since_us", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("data", Text, nullable=False),
)
"""What the newest heartbeat said of each camera, written every now and then."""

USERS = Table(
    "users",
    METADATA,
    Column("name", _KEY, primary_key=True),
    *_texts("role", "password"),
    Column("groups", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
    Column("subject", _KEY, nullable=False, server_default=""),
)
"""Who logs in with a name. `password` is an Argon2 hash; `groups` a JSON list of camera groups.
Who logs in at an identity provider has no password, and is known by `subject`."""

USER_SESSIONS = Table(
    "user_sessions",
    METADATA,
    Column("digest", String(64), primary_key=True),
    *_texts("user"),
    Column("opened_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=False),
    Index("user_sessions_user", "user"),
)
"""Open sessions of users, by the SHA-256 of the secret that the browser holds."""

CAMERA_GROUPS = Table(
    "camera_groups",
    METADATA,
    Column("name", _KEY, primary_key=True),
    Column("members", Text, nullable=False),
)
"""Named sets of cameras; `members` is a JSON list of what `event_hub.people.groups` says."""

DELETION_RECORDS = Table(
    "deletion_records",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("deletion", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("record", Text, nullable=False),
    Index("deletion_records_deletion", "deletion", "number"),
)
"""What was asked to be deleted and what is gone, as JSON; each has the digest of the one before.
`deletion` is the number of the first record of a request. Nothing deletes a record."""

DELETED_EVIDENCE = Table(
    "deleted_evidence",
    METADATA,
    Column("key", _KEY, primary_key=True),
    Column("deletion", Integer, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("removed_us", BigInteger),
    Index("deleted_evidence_removed", "removed_us", "asked_us"),
)
"""Keys of evidence that was deleted on request: nothing gives it away any more, even where a worker
puts it into the store later. It was last removed from there at `removed_us`."""


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a time with an offset."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """The UTC time behind `to_us`."""
    return _EPOCH + timedelta(microseconds=us)


def time_of(us: int | None) -> datetime | None:
    """The same where there may be none."""
    return None if us is None else from_us(us)
