"""Measurements are summed up by the hour. Those of before are not: there may be millions."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0007"
down_revision: Final = "0006"

_KEY: Final = sa.String(512)
_NAMES: Final = ("city", "camera", "kind", "task", "zone", "line", "unit")
_SUMS: Final = ("total", "weighted", "least", "most", "watched_s", "able_s", "requested_s")


def upgrade() -> None:
    """Adds the two tables."""
    op.create_table(
        "measured_series",
        sa.Column("series", sa.String(32), primary_key=True),
        *(sa.Column(name, _KEY, nullable=False) for name in _NAMES),
    )
    op.create_index("measured_series_kind", "measured_series", ["kind", "camera"])
    op.create_table(
        "measured_hours",
        sa.Column("series", sa.String(32), primary_key=True),
        sa.Column("begins_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("measurements", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in _SUMS),
    )
    op.create_index("measured_hours_age", "measured_hours", ["begins_us"])
