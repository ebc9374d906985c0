"""Cameras, incidents and keyframes are those of a city; events are counted, incidents can be held.

Equal names in two cities were one camera before. Whatever an event tells of the others is still
there, as every event was kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"

_KEY: Final = sa.String(512)
_ORDER: Final = ("incarnation", "sequence", "source", "event_id")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD_MAX: Final = timedelta(minutes=5)
_INDEXES: Final = {
    "incidents_newest": ["opened_us", "incident_id"],
    "incidents_open": ["is_open", "opened_us", "incident_id"],
    "incidents_ended": ["is_open", "ended_us", "incident_id"],
}


def upgrade() -> None:
    """Adds the city to every key, and what retention needs."""
    for name in _INDEXES:
        op.drop_index(name, table_name="incidents")
    _rebuild("incidents", _incident_columns(), [sa.Column("held_us", sa.BigInteger)])
    for name, columns in _INDEXES.items():
        op.create_index(name, "incidents", columns)
    op.create_index("incidents_held", "incidents", ["held_us"])
    _rebuild("keyframes", _keyframe_columns())
    _rebuild("camera_states", _state_columns())
    _add_hidden_states()
    _rebuild("cameras_heard", _heard_columns())
    _place_heard()
    op.create_table(
        "usage",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO usage SELECT 1, coalesce(max(position), 0), count(*),"
        " coalesce(sum(size_bytes), 0) FROM events"
    )
    # The programs before Alembic refuse a version that they do not know.
    op.execute("UPDATE schema_version SET version = 3")


def _texts(*names: str) -> Iterator[sa.Column[str]]:
    return (sa.Column(name, _KEY, nullable=False) for name in names)


def _incarnation() -> sa.Column[int]:
    return sa.Column("incarnation", sa.BigInteger, nullable=False, server_default="0")


def _incident_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("incident_id", _KEY, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        *_texts("sequence", "source", "event_id", "kind", "camera", "severity"),
        _incarnation(),
        sa.Column("is_open", sa.Integer, nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("data", sa.Text, nullable=False),
    ]


def _keyframe_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        *_texts("sequence", "source", "event_id"),
        _incarnation(),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", _KEY, nullable=False),
        sa.Column("subjects", sa.Text, nullable=False),
    ]


def _state_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("camera", _KEY, primary_key=True),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        *_texts("sequence", "source", "event_id"),
        _incarnation(),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("state", _KEY, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    ]


def _heard_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("camera", _KEY, primary_key=True),
        _incarnation(),
        *_texts("sequence", "state"),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    ]


def _rebuild(
    table: str, columns: list[sa.Column[Any]], added: Iterable[sa.Column[Any]] = ()
) -> None:
    """Makes a table anew with the city in its key, as SQLite cannot change a key."""
    key, *others = columns
    old, names = f"{table}_before_cities", ", ".join(f'"{one.name}"' for one in columns)
    op.rename_table(table, old)
    city = sa.Column("city", _KEY, primary_key=True, server_default="")
    created = op.create_table(table, key, city, *others, *added)
    op.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {old}")  # noqa: S608 - our own names
    op.drop_table(old)
    if "source" in created.c:
        connection = op.get_bind()
        for source in connection.scalars(sa.select(created.c.source).distinct()).all():
            if name := _city_of(source):
                same = created.c.source == source
                connection.execute(sa.update(created).where(same).values(city=name))


def _city_of(source: str) -> str:
    """The city in `cityeye/CITY/...`; empty in the sources of older programs."""
    program, _, rest = source.partition("/")
    quoted, slash, _ = rest.partition("/")
    city = unquote(quoted) if program == "cityeye" and slash else ""
    return city if city.isprintable() else ""


def _add_hidden_states() -> None:
    """The newest state of each camera that another city's camera of that name has hidden."""
    connection = op.get_bind()
    states = sa.table("camera_states", *map(_plain, (*_state_columns(), _text_city())))
    known = {tuple(row) for row in connection.execute(sa.select(states.c.city, states.c.camera))}
    names = ("partitionkey", "body", "time_us", "received_us", *_ORDER)
    events = sa.table("events", sa.column("type"), *map(sa.column, names))
    query = sa.select(*(events.c[name] for name in names))
    query = query.where(events.c.type == "cityeye.camera.state")
    newest: dict[tuple[str, str], Any] = {}
    with connection.execute(query.execution_options(yield_per=1000)) as rows:
        for row in rows:
            key = (_city_of(row.source), row.partitionkey)
            rank = tuple(getattr(row, name) for name in _ORDER)
            # An event without a city is of the one that has the camera.
            if key in known or not key[0]:
                continue
            if key not in newest or rank > newest[key][0]:
                newest[key] = (rank, row)
    for (city, camera), (rank, row) in newest.items():
        data = json.loads(row.body)["data"]
        received = _EPOCH + timedelta(microseconds=row.received_us)
        if datetime.fromisoformat(data["since"]) - received > _AHEAD_MAX:
            data["since"] = received.isoformat()
        ahead = row.time_us - row.received_us > _AHEAD_MAX // timedelta(microseconds=1)
        values = {
            "city": city,
            "camera": camera,
            "time_us": row.received_us if ahead else row.time_us,
            "received_us": row.received_us,
            "state": data["state"],
            "data": json.dumps(data),
        }
        connection.execute(sa.insert(states).values(values | dict(zip(_ORDER, rank, strict=True))))


def _text_city() -> sa.Column[str]:
    return sa.Column("city", _KEY)


def _plain(column: sa.Column[Any]) -> sa.ColumnClause[Any]:
    return sa.column(column.name, column.type)


def _place_heard() -> None:
    """Heartbeats were kept without their city: it is the one whose camera has this name."""
    connection = op.get_bind()
    states = sa.table("camera_states", sa.column("camera"), sa.column("city"))
    heard = sa.table("cameras_heard", sa.column("camera"), sa.column("city"))
    for camera in connection.scalars(sa.select(heard.c.camera)).all():
        of_camera = sa.select(states.c.city).where(states.c.camera == camera)
        cities = connection.scalars(of_camera).all()
        if len(cities) == 1:
            same = heard.c.camera == camera
            connection.execute(sa.update(heard).where(same).values(city=cities[0]))
