"""What Alembic runs around its scripts: they run on the hub's connection, in its transaction."""

from __future__ import annotations

from alembic import context

from event_hub.case_tables import CASES

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=CASES.metadata,
)
with context.begin_transaction():
    context.run_migrations()
