"""Cases: what people make of incidents. There were none of them before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"

_KEY: Final = sa.String(512)
_NAME_BYTES: Final = 6


def upgrade() -> None:
    """Adds their tables, and gives the database the name that its own events carry."""
    hub = op.create_table(
        "hub_identity",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", _KEY, nullable=False),
        sa.Column("limits_since_us", sa.BigInteger),
    )
    op.execute(sa.insert(hub).values(id=1, name=secrets.token_hex(_NAME_BYTES)))
    op.create_table(
        "cases",
        sa.Column("case_id", _KEY, primary_key=True),
        *_given("city", "lead", "state"),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        *_texts("reason", "assignee"),
        sa.Column("joined_into", _KEY),
        sa.Column("split_from", _KEY),
        sa.Column("clock_us", sa.BigInteger),
        sa.Column("stage", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("cases_state", "cases", ["state", "clock_us"])
    op.create_index("cases_lead", "cases", ["lead", "city"])
    op.create_table(
        "case_incidents",
        sa.Column("incident_id", _KEY, primary_key=True),
        sa.Column("city", _KEY, primary_key=True),
        *_given("case_id"),
    )
    op.create_index("case_incidents_case", "case_incidents", ["case_id"])
    op.create_table(
        "case_actions",
        sa.Column("case_id", _KEY, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        *_given("action", "previous", "state"),
        *_texts("actor_id", "actor", "role", "reason", "assignee"),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def _given(*names: str) -> Iterator[sa.Column[str]]:
    return (sa.Column(name, _KEY, nullable=False) for name in names)


def _texts(*names: str) -> Iterator[sa.Column[str]]:
    return (sa.Column(name, _KEY, nullable=False, server_default="") for name in names)
