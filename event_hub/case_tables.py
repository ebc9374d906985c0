"""The hub's tables of cases: what people made of incidents, and everything that was done.

Times are whole microseconds since 1970 UTC, as in `event_hub.tables`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, and_

from event_hub.tables import INCIDENTS, METADATA

_KEY = String(512)


def _text(name: str) -> Column[str]:
    return Column(name, _KEY, nullable=False, server_default="")


HUB = Table(
    "hub_identity",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", _KEY, nullable=False),
    Column("limits_since_us", BigInteger),
)
"""One row: the random name that this database's events carry in their source, and since when there
are time limits; older incidents have none."""

CASES = Table(
    "cases",
    METADATA,
    Column("case_id", _KEY, primary_key=True),
    Column("city", _KEY, nullable=False),
    Column("lead", _KEY, nullable=False),
    Column("state", _KEY, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    _text("reason"),
    _text("assignee"),
    Column("joined_into", _KEY),
    Column("split_from", _KEY),
    Column("clock_us", BigInteger),
    Column("stage", Integer, nullable=False, server_default="0"),
    Column("check_until_us", BigInteger),
    Index("cases_state", "state", "clock_us"),
    Index("cases_lead", "lead", "city"),
    Index("cases_check", "check_until_us"),
)
"""`lead` is the first incident. `clock_us` is when the present time limit began, none where the
case is closed; `stage` counts the warnings since. Until `check_until_us` the cameras are asked
whether it is over, of a case that was just resolved. A case that was joined into another has no
incidents any more."""

CASE_INCIDENTS = Table(
    "case_incidents",
    METADATA,
    Column("incident_id", _KEY, primary_key=True),
    Column("city", _KEY, primary_key=True),
    Column("case_id", _KEY, nullable=False),
    Index("case_incidents_case", "case_id"),
)
"""The incidents of each case. An incident without a row is a new case."""

OF_INCIDENT: Final = and_(
    CASE_INCIDENTS.c.incident_id == INCIDENTS.c.incident_id,
    CASE_INCIDENTS.c.city == INCIDENTS.c.city,
)
"""Joins incidents with what cases keep of them."""

CASE_ACTIONS = Table(
    "case_actions",
    METADATA,
    Column("case_id", _KEY, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("action", _KEY, nullable=False),
    Column("previous", _KEY, nullable=False),
    Column("state", _KEY, nullable=False),
    *(_text(name) for name in ("actor_id", "actor", "role", "reason", "assignee")),
    Column("text", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
"""What was done with each case, in order; `number` is its revision afterwards. Nothing of it ever
changes. `detail` is JSON."""
