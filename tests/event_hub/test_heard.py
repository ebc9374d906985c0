"""Silence means "not watching": by the hub's monotonic clock, whatever the wall clocks say."""

from pathlib import Path
from typing import Any

import pytest

from event_hub import queries
from event_hub.answers import CameraStatus
from event_hub.envelope import parse_event
from event_hub.heard import HeardCameras
from event_hub.store import EventStore
from pipelines.event import HeartbeatEvent
from tests.event_hub.samples import camera_state, dump, heartbeat

LIMIT_S = 12.0


class Hub:
    """A store, and what is heard by a clock that moves on demand."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1000.0
        self.store = EventStore(f"sqlite:///{folder}/hub.db")
        self.heard = HeardCameras(LIMIT_S, lambda: self.now_s)

    def hear(self, event: dict[str, Any]) -> None:
        received = parse_event(dump(event)).event
        assert isinstance(received, HeartbeatEvent)
        self.heard.note(received, received_us=int(self.now_s * 1e6))

    def store_event(self, event: dict[str, Any]) -> None:
        self.store.add([parse_event(dump(event))])

    def cameras(self) -> dict[str, CameraStatus]:
        with self.store.database.read() as connection:
            listing = queries.camera_list(connection, self.heard)
        assert listing.online == sum(one.state == "online" for one in listing.cameras)
        return {one.camera.id: one for one in listing.cameras}

    def state(self, camera: str = "cam-1") -> str:
        return self.cameras()[camera].state


@pytest.fixture
def hub(tmp_path: Path):
    hub = Hub(tmp_path)
    yield hub
    hub.store.close()


def test_a_camera_is_watched_while_heartbeats_come(hub: Hub) -> None:
    for beat in range(1, 10):
        hub.hear(heartbeat({"cam-1": "online"}, beat))
        assert hub.state() == "online"
        hub.now_s += 5.0
    hub.now_s += LIMIT_S - 5.0
    assert hub.state() == "online"
    before = hub.heard.version
    hub.now_s += 0.1
    assert hub.state() == "silent"
    reason = hub.cameras()["cam-1"].reason
    assert reason == "nothing heard for more than 12 s; last known: online"
    assert hub.heard.version > before, "an open page would go on showing it as online"
    hub.hear(heartbeat({"cam-1": "online"}, 10, uptime_s=50.0 + LIMIT_S + 0.1))
    assert hub.state() == "online"


def test_one_camera_that_is_left_out_falls_silent(hub: Hub) -> None:
    hub.hear(heartbeat({"cam-1": "online", "cam-2": "online"}, 1))
    for beat in range(2, 6):
        hub.now_s += 5.0
        hub.hear(heartbeat({"cam-1": "online"}, beat))
    assert (hub.state("cam-1"), hub.state("cam-2")) == ("online", "silent")


def test_a_newer_event_and_a_newer_heartbeat_each_win(hub: Hub) -> None:
    hub.store_event(camera_state(state="online", number=3) | {"incarnation": 2})
    hub.hear(heartbeat({"cam-1": "degraded"}, 1, number=3, incarnation=2))
    assert hub.state() == "degraded", "the heartbeat was made after that event"
    hub.store_event(camera_state(state="offline", number=4) | {"incarnation": 2})
    assert hub.state() == "offline", "the event came after the heartbeat"
    hub.hear(heartbeat({"cam-1": "online"}, 2, number=4, incarnation=2))
    assert (hub.state(), hub.cameras()["cam-1"].previous) == ("online", "offline")


def test_what_is_wrong_with_a_view_is_known_until_nobody_watches_it(hub: Hub) -> None:
    event = camera_state(state="degraded", number=3) | {"incarnation": 2}
    hub.store_event(event | {"data": event["data"] | {"view": "covered"}})
    assert hub.cameras()["cam-1"].view == ""  # Nobody was heard yet.
    hub.hear(heartbeat({"cam-1": "degraded"}, 1, number=3, incarnation=2))
    assert hub.cameras()["cam-1"].view == "covered"
    hub.now_s += 100.0
    assert (hub.state(), hub.cameras()["cam-1"].view) == ("silent", "")


def test_a_camera_that_was_stopped_stays_stopped_though_a_heartbeat_is_late(hub: Hub) -> None:
    hub.hear(heartbeat({"cam-1": "online"}, 1, number=7, incarnation=3))
    hub.store_event(camera_state(state="stopped", number=8) | {"incarnation": 3})
    hub.hear(heartbeat({"cam-1": "online"}, 2, number=7, incarnation=3))
    assert hub.state() == "stopped"
    hub.now_s += 100.0
    assert hub.state() == "stopped"
    hub.hear(heartbeat({"cam-1": "offline"}, 1, number=9, incarnation=4))
    assert hub.state() == "offline"
    hub.now_s += 100.0
    assert hub.state() == "silent", "the worker that began after the stop has died"


def test_a_worker_that_lost_a_camera_does_not_keep_it_watched(hub: Hub) -> None:
    def hear_old(beat: int) -> None:
        event = heartbeat({"cam-1": "online"}, beat, number=90, incarnation=5, worker="worker-0")
        hub.hear(event)

    hear_old(1)
    hub.hear(heartbeat({"cam-1": "degraded"}, 1, number=2, incarnation=6))
    hear_old(2)
    assert hub.state() == "degraded"
    hub.now_s += 20.0
    hear_old(3)
    assert hub.state() == "silent"


def test_an_incarnation_that_only_its_events_showed_counts_too(hub: Hub) -> None:
    hub.store_event(camera_state(state="online", number=1) | {"incarnation": 6})
    hub.hear(heartbeat({"cam-1": "online"}, 4, number=90, incarnation=5))
    assert hub.state() == "silent"


@pytest.mark.parametrize("repeated", [1, 2])
def test_an_old_or_repeated_heartbeat_is_no_news(hub: Hub, repeated: int) -> None:
    for beat in (1, 2):
        hub.hear(heartbeat({"cam-1": "online"}, beat))
        hub.now_s += 5.0
    hub.now_s += 6.0
    hub.hear(heartbeat({"cam-1": "online"}, repeated))
    hub.now_s += 5.0
    assert hub.state() == "silent"


def test_a_backlog_of_heartbeats_keeps_nothing_watched(hub: Hub) -> None:
    for beat in range(1, 4):
        hub.hear(heartbeat({"cam-1": "online"}, beat))
        hub.now_s += 5.0
    # The hub stood still for a minute; then it reads what had waited, all at once.
    hub.now_s += 60.0
    for beat in range(4, 13):
        hub.hear(heartbeat({"cam-1": "online"}, beat))
        hub.now_s += 0.01
    assert hub.state() == "silent"
    hub.hear(heartbeat({"cam-1": "online"}, 16))
    assert hub.state() == "online"


def test_a_host_that_was_suspended_is_heard_again(hub: Hub) -> None:
    for beat in range(1, 4):
        hub.hear(heartbeat({"cam-1": "online"}, beat))
        hub.now_s += 5.0
    hub.now_s += 3600.0
    for beat in range(4, 8):
        hub.hear(heartbeat({"cam-1": "online"}, beat))
        hub.now_s += 5.0
    assert hub.state() == "online"


def test_clocks_that_drift_apart_do_not_matter(hub: Hub) -> None:
    for beat in range(1, 2000):
        hub.hear(heartbeat({"cam-1": "online"}, beat, uptime_s=4.9 * beat))
        assert all(one.lately for one in hub.heard.cameras().values())
        hub.now_s += 5.0


def test_after_a_restart_nothing_counts_until_it_is_heard(tmp_path: Path) -> None:
    states = {"cam-1": "online", "cam-2": "unauthorized"}
    store = EventStore(f"sqlite:///{tmp_path}/hub.db")
    store.add([parse_event(dump(heartbeat(states, number=4, incarnation=2)))])
    with store.database.read() as connection:
        before = queries.camera_list(connection, store.heard)
    store.close()
    assert before.online == 1
    again = EventStore(f"sqlite:///{tmp_path}/hub.db")
    with again.database.read() as connection:
        listing = queries.camera_list(connection, again.heard)
    assert [(one.state, one.previous) for one in listing.cameras] == [
        ("silent", "online"),
        ("silent", "unauthorized"),
    ]
    assert listing.online == 0
    assert [one.heard_at for one in listing.cameras] == [one.heard_at for one in before.cameras]
    version = again.version
    again.add([parse_event(dump(heartbeat(states, 1, number=4, incarnation=2)))])
    assert again.version > version
    with again.database.read() as connection:
        assert queries.camera_list(connection, again.heard).online == 1
    again.close()
