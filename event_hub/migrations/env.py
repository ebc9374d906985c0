"""What Alembic runs around its scripts: they run on the hub's connection, in its transaction."""

from __future__ import annotations

from alembic import context

from event_hub.case_tables import CASES
from event_hub.subscription_tables import SUBSCRIPTIONS

TABLES = (CASES, SUBSCRIPTIONS)
"""One of each module of tables, so that all of them are known."""

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=TABLES[0].metadata,
)
with context.begin_transaction():
    context.run_migrations()
