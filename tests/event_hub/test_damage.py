"""A damaged database is set aside and reported, and the hub goes on with a new one."""

from __future__ import annotations

import random
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from event_hub.store import EventStore
from event_hub.tables import EVENTS
from tests.event_hub.conftest import Client, StartHub
from tests.event_hub.samples import camera_state, heartbeat, incident
from tests.event_hub.test_store import add, opened

PAGE = 4096
WAIT_S = 15.0


def fill(folder: Path) -> Path:
    with opened(folder) as store:
        add(store, *(incident(f"i-{number}") for number in range(60)))
    return folder / "hub.db"


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("hub.db.damaged-*"))


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_bytes(b"the diary of somebody else " * 500)
    with opened(tmp_path) as store:
        assert add(store, incident()) == (1, 0)
    (kept,) = aside(tmp_path)
    assert kept.read_bytes().startswith(b"the diary")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.slow
def test_damage_in_any_page_never_keeps_the_hub_from_starting(tmp_path: Path) -> None:
    path = fill(tmp_path)
    sound = path.read_bytes()
    noise = random.Random(7)
    damaged = 0
    for at in range(0, len(sound), PAGE):
        path.write_bytes(sound)
        overwrite(path, at, noise.randbytes(PAGE))
        with opened(tmp_path) as store:
            add(store, incident("new"))
            with store.database.read() as connection:
                found = set(connection.scalars(select(EVENTS.c.event_id)))
        assert "new-1" in found
        damaged += len(aside(tmp_path))
        # Either it is set aside, or nothing that was in it is missing.
        assert aside(tmp_path) or len(found) == 61
        for one in tmp_path.glob("hub.db*"):
            one.unlink()
    assert damaged > 10


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
def test_a_truncated_file_is_set_aside(tmp_path: Path, share: float) -> None:
    path = fill(tmp_path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with opened(tmp_path) as store:
        assert add(store, incident("new")) == (1, 0)
    assert len(aside(tmp_path)) == 1


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "hub.db").touch()
    with opened(tmp_path) as store:
        assert add(store, incident()) == (1, 0)
    assert aside(tmp_path) == []


def test_health_and_log_say_so_until_the_file_is_gone(
    start_hub: StartHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    overwrite(fill(tmp_path), 3 * PAGE, b"\xff" * PAGE)
    hub = start_hub()
    (kept,) = aside(tmp_path)
    health = hub.json("/health")
    assert health["status"] == "degraded"
    assert str(kept) in health["problems"][0]
    assert health["events"] == 0
    assert any("database_damaged" in record.message for record in caplog.records)
    kept.unlink()
    assert hub.json("/health")["status"] == "ok"


def wait_for(hub: Client, status: str) -> dict:
    deadline_s = time.monotonic() + WAIT_S
    while (health := hub.json("/health"))["status"] != status:
        assert time.monotonic() < deadline_s, health
        time.sleep(0.1)
    return health


def test_damage_while_the_hub_runs_is_mended_and_heard_cameras_stay(
    start_hub: StartHub, tmp_path: Path
) -> None:
    fill(tmp_path)
    hub = start_hub()
    hub.post(heartbeat({"cam-1": "online"}))
    hub.post(camera_state())
    # What a dying disk does: the file changes below the database, the log included.
    with closing(sqlite3.connect(tmp_path / "hub.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (tmp_path / "hub.db").stat().st_size
    overwrite(tmp_path / "hub.db", PAGE, b"\xff" * (size - PAGE))
    deadline_s = time.monotonic() + WAIT_S
    number = 0
    while not aside(tmp_path):
        number += 1
        answer = hub.post(incident(f"new-{number}"))
        assert answer.status in {200, 503}
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    while (answer := hub.post(incident("after"))).status != 200:
        assert answer.headers["Retry-After"]
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    health = hub.json("/health")
    assert (health["status"], health["events"]) == ("degraded", 1)
    (camera,) = hub.json("/api/cameras")["cameras"]
    assert camera["state"] == "online"


def test_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/new/hub.db")
    add(store, incident())
    files = list((tmp_path / "new").iterdir())
    assert {one.name for one in files} >= {"hub.db", "hub.db-wal", "hub.db-shm", "hub.db.lock"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    store.close()
    (tmp_path / "new" / "hub.db").chmod(0o644)
    EventStore(f"sqlite:///{tmp_path}/new/hub.db").close()
    assert stat.S_IMODE((tmp_path / "new" / "hub.db").stat().st_mode) == 0o600
