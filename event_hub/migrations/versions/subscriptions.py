"""Subscriptions, and what is to be delivered. There were none of them before."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0008"
down_revision: Final = "0007"

_KEY: Final = sa.String(512)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def upgrade() -> None:
    """Adds their tables."""
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", _KEY, primary_key=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("is_active", sa.Integer, nullable=False, server_default="1"),
        sa.Column("wanted", sa.Text, nullable=False),
        *(_text(name) for name in ("url", "secret")),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("next_us", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failing_us", sa.BigInteger),
        sa.Column("accepted_us", sa.BigInteger),
        _text("reason"),
        sa.Column("owner", _KEY, nullable=False, server_default=""),
        sa.Column("lease_us", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "subscription_deliveries",
        sa.Column("subscription_id", _KEY, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("partition", _KEY, nullable=False),
        sa.Column("is_dead", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refused_us", sa.BigInteger),
        sa.Column("next_us", sa.BigInteger, nullable=False, server_default="0"),
        _text("reason"),
    )
    columns = ["subscription_id", "is_dead", "position"]
    op.create_index("subscription_deliveries_due", "subscription_deliveries", columns)
