"""Subscriptions: where each goes, beside its address, which is encrypted from now on.

The hub encrypts addresses and secrets when it starts, as the key is none of the database's.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision: Final = "0014"
down_revision: Final = "0013"


def upgrade() -> None:
    """Adds the column, filled from the addresses."""
    host = sa.Column("host", sa.Text, nullable=False, server_default="")
    op.add_column("subscriptions", host)
    table = sa.table(
        "subscriptions", *(sa.column(name) for name in ("subscription_id", "url", "host"))
    )
    connection = op.get_bind()
    for name, url in connection.execute(sa.select(table.c.subscription_id, table.c.url)).all():
        parts = urlsplit(url)
        same = table.c.subscription_id == name
        values = {"host": f"{parts.scheme}://{parts.netloc}"}
        connection.execute(sa.update(table).where(same).values(values))
