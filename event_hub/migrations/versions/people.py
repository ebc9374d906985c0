"""People log in with a name and have the cameras of some groups.

The division of a camera and the camera of a keyframe are found without their events. A keyframe of
which the event is gone is of no camera: whoever is limited to groups does not see it.
"""

from __future__ import annotations

import json
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0009"
down_revision: Final = "0008"

_KEY: Final = sa.String(512)


def upgrade() -> None:
    """Adds the tables of people, and the division to the states of cameras."""
    op.create_table(
        "users",
        sa.Column("name", _KEY, primary_key=True),
        sa.Column("role", _KEY, nullable=False),
        sa.Column("password", _KEY, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("disabled_us", sa.BigInteger),
    )
    op.create_table(
        "user_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("user", _KEY, nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("used_us", sa.BigInteger, nullable=False),
    )
    op.create_index("user_sessions_user", "user_sessions", ["user"])
    op.create_table(
        "camera_groups",
        sa.Column("name", _KEY, primary_key=True),
        sa.Column("members", sa.Text, nullable=False),
    )
    for table, column in (("camera_states", "division"), ("keyframes", "camera")):
        op.add_column(table, sa.Column(column, _KEY, nullable=False, server_default=""))
    _place_cameras()
    # An event of a camera is in its partition.
    op.execute(
        "UPDATE keyframes SET camera = coalesce((SELECT partitionkey FROM events WHERE"
        " events.source = keyframes.source AND events.event_id = keyframes.event_id), '')"
    )


def _place_cameras() -> None:
    connection = op.get_bind()
    names = ("camera", "city", "division", "data")
    states = sa.table("camera_states", *map(sa.column, names))
    query = sa.select(states.c.camera, states.c.city, states.c.data)
    for row in connection.execute(query).all():
        place = json.loads(row.data).get("camera", {}).get("place") or {}
        if place.get("division"):
            same = (states.c.camera == row.camera) & (states.c.city == row.city)
            values = {"division": str(place["division"])}
            connection.execute(sa.update(states).where(same).values(values))
