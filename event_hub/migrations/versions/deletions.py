"""Evidence is deleted on request, with records that prove it. There was none before."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0010"
down_revision: Final = "0009"

_KEY: Final = sa.String(512)


def upgrade() -> None:
    """Adds their tables, and the mark of incidents."""
    op.create_table(
        "deletion_records",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("deletion", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("deletion_records_deletion", "deletion_records", ["deletion", "number"])
    op.create_table(
        "deleted_evidence",
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("deletion", sa.Integer, nullable=False),
        sa.Column("asked_us", sa.BigInteger, nullable=False),
        sa.Column("removed_us", sa.BigInteger),
    )
    op.create_index("deleted_evidence_removed", "deleted_evidence", ["removed_us", "asked_us"])
    op.add_column("incidents", sa.Column("deleted_us", sa.BigInteger))
