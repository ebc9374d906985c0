"""Cases that were resolved are checked by their cameras. There were no checks before."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0011"
down_revision: Final = "0010"


def upgrade() -> None:
    """Adds until when a case is checked."""
    op.add_column("cases", sa.Column("check_until_us", sa.BigInteger))
    op.create_index("cases_check", "cases", ["check_until_us"])
