"""The tables as they were before a database said its version."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None

_KEY: Final = sa.String(512)


def _text(name: str, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, _KEY, primary_key=primary_key, nullable=False)


def upgrade() -> None:
    """Creates events and what is derived from them."""
    op.create_table(
        "events",
        _text("source", primary_key=True),
        _text("event_id", primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        *map(_text, ("type", "partitionkey", "sequence")),
        sa.Column("incident_id", _KEY),
        sa.Column("revision", sa.Integer),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("position", name="events_position"),
    )
    op.create_index("events_incident", "events", ["incident_id", "revision"])
    op.create_table(
        "incidents",
        _text("incident_id", primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        *map(_text, ("sequence", "source", "event_id", "kind", "camera", "severity")),
        sa.Column("is_open", sa.Integer, nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index("incidents_newest", "incidents", ["opened_us", "incident_id"])
    op.create_index("incidents_open", "incidents", ["is_open", "opened_us", "incident_id"])
    op.create_index("incidents_ended", "incidents", ["is_open", "ended_us", "incident_id"])
    op.create_table(
        "keyframes",
        _text("key", primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        *map(_text, ("sequence", "source", "event_id")),
        sa.Column("sha256", sa.String(64), nullable=False),
        _text("media_type"),
        sa.Column("subjects", sa.Text, nullable=False),
    )
    op.create_table(
        "camera_states",
        _text("camera", primary_key=True),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        *map(_text, ("sequence", "source", "event_id")),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        _text("state"),
        sa.Column("data", sa.Text, nullable=False),
    )
