"""Events are ordered by incarnation and sequence, and what was heard of cameras is kept."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"

_KEY: Final = sa.String(512)


def _incarnation() -> sa.Column[int]:
    # Events without an incarnation come before all that have one.
    return sa.Column("incarnation", sa.BigInteger, nullable=False, server_default="0")


def upgrade() -> None:
    """Adds the incarnation to what is ordered, and the table of heartbeats."""
    for table in ("events", "incidents", "keyframes", "camera_states"):
        op.add_column(table, _incarnation())
    op.create_table(
        "cameras_heard",
        sa.Column("camera", _KEY, primary_key=True),
        _incarnation(),
        sa.Column("sequence", _KEY, nullable=False),
        sa.Column("state", _KEY, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    # A database that was stamped may have it already.
    if not sa.inspect(op.get_bind()).has_table("schema_version"):
        op.create_table("schema_version", sa.Column("version", sa.Integer, primary_key=True))
    op.execute("DELETE FROM schema_version")
    op.execute("INSERT INTO schema_version VALUES (2)")
