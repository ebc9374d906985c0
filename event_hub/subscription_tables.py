"""The hub's tables of subscriptions, and of what is still to be delivered to each.

Times are whole microseconds since 1970 UTC, as in `event_hub.tables`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from event_hub.tables import METADATA

_KEY = String(512)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


SUBSCRIPTIONS = Table(
    "subscriptions",
    METADATA,
    Column("subscription_id", _KEY, primary_key=True),
    Column("created_us", BigInteger, nullable=False),
    Column("is_active", Integer, nullable=False, server_default="1"),
    Column("wanted", Text, nullable=False),
    *(_text(name) for name in ("host", "url", "secret")),
    Column("position", BigInteger, nullable=False),
    Column("next_us", BigInteger, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failing_us", BigInteger),
    Column("accepted_us", BigInteger),
    _text("reason"),
    Column("owner", _KEY, nullable=False, server_default=""),
    Column("lease_us", BigInteger, nullable=False, server_default="0"),
)
"""`wanted` is JSON: what it is called, its format and its filter. `url` and `secret` are encrypted,
see `event_hub.subscriptions.sealing`; `host` is where the address leads. Events up to `position`
were looked through. Nothing is tried before `next_us`. Until `lease_us` the hub that is named
`owner` delivers, so that two on one database do not deliver twice."""

DELIVERIES = Table(
    "subscription_deliveries",
    METADATA,
    Column("subscription_id", _KEY, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", _KEY, nullable=False),
    Column("is_dead", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("refused_us", BigInteger),
    Column("next_us", BigInteger, nullable=False, server_default="0"),
    _text("reason"),
    Index("subscription_deliveries_due", "subscription_id", "is_dead", "position"),
)
"""Events by their position in the log that a subscription wants and has not accepted. Those of one
partition, a camera, are delivered in order; what is dead holds nothing up."""
