"""Heartbeats: the newest state to every sink, whatever the other sinks and the outbox do."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from pydantic import SecretStr

from event_hub.envelope import EVENT_MAX_BYTES, parse_event
from event_hub.keyframes import FolderKeyframes
from event_hub.settings import HubSettings
from pipelines.access import TokenFile
from pipelines.delivery.heartbeat import VALID_S, Beat, Heartbeats, HeartbeatSender
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.delivery.sinks.sink import Delivery, Sink
from pipelines.errors import SinkRefused, SinkUnavailable
from pipelines.event import CameraBeat, CameraData
from tests.event_hub.thread import HubThread
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.outboxes import Clock, Edge, Recorder, camera, http_sink, offline

WAIT_S = 20.0


def online(*names: str, reason: str = "") -> list[CameraBeat]:
    return [CameraBeat(camera=CameraData(id=one), state="online", reason=reason) for one in names]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    edge = Edge(tmp_path)
    yield edge
    edge.close()


def heartbeats(
    outbox: Outbox,
    *sinks: Sink,
    cameras: Callable[[], list[CameraBeat]] = lambda: online("gate"),
    **options: Any,
) -> Heartbeats:
    return Heartbeats("worker-3", "Neu stadt", outbox, cameras, sinks, **options)


def decoded(beat: Beat) -> list[dict[str, Any]]:
    return [json.loads(delivery.body) for delivery in beat.deliveries]


def test_it_says_who_how_long_and_what_of_each_camera(edge):
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    clock = Clock()
    hearts = heartbeats(edge.outbox, monotonic=clock, utc_now=lambda: now)
    edge.recorder.publish_state(offline(), camera())
    clock.now_s += 7.5
    (event,) = decoded(hearts.beat())
    assert event["type"] == "cityeye.worker.heartbeat"
    assert event["source"] == "cityeye/Neu%20stadt/workers/worker-3"
    assert (event["incarnation"], event["sequence"]) == (1, f"{1:016d}")
    assert datetime.fromisoformat(event["expirytime"]) == now + timedelta(seconds=VALID_S)
    assert {name: event["data"][name] for name in ("worker", "beat", "uptime_s", "valid_s")} == {
        "worker": "worker-3",
        "beat": 1,
        "uptime_s": 7.5,
        "valid_s": VALID_S,
    }
    (state,) = event["data"]["cameras"]
    assert (state["camera"]["id"], state["state"]) == ("gate", "online")


def test_states_are_read_after_the_sequence_that_they_are_newer_than(edge):
    def change_while_reading() -> list[CameraBeat]:
        edge.recorder.publish_state(offline(), camera())
        return online("gate")

    (event,) = decoded(heartbeats(edge.outbox, cameras=change_while_reading).beat())
    assert event["sequence"] == f"{0:016d}"
    assert edge.outbox.newest_sequence() == f"{1:016d}"


def test_many_cameras_are_spread_over_events_that_the_hub_takes(edge):
    names = [f"a-camera-with-a-rather-long-name-{number}" for number in range(130)]
    hearts = heartbeats(edge.outbox, cameras=lambda: online(*names, reason="ü" * 5000))
    deliveries = hearts.beat().deliveries
    assert len({one.event for one in deliveries}) == len(deliveries) == 3
    assert max(len(one.body) for one in deliveries) < EVENT_MAX_BYTES
    events = [parse_event(one.body).event for one in deliveries]
    assert [one.data.beat for one in events] == [1, 2, 3]  # type: ignore[attr-defined]
    seen = [state.camera.id for one in events for state in one.data.cameras]  # type: ignore[attr-defined]
    assert seen == names


def test_a_dead_sink_delays_neither_other_heartbeats_nor_events(edge):
    dead = Receiver(delay=threading.Event())
    well, events = Recorder("well"), Recorder("events")
    relay = Relay(edge.outbox, edge.spool, edge.store, [events])
    hearts = heartbeats(edge.outbox, http_sink(dead.url), well, every_s=0.02)
    relay.start()
    hearts.start()
    well.wait_count(5)
    edge.recorder.publish_state(offline(), camera())
    events.wait_count(1)
    reached = len(well.bodies)
    well.wait_count(reached + 5)
    assert len(dead.deliveries) == 1
    hearts.stop()
    relay.stop()
    dead.close()


def test_nothing_of_it_is_stored_or_delivered_again(edge):
    sink = Recorder()
    relay = Relay(edge.outbox, edge.spool, edge.store, [sink])
    hearts = heartbeats(edge.outbox, beats := Recorder("beats"), every_s=0.01)
    hearts.start()
    beats.wait_count(5)
    hearts.stop()
    assert edge.outbox.deliveries.pending() == 0
    relay.start()
    edge.outbox.deliveries.replay("recorder", datetime.fromtimestamp(0, UTC))
    relay.stop(0.2)
    assert sink.bodies == []
    assert len(set(beats.ids)) == len(beats.ids)


@dataclass
class Gate:
    """A sink that lets deliveries through one by one, and raises what it is told to."""

    name: str = "gate"
    raises: Exception | None = None
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    leave: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    seen: list[str] = field(default_factory=list)

    def deliver(self, delivery: Delivery) -> None:
        self.seen.append(delivery.event)
        self.entered.release()
        assert self.leave.acquire(timeout=WAIT_S)
        if self.raises is not None:
            raise self.raises


def beat_of(*names: str, expires_s: float = 1e9) -> Beat:
    return Beat(tuple(Delivery(0, 0, name, "worker", b"{}") for name in names), expires_s)


@pytest.mark.parametrize(
    "raises", [None, SinkUnavailable("down"), SinkRefused("unknown type"), ValueError("a mistake")]
)
def test_a_slow_or_failing_sink_gets_the_newest_only(raises: Exception | None):
    gate = Gate(raises=raises)
    sender = HeartbeatSender(gate)
    sender.thread.start()
    sender.offer(beat_of("1"))
    assert gate.entered.acquire(timeout=WAIT_S)
    for name in ("2", "3", "4"):
        sender.offer(beat_of(name))
    gate.leave.release()
    assert gate.entered.acquire(timeout=WAIT_S)
    sender.stop()
    gate.leave.release()
    sender.thread.join(WAIT_S)
    assert gate.seen == ["1", "4"]


def test_what_has_expired_is_not_sent():
    clock, gate = Clock(), Gate()
    sender = HeartbeatSender(gate, clock)
    sender.thread.start()
    sender.offer(beat_of("1", "2", expires_s=clock.now_s + 1.0))
    assert gate.entered.acquire(timeout=WAIT_S)
    clock.now_s += 1.0
    sender.offer(beat_of("3", expires_s=clock.now_s))
    sender.offer(beat_of("4", expires_s=clock.now_s + 1.0))
    for _ in range(2):
        gate.leave.release()
    assert gate.entered.acquire(timeout=WAIT_S)
    sender.stop()
    sender.thread.join(WAIT_S)
    assert gate.seen == ["1", "4"]


def test_a_mistake_in_one_heartbeat_does_not_silence_the_next(edge):
    mistakes = iter([RuntimeError("once")])

    def cameras() -> list[CameraBeat]:
        for mistake in mistakes:
            raise mistake
        return online("gate")

    sink = Recorder()
    hearts = heartbeats(edge.outbox, sink, cameras=cameras, every_s=0.01)
    hearts.start()
    sink.wait_count(2)
    hearts.stop()


def test_it_goes_on_while_the_outbox_cannot_be_read(edge):
    hearts = heartbeats(edge.outbox)
    edge.recorder.publish_state(offline(), camera())
    first, _ = hearts.beat(), edge.close()
    assert [decoded(one)[0]["sequence"] for one in (first, hearts.beat())] == [f"{1:016d}"] * 2


def test_the_hub_hears_signed_heartbeats_and_silence_after_them(edge, tmp_path):
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    access = tmp_path / "access"
    settings = HubSettings(
        database=f"sqlite:///{tmp_path}/hub.db",
        console=False,
        access=access,
        webhook_secrets=(SecretStr(secret),),
    )
    # Shorter than what is allowed, as heartbeats come faster here.
    settings = settings.model_copy(update={"silence_limit_s": 1.0})
    with HubThread(settings, FolderKeyframes(tmp_path)) as hub:
        token = TokenFile(access).first()
        sink = http_sink(f"{hub.url}/api/events", secret=secret, token=token)
        hearts = heartbeats(edge.outbox, sink, every_s=0.1)

        def wait_for(state: str) -> None:
            deadline_s = time.monotonic() + WAIT_S
            while (seen := states(hub.url, token)) != [("gate", state)]:
                assert time.monotonic() < deadline_s, seen
                time.sleep(0.05)

        hearts.start()
        wait_for("online")
        hearts.stop()
        wait_for("silent")


def states(url: str, token: str) -> list[tuple[str, str]]:
    headers = {"Authorization": f"Bearer {token}"}
    answer = urllib3.request("GET", f"{url}/api/cameras", headers=headers)
    cameras = json.loads(answer.data)["cameras"]
    return [(one["camera"]["id"], one["state"]) for one in cameras]
