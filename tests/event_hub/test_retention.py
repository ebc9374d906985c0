"""What is old goes in batches, what is evidence stays, and a follower misses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from event_hub import queries
from event_hub.answers import Health
from event_hub.retention import BATCH, DAY_US, delete_old
from event_hub.settings import HubRetention
from event_hub.store import EventStore
from event_hub.tables import EVENTS, INCIDENTS, KEYFRAMES
from tests.event_hub.samples import camera_state, in_city, incident, keyframe, picture
from tests.event_hub.test_store import add

MONTH = HubRetention(days=30)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    is_lite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/hub.db" if is_lite else request.getfixturevalue("postgres")
    opened = EventStore(url)
    yield opened
    opened.close()


@contextmanager
def arrived(store: EventStore, days_ago: float) -> Iterator[None]:
    """What is added inside arrived so many days ago."""
    with store.database.read() as connection:
        before = connection.scalar(select(func.max(EVENTS.c.position))) or 0
    yield
    with store.database.write() as connection:
        earlier = EVENTS.c.received_us - int(days_ago * DAY_US)
        new = EVENTS.c.position > before
        connection.execute(update(EVENTS).where(new).values(received_us=earlier))


def health(store: EventStore) -> Health:
    with store.database.read() as connection:
        return queries.health(connection, MONTH)


def kept(store: EventStore) -> list[str]:
    with store.database.read() as connection:
        return list(connection.scalars(select(EVENTS.c.event_id).order_by(EVENTS.c.position)))


def life(name: str, **data: Any) -> list[dict[str, Any]]:
    return [incident(name, **data), incident(name, 2, "ended", **data)]


def test_old_events_go_with_their_incidents_and_keyframes(store: EventStore) -> None:
    kf = [keyframe("kf/old.jpg", picture())]
    with arrived(store, 31):
        add(store, camera_state(number=1), *life("old", keyframes=kf))
    with arrived(store, 29):
        add(store, *life("young", keyframes=[keyframe("kf/young.jpg", picture())]))
    assert delete_old(store.database, MONTH, pause_s=0) == 3
    assert kept(store) == ["young-1", "young-2"]
    with store.database.read() as connection:
        assert connection.scalars(select(INCIDENTS.c.incident_id)).all() == ["young"]
        assert connection.scalars(select(KEYFRAMES.c.key)).all() == ["kf/young.jpg"]
        (camera,) = queries.camera_list(connection, store.heard).cameras
    assert camera.previous == "online", "the newest state of a camera is no history"
    assert health(store).events == 2
    assert delete_old(store.database, MONTH, pause_s=0) == 0


def test_open_incidents_stay_whole(store: EventStore) -> None:
    with arrived(store, 400):
        add(store, incident("open"), *life("over"))
    delete_old(store.database, MONTH, pause_s=0)
    assert kept(store) == ["open-1"]
    with store.database.read() as connection:
        (found,) = queries.incident_rows(connection, "open")
        assert len(queries.incident_record(connection, found).history) == 1


def test_positions_are_never_given_twice(store: EventStore) -> None:
    with arrived(store, 31):
        add(store, *life("old"))
    delete_old(store.database, MONTH, pause_s=0)
    assert kept(store) == []
    add(store, incident("new"))
    with store.database.read() as connection:
        page = queries.event_page(connection, after=2, limit=9)
    assert [one.position for one in page.events] == [3]


def test_the_oldest_go_first_where_there_are_too_many_bytes(store: EventStore) -> None:
    for day in (9, 7, 5):
        with arrived(store, day):
            add(store, *life(f"day-{day}"))
    total = health(store).bytes
    assert delete_old(store.database, HubRetention(gigabytes=total / 1e9), pause_s=0) == 0
    delete_old(store.database, HubRetention(gigabytes=total / 2e9), pause_s=0)
    assert kept(store) == ["day-5-1", "day-5-2"]
    assert health(store).bytes <= total // 2


def test_what_may_come_again_is_known_whatever_the_limits_are(store: EventStore) -> None:
    with arrived(store, 2.9):
        add(store, *life("held back"))
    with arrived(store, 3.1):
        add(store, *life("over"))
    delete_old(store.database, HubRetention(days=3, gigabytes=1e-9), pause_s=0)
    assert add(store, *life("held back")) == (0, 2)
    with pytest.raises(ValueError, match="greater than or equal to 3"):
        HubRetention(days=2.9)


@pytest.mark.slow
def test_batches_pass_over_what_is_kept(store: EventStore) -> None:
    with arrived(store, 40):
        for start in range(0, 2 * BATCH, 100):
            add(store, *(camera_state(number=n) for n in range(start, start + 100)))
        add(store, *(incident(f"open-{n}") for n in range(BATCH + 10)))
        add(store, *(camera_state(number=n) for n in range(5000, 5100)))
    assert delete_old(store.database, MONTH, pause_s=0) == 2 * BATCH + 100
    assert len(kept(store)) == BATCH + 10
    assert health(store).events == BATCH + 10


@pytest.mark.slow
def test_deliveries_go_on_between_batches_and_a_stop_is_soon(store: EventStore) -> None:
    with arrived(store, 40):
        for start in range(0, 4 * BATCH, 200):
            add(store, *(camera_state(number=n) for n in range(start, start + 200)))
    batches = 0

    def stopped() -> bool:
        nonlocal batches
        batches += 1
        # Nothing is locked here: what a sender would do in another thread.
        thread = threading.Thread(target=add, args=(store, incident(f"new-{batches}")))
        thread.start()
        thread.join(5.0)
        assert not thread.is_alive()
        return batches == 2

    assert delete_old(store.database, MONTH, stopped=stopped, pause_s=0) == 2 * BATCH
    assert kept(store)[-2:] == ["new-1-1", "new-2-1"]


def test_equal_keys_of_another_city_stay(store: EventStore) -> None:
    kf = [keyframe("kf/a.jpg", picture())]
    with arrived(store, 40):
        add(store, *(in_city(one, "Xinjin") for one in life("jam", keyframes=kf)))
    add(store, *(in_city(one, "Dayi") for one in life("crowd", keyframes=kf)))
    delete_old(store.database, MONTH, pause_s=0)
    with store.database.read() as connection:
        assert list(queries.keyframes(connection, ["kf/a.jpg"])) == [("Dayi", "kf/a.jpg")]


def test_time_is_that_of_arrival(store: EventStore) -> None:
    # A camera side with a wrong clock neither saves its events nor loses them.
    opened = datetime.now(UTC) - timedelta(days=4000)
    add(store, *life("clock", opened_at=opened))
    assert delete_old(store.database, MONTH, pause_s=0) == 0
