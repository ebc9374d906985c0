"""Brings a hub's database to the tables that this program knows: all of it or nothing.

Everything runs inside the transaction of the caller, so that a crash leaves the database as it was.
A database that was written before Alembic had a say is recognised by its tables and stamped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

from event_hub.errors import DatabaseVersionError
from event_hub.tables import EVENTS, SCHEMA

SCRIPTS: Final = Path(__file__).parent
STAMPS: Final = {1: "0001", 2: "0002"}
"""The script after which a database looks as it did in each version before Alembic."""


def prepare(connection: Connection) -> None:
    """Leaves every table as this program knows it.

    Raises:
        DatabaseVersionError: A newer program wrote the database.
    """
    config = _config(connection)
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head() or ""
    database = MigrationContext.configure(connection)
    found = database.get_current_revision()
    if found is None:
        found = _before_alembic(connection, newest)
        if found is not None:
            database.stamp(scripts, found)
    elif found not in {script.revision for script in scripts.walk_revisions()}:
        raise DatabaseVersionError(found, newest)
    if found != newest:
        command.upgrade(config, "head")


def prepare_as_of(connection: Connection, revision: str) -> None:
    """Makes the tables of an empty database as they were at a revision.

    Raises:
        DatabaseVersionError: This program does not know it.
    """
    config = _config(connection)
    scripts = ScriptDirectory.from_config(config)
    if revision not in {script.revision for script in scripts.walk_revisions()}:
        raise DatabaseVersionError(revision, scripts.get_current_head() or "")
    command.upgrade(config, revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _before_alembic(connection: Connection, newest: str) -> str | None:
    """The script that a database without a word from Alembic needs no more; None for a new one."""
    tables = inspect(connection)
    if not tables.has_table(EVENTS.name):
        return None
    version = 1
    if tables.has_table(SCHEMA.name):
        version = connection.scalar(select(SCHEMA.c.version)) or version
    if version not in STAMPS:
        raise DatabaseVersionError(str(version), newest)
    return STAMPS[version]
