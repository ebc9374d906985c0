"""Incidents are counted in indexes alone, however many there are."""

from __future__ import annotations

from typing import Final

from alembic import op

revision: Final = "0013"
down_revision: Final = "0012"

_COUNTED: Final = ("level", "kind", "opened_us", "is_open")
_GROUPED: Final = ("city", "camera", "level", "zone", "opened_us", "is_open")


def upgrade() -> None:
    """Adds the indexes; that of places for SQLite alone."""
    op.create_index("incidents_counted", "incidents", list(_COUNTED))
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("incidents_grouped", "incidents", list(_GROUPED))
