"""What subscriptions keep is encrypted, also that of an older program, and needs its own key."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet
from sqlalchemy import create_engine

from event_hub.migrations.upgrade import SCRIPTS
from event_hub.subscription_settings import SubscriptionSettings
from event_hub.subscriptions.kept import new_secret
from event_hub.subscriptions.sealing import KEY_FILE, MARK
from event_hub.subscriptions.wanted import WantedEvents
from tests.event_hub.conftest import StartHub, running
from tests.event_hub.people import send
from tests.event_hub.subscriptions.receivers import receiver
from tests.event_hub.test_migrations import lite

HERE: dict[str, Any] = {
    "subscriptions": SubscriptionSettings.model_validate({"networks": ["127.0.0.0/8"]})
}


def older(folder: Path, url: str, secret: str) -> None:
    """A database as the program before kept it, with a subscription in plain text."""
    engine = create_engine(lite(folder, "abc6148"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        MigrationContext.configure(connection).stamp(ScriptDirectory.from_config(config), "0002")
        command.upgrade(config, "0013")
        wanted = WantedEvents.model_validate({"name": "case centre"})
        connection.exec_driver_sql(
            "INSERT INTO subscriptions (subscription_id, created_us, wanted, url, secret, position)"
            " VALUES ('old', 1, ?, ?, ?, 0)",
            (wanted.model_dump_json(), url, secret),
        )
    engine.dispose()


def kept(folder: Path) -> dict[str, tuple[str, str, str]]:
    with closing(sqlite3.connect(folder / "hub.db")) as database:
        found = database.execute("SELECT subscription_id, host, url, secret FROM subscriptions")
        return {name: (host, url, secret) for name, host, url, secret in found}


def test_what_an_older_program_kept_is_encrypted_and_goes_on(
    start_hub: StartHub, tmp_path: Path
) -> None:
    secret = new_secret()
    with receiver() as got:
        older(tmp_path, f"{got.url}?key=hidden-key", secret)
        hub = start_hub(**HERE)
        host, url, sealed = kept(tmp_path)["old"]
        assert url.startswith(MARK)
        assert sealed.startswith(MARK)
        assert got.url.startswith(host)
        data = b"".join(one.read_bytes() for one in tmp_path.glob("hub.db*"))
        for text in (b"hidden-key", secret.encode()):
            assert text not in data
        assert (tmp_path / "access" / KEY_FILE).stat().st_mode & 0o777 == 0o600
        assert send(hub, "POST", "/api/subscriptions/old/test").json()["accepted"] is True
        assert "cityeye.hub.test" in {one.event["type"] for one in got.accepted}
        made = {"name": "new", "url": f"{got.url}/other-key"}
        assert send(hub, "POST", "/api/subscriptions", made).json()["host"] == host
        assert all(MARK in url and MARK in secret for _, url, secret in kept(tmp_path).values())


@pytest.mark.parametrize("loss", ["missing", "another", "no key"])
def test_without_the_key_nothing_is_sent_or_lost_and_it_is_said(tmp_path: Path, loss: str) -> None:
    key = tmp_path / "access" / KEY_FILE
    with receiver() as got:
        order = {"name": "case centre", "url": got.url}
        with running(tmp_path) as start:
            made = send(start(**HERE), "POST", "/api/subscriptions", order).json()
        before, right = kept(tmp_path), key.read_bytes()
        key.unlink()
        if loss != "missing":
            # Another one is what a second hub on the same database would have.
            key.write_bytes(Fernet.generate_key() if loss == "another" else b"nonsense")
        path = f"/api/subscriptions/{made['subscription_id']}/test"
        with running(tmp_path) as start:
            hub = start(**HERE)
            said = send(hub, "POST", path).json()
            assert (said["accepted"], str(key) in said["reason"]) == (False, True)
            if loss != "another":
                refused = send(hub, "POST", "/api/subscriptions", order)
                assert (refused.status, str(key) in refused.json()["detail"]) == (503, True)
                assert kept(tmp_path) == before
        assert got.got == []
        key.write_bytes(right)
        with running(tmp_path) as start:
            assert send(start(**HERE), "POST", path).json()["accepted"] is True
