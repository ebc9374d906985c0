"""What is published of a camera's state at a stop, and after a crash by the next start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from camera_adapters.state import CameraState, StateChange
from pipelines.delivery.outbox import Outbox
from pipelines.event_identity import camera_source, worker_source
from tests.pipelines.delivery.outboxes import OPENED, Edge, camera, life
from tests.pipelines.delivery.test_outbox import SINK, drain

LAST_ALIVE = datetime(2026, 3, 4, 5, 30, tzinfo=UTC)


class Starts:
    """Starts of workers over one outbox; each may end without a word."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = OPENED

    def utc_s(self) -> float:
        return self.now.timestamp()

    def start(self, incarnation: int = 0) -> Edge:
        path = self.folder / "outbox.db"
        outbox = Outbox(path, utc_s=self.utc_s, incarnation=incarnation)
        outbox.deliveries.register([SINK])
        return Edge(self.folder, outbox)


@pytest.fixture
def starts(tmp_path: Path) -> Starts:
    return Starts(tmp_path)


def becomes(edge: Edge, name: str, state: CameraState, second: int = 0) -> None:
    at = OPENED + timedelta(seconds=second)
    change = StateChange(name, state, CameraState.OFFLINE, "because", at, float(second))
    edge.recorder.publish_state(change, camera(name))


