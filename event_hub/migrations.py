"""Creates the hub's tables, or brings those of an older program up to date."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, inspect, select

from event_hub.errors import DatabaseVersionError
from event_hub.tables import EVENTS, METADATA, SCHEMA, VERSION

ORDERED: Final = ("events", "incidents", "keyframes", "camera_states")

MIGRATIONS: Final = {
    # Events without an incarnation come before all that have one.
    1: [
        f"ALTER TABLE {table} ADD COLUMN incarnation BIGINT DEFAULT 0 NOT NULL" for table in ORDERED
    ],
}
"""From each older version to the next one; tables that are new are created beside."""


def prepare(connection: Connection) -> None:
    """Leaves every table as this program knows it; all of it or nothing.

    Raises:
        DatabaseVersionError: A newer program wrote the database.
    """
    is_old = inspect(connection).has_table(EVENTS.name)
    METADATA.create_all(connection)
    found = connection.scalar(select(SCHEMA.c.version)) or (1 if is_old else VERSION)
    if found > VERSION:
        raise DatabaseVersionError(found, VERSION)
    for version in range(found, VERSION):
        for statement in MIGRATIONS[version]:
            connection.exec_driver_sql(statement)
    connection.execute(delete(SCHEMA))
    connection.execute(insert(SCHEMA).values(version=VERSION))
