"""Measurements are found by kind, place and time. There were none of them before."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"

_KEY: Final = sa.String(512)
_NAMES: Final = ("city", "camera", "kind", "task", "zone", "line")


def upgrade() -> None:
    """Adds their table, and finds events of one type in order."""
    op.create_index("events_type", "events", ["type", "position"])
    op.create_table(
        "measurements",
        sa.Column("source", _KEY, primary_key=True),
        sa.Column("event_id", _KEY, primary_key=True),
        *(sa.Column(name, _KEY, nullable=False) for name in _NAMES),
        sa.Column("begins_us", sa.BigInteger, nullable=False),
    )
    newest = ["begins_us", "source", "event_id"]
    op.create_index("measurements_newest", "measurements", newest)
    op.create_index("measurements_kind", "measurements", ["kind", "camera", *newest])