def states(events: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    found = [event for event in events if event["type"] == "cityeye.camera.state"]
    return [(one["subject"], one["data"]["state"], one["incarnation"]) for one in found]


def test_after_a_crash_the_next_start_says_so_once(starts: Starts):
    edge = starts.start()
    becomes(edge, "gate", CameraState.ONLINE)
    becomes(edge, "north", CameraState.DEGRADED)
    drain(edge)
    starts.now = LAST_ALIVE
    edge.outbox.note_alive()
    edge.close()

    starts.now += timedelta(hours=1)
    edge = starts.start()
    edge.recover()
    gate, north = drain(edge)
    assert states([gate, north]) == [("gate", "offline", 2), ("north", "offline", 2)]
    assert (gate["data"]["previous"], north["data"]["previous"]) == ("online", "degraded")
    assert gate["data"]["reason"] == "its worker crashed or was replaced"
    assert datetime.fromisoformat(gate["data"]["since"]) == LAST_ALIVE
    assert gate["data"]["camera"]["name"] == "The gate"
    edge.recover()
    assert drain(edge) == []
    edge.close()
    again = starts.start()
    again.recover()
    assert drain(again) == []
    again.close()


def test_a_worker_that_was_replaced_gives_the_reason(starts: Starts):
    edge = starts.start()
    becomes(edge, "gate", CameraState.ONLINE)
    drain(edge)
    edge.close()
    again = starts.start()
    again.recorder.recover({"gate"}, "it holds 4300 MiB of memory" + "." * 999)
    (gate,) = drain(again)
    reason = gate["data"]["reason"]
    assert gate["data"]["state"] == "offline"
    assert reason.startswith("its worker was replaced: it holds 4300 MiB of memory...")
    assert len(reason) < 250, "an event has bounds"
    again.close()


@pytest.mark.parametrize("state", [CameraState.OFFLINE, CameraState.UNAUTHORIZED])
def test_what_was_blind_already_is_not_said_again(starts: Starts, state: CameraState):
    edge = starts.start()
    becomes(edge, "gate", state)
    drain(edge)
    edge.close()
    again = starts.start()
    again.recover()
    assert drain(again) == []
    again.close()


def test_a_stop_says_why_and_leaves_nothing_to_recover(starts: Starts):
    edge = starts.start()
    becomes(edge, "gate", CameraState.ONLINE)
    edge.recorder.publish_stopped(camera(), "maintenance")
    *_, stopped = drain(edge)
    assert states([stopped]) == [("gate", "stopped", 1)]
    assert (stopped["data"]["reason"], stopped["data"]["previous"]) == ("maintenance", "online")
    edge.close()
    for held in ({"gate"}, set()):
        again = starts.start()
        again.recorder.recover(held)
        assert drain(again) == []
        again.close()


def test_a_stop_is_said_in_each_incarnation(starts: Starts):
    for incarnation in (1, 2):
        edge = starts.start()
        edge.recorder.publish_stopped(camera(), "maintenance")
        assert states(drain(edge)) == [("gate", "stopped", incarnation)]
        edge.close()


@pytest.mark.parametrize("state", CameraState)
def test_a_camera_that_is_gone_is_stopped_by_the_incarnation_that_had_it(
    starts: Starts, state: CameraState
):
    edge = starts.start()
    becomes(edge, "gate", state)
    edge.publish(*life("i-1", at="gate")[:1], value=None)
    seen = drain(edge)
    edge.close()
    again = starts.start()
    again.recorder.recover({"north"})
    ended, stopped = drain(again)
    # The worker that has the camera now may have begun before this one.
    assert (ended["incarnation"], ended["data"]["phase"]) == (1, "ended")
    assert states([stopped]) == [("gate", "stopped", 1)]
    assert "removed from the configuration" in stopped["data"]["reason"]
    assert {event["source"] for event in [*seen, ended, stopped]} == {"cityeye/Neustadt/gate"}
    assert [*seen, ended, stopped] == sorted(
        [*seen, ended, stopped], key=lambda one: (one["incarnation"], one["sequence"])
    )
    again.recorder.recover({"north"})
    assert drain(again) == []
    again.close()


def test_what_this_start_has_published_itself_is_left_alone(starts: Starts):
    edge = starts.start()
    becomes(edge, "gate", CameraState.ONLINE)
    edge.recover()
    assert states(drain(edge)) == [("gate", "online", 1)]
    edge.close()


def test_incarnations_grow_with_every_start_and_never_fall_behind(starts: Starts):
    given = (0, 0, 7, 7, 3, 0, 20)
    seen = []
    for incarnation in given:
        edge = starts.start(incarnation)
        seen.append(edge.outbox.incarnation)
        edge.publish(*life(f"i-{len(seen)}", updates=0)[:1], value=None)
        assert {event["incarnation"] for event in drain(edge)} == {seen[-1]}
        edge.close()
    assert seen == [1, 2, 7, 8, 9, 10, 20]


def test_the_same_change_has_the_same_id_and_another_start_another(starts: Starts):
    def ids(edge: Edge) -> list[str]:
        becomes(edge, "gate", CameraState.ONLINE)
        return [event["id"] for event in drain(edge)]

    first = starts.start()
    (one,) = ids(first)
    assert ids(first) == [], "the outbox knows it"
    first.close()
    second = starts.start()
    assert ids(second) != [one]
    second.close()


def test_an_incident_that_a_crash_left_open_ends_in_the_new_incarnation(starts: Starts):
    edge = starts.start()
    edge.publish(*life()[:2], value=None)
    before = drain(edge)
    edge.close()
    again = starts.start()
    again.recover()
    (ended,) = drain(again)
    assert [event["incarnation"] for event in [*before, ended]] == [1, 1, 2]
    assert ended["data"]["phase"] == "ended"
    again.close()


def test_an_unreadable_state_is_left_out(starts: Starts):
    edge = starts.start()
    becomes(edge, "gate", CameraState.ONLINE)
    becomes(edge, "north", CameraState.ONLINE)
    drain(edge)
    with edge.outbox.file.transaction() as db:
        db.execute("UPDATE camera SET body = CAST('not json' AS BLOB) WHERE id = 'gate'")
    edge.close()
    again = starts.start()
    again.recover()
    assert states(drain(again)) == [("north", "offline", 2)]
    again.close()


def test_sources_name_city_and_camera_and_never_meet():
    sources = {
        camera_source("Xinjin", "gate-1"),
        camera_source("Dayi", "gate-1"),
        camera_source("Dayi", "gate-2"),
        camera_source("Dayi/gate-1", "gate-1"),
        camera_source("Dayi", "workers"),
        worker_source("Dayi", "gate-1"),
        worker_source("Dayi", "worker-0"),
    }
    assert len(sources) == 7
    assert camera_source("新津", "tor 1") == "cityeye/%E6%96%B0%E6%B4%A5/tor%201"
    assert len(camera_source("🏙" * 900, "g" * 64)) < 512


def test_a_state_event_names_what_is_wrong_with_the_view_until_a_crash(starts: Starts):
    edge = starts.start()
    for second, view in enumerate(("covered", "moved", "")):
        at = OPENED + timedelta(seconds=second)
        state = CameraState.DEGRADED if view else CameraState.ONLINE
        change = StateChange("gate", state, CameraState.DEGRADED, "because", at, 0.0, view)
        edge.recorder.publish_state(change, camera("gate"))
    events = drain(edge)
    assert [event["data"]["view"] for event in events] == ["covered", "moved", ""]
    assert len({event["id"] for event in events}) == 3
    at = OPENED + timedelta(seconds=9)
    change = StateChange("gate", CameraState.DEGRADED, CameraState.ONLINE, "", at, 0.0, "dark")
    edge.recorder.publish_state(change, camera("gate"))
    drain(edge)
    edge.close()

    edge = starts.start()
    edge.recover()
    (event,) = drain(edge)
    assert (event["data"]["state"], event["data"]["view"]) == ("offline", "")
    edge.close()
