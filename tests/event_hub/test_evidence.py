"""An incident that is held keeps its events and its keyframes, whatever is deleted around it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import update

from event_hub.errors import StoreUnavailableError
from event_hub.evidence import EvidenceKeeper
from event_hub.keyframes import EvidenceFolder, FolderKeyframes
from event_hub.retention import DAY_US, delete_old
from event_hub.settings import HubRetention
from event_hub.store import EventStore
from event_hub.tables import EVENTS
from tests.event_hub.conftest import Client
from tests.event_hub.samples import incident, keyframe, picture
from tests.event_hub.test_store import add

KEY = "kf-30d/v1/2026/11/20/cam-1/04/a.jpg"
LATE = "kf-30d/v1/2026/11/20/cam-1/04/b.jpg"
BOTH = [keyframe(KEY, picture()), keyframe(LATE, picture(30), "closing")]


def put(folder: Path, key: str, data: bytes) -> Path:
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_held_incident_outlives_retention_and_the_store(hub: Client, tmp_path: Path) -> None:
    image = put(tmp_path / "kf", KEY, picture())
    for number, phase in ((1, "started"), (2, "ended")):
        hub.post(incident(revision=number, phase=phase, keyframes=BOTH[:1]))
    assert hub.json("/api/incidents", held="true")["incidents"] == []
    answer = hub.http.request("POST", f"{hub.url}/api/incidents/i-1/hold").json()
    assert (answer["keyframes"], answer["copies"]) == (1, 1)
    again = hub.http.request("POST", f"{hub.url}/api/incidents/i-1/hold").json()
    assert again["held_since"] == answer["held_since"]
    (one,) = hub.json("/api/incidents", held="true")["incidents"]
    assert one["held_since"] == answer["held_since"]
    assert hub.json("/health")["held_incidents"] == 1
    image.unlink()
    assert hub.get(f"/api/keyframes/{KEY}").data == picture()
    copies = list((tmp_path / "evidence").rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in copies} == {0o700, 0o600}
    released = hub.http.request("DELETE", f"{hub.url}/api/incidents/i-1/hold").json()
    assert released["held_since"] is None
    assert hub.get(f"/api/keyframes/{KEY}").status == 404
    assert hub.http.request("POST", f"{hub.url}/api/incidents/none/hold").status == 404


@pytest.fixture
def store(tmp_path: Path):
    opened = EventStore(f"sqlite:///{tmp_path}/hub.db")
    yield opened
    opened.close()


def test_retention_leaves_it_alone_until_it_is_released(store: EventStore, tmp_path: Path) -> None:
    add(store, incident(), incident(revision=2, phase="ended"), incident("b", 2, "ended"))
    with store.database.write() as connection:
        connection.execute(update(EVENTS).values(received_us=EVENTS.c.received_us - 400 * DAY_US))
    keeper = EvidenceKeeper(store, FolderKeyframes(tmp_path), EvidenceFolder(tmp_path / "e"))
    (found,) = rows(store)
    keeper.hold(found)
    assert delete_old(store.database, HubRetention(gigabytes=1e-9), pause_s=0) == 1
    (found,) = rows(store)
    keeper.release(found)
    assert delete_old(store.database, HubRetention(), pause_s=0) == 2
    assert rows(store) == []


def rows(store: EventStore):
    from event_hub import queries

    with store.database.read() as connection:
        return queries.incident_rows(connection, "i-1")


def test_keyframes_that_come_later_are_copied_too(store: EventStore, tmp_path: Path) -> None:
    add(store, incident(keyframes=BOTH))
    folder = EvidenceFolder(tmp_path / "evidence")
    keeper = EvidenceKeeper(store, FolderKeyframes(tmp_path / "kf"), folder)
    put(tmp_path / "kf", KEY, picture())
    put(tmp_path / "kf", LATE, b"not what the event says")
    (found,) = rows(store)
    hold = keeper.hold(found)
    assert (hold.keyframes, hold.copies) == (2, 1)
    assert keeper.copy_missing() == 1
    assert not folder.has(LATE)
    put(tmp_path / "kf", LATE, picture(30))
    assert keeper.copy_missing() == 0
    assert folder.fetch(LATE) == picture(30)


class Away:
    """A keyframe store that cannot be reached."""

    def fetch(self, key: str) -> bytes:
        raise TimeoutError

    def remove(self, key: str) -> None:
        raise TimeoutError

    def is_held(self, key: str) -> bool:
        return False


def test_a_store_that_is_away_holds_nothing_up(store: EventStore, tmp_path: Path) -> None:
    add(store, incident(keyframes=BOTH))
    keeper = EvidenceKeeper(store, Away(), EvidenceFolder(tmp_path / "evidence"))
    (found,) = rows(store)
    assert keeper.hold(found).copies == 0
    assert keeper.copy_missing() == 2


def test_what_the_database_does_not_take_is_not_held(store: EventStore, tmp_path: Path) -> None:
    add(store, incident())
    (found,) = rows(store)
    keeper = EvidenceKeeper(store, Away(), EvidenceFolder(tmp_path / "evidence"))
    with store.database.write() as connection:
        connection.exec_driver_sql("PRAGMA query_only = 1")
    with pytest.raises(StoreUnavailableError, match="readonly"):
        keeper.hold(found)
    assert "readonly" in store.database.trouble
