"""Incidents are found by severity, zone, model and free text."""

from __future__ import annotations

import json
import unicodedata
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"

_KEY: Final = sa.String(512)
_LEVELS: Final = {"low": 1, "medium": 2, "high": 3, "critical": 4}
_WORDS_CHARS: Final = 400
_ROWS: Final = 500
_LISTED: Final = (
    "opened_us", "incident_id", "city", "is_open", "level", "kind", "camera", "zone", "model",
    "model_version", "held_us", "words",
)  # fmt: skip


def upgrade() -> None:
    """Adds columns for what was in the data alone, and fills them."""
    for name in ("zone", "model", "model_version"):
        op.add_column("incidents", sa.Column(name, _KEY, nullable=False, server_default=""))
    op.add_column("incidents", sa.Column("level", sa.Integer, nullable=False, server_default="1"))
    op.add_column("incidents", sa.Column("words", sa.Text, nullable=False, server_default=""))
    _fill()
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("incidents_listed", "incidents", list(_LISTED))


def _fill() -> None:
    connection = op.get_bind()
    names = ("incident_id", "city", "severity", "zone", "model", "model_version", "level", "words")
    table = sa.table("incidents", *map(sa.column, (*names, "data")))
    key = (table.c.incident_id, table.c.city)
    last = ("", "")
    while True:
        query = sa.select(*key, table.c.severity, table.c.data)
        page = query.where(sa.tuple_(*key) > sa.tuple_(*last)).order_by(*key).limit(_ROWS)
        rows = connection.execute(page).all()
        for row in rows:
            same = (table.c.incident_id == row.incident_id) & (table.c.city == row.city)
            found = _found_by(json.loads(row.data)) | {"level": _LEVELS[row.severity]}
            connection.execute(sa.update(table).where(same).values(found))
        if len(rows) < _ROWS:
            return
        last = tuple(rows[-1][:2])


def _found_by(data: dict[str, Any]) -> dict[str, Any]:
    case = data.get("case") or {}
    parts = (
        data["zone"],
        data["camera"]["id"],
        data["camera"].get("name", ""),
        *(case.get(name, "") for name in ("code", "zh", "en")),
        data["kind"],
        *(f"{name} {value:g}" for name, value in data.get("detail", {}).items()),
    )
    words = " ".join(unicodedata.normalize("NFKC", " ".join(parts)).casefold().split())
    return {
        "zone": data["zone"],
        "model": data["model"]["name"],
        "model_version": data["model"]["version"],
        "words": words[:_WORDS_CHARS],
    }
