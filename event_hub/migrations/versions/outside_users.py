"""Users may log in at an identity provider. All that there are log in with a password."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0012"
down_revision: Final = "0011"


def upgrade() -> None:
    """Adds who a user is at the provider."""
    op.add_column("users", sa.Column("subject", sa.String(512), nullable=False, server_default=""))
