"""What a worker says of its cameras when it stops, when it is killed, and when it comes back."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from event_hub.envelope import parse_event
from event_hub.queries import camera_list
from event_hub.store import EventStore
from serving.camera_worker import CameraWorker
from serving.left_over import LeftOverOutboxes
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.lone_worker import worker_plan

pytestmark = [pytest.mark.integration, pytest.mark.slow]

WAIT_S = 60.0
ROOT = Path(__file__).parents[2]
LOST = "its worker crashed or was replaced"


class City:
    """A receiver of events, and workers over one folder."""

    def __init__(self, folder: Path, clip: TinyClip) -> None:
        self.folder = folder
        self.source = f"{clip.path.as_uri()}?realtime=1&loop=1"
        self.receiver = Receiver()

    def run_until_killed(self, incarnation: int, *cameras: str) -> None:
        """A worker in a process of its own that is killed once all its cameras are online."""
        script = [sys.executable, "-m", "tests.serving.lone_worker", str(self.folder)]
        pairs = [f"{name}={self.source}" for name in cameras]
        with subprocess.Popen(
            [*script, self.receiver.url, str(incarnation), *pairs],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                self.wait(lambda: set(cameras) <= self.online(incarnation), "online")
                self.wait(lambda: self.beats(incarnation) != [], "a heartbeat")
            finally:
                os.kill(process.pid, signal.SIGKILL)

    def start(self, *cameras: str) -> CameraWorker:
        plan = worker_plan(self.folder, self.receiver.url, 0, dict.fromkeys(cameras, self.source))
        return CameraWorker(plan)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in list(self.receiver.deliveries)]

    def beats(self, incarnation: int) -> list[dict[str, Any]]:
        return [
            event["data"]
            for event in self.events
            if event["type"] == "cityeye.worker.heartbeat" and event["incarnation"] == incarnation
        ]

    def states(self, camera: str) -> list[tuple[int, str, str]]:
        """Incarnation, state and reason, in the order that the contract gives them.

        What was sent before a worker was killed, and is not known to have arrived, comes twice.
        """
        by_id = {
            event["id"]: event
            for event in self.events
            if event["type"] == "cityeye.camera.state" and event["partitionkey"] == camera
        }
        found = list(by_id.values())
        found.sort(key=lambda event: (event["incarnation"], event["sequence"]))
        return [(one["incarnation"], one["data"]["state"], one["data"]["reason"]) for one in found]

    def online(self, incarnation: int) -> set[str]:
        return {
            event["partitionkey"]
            for event in self.events
            if event["incarnation"] == incarnation and event["data"].get("state") == "online"
        }

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline_s, f"not in time: {what}; {self.events}"
            time.sleep(0.05)


@pytest.fixture
def city(tmp_path: Path, tiny_clip: TinyClip) -> Iterator[City]:
    city = City(tmp_path, tiny_clip)
    yield city
    city.receiver.close()


def test_a_killed_worker_and_a_stopped_one_leave_true_states_behind(city: City) -> None:
    city.run_until_killed(7, "gate", "yard")
    worker = city.start("gate")
    city.wait(lambda: city.online(8) == {"gate"}, "online again")
    city.wait(lambda: city.beats(8) != [], "a heartbeat of the new worker")
    worker.stop("maintenance")
    assert city.states("gate") == [
        (7, "online", ""),
        (8, "offline", LOST),
        (8, "online", ""),
        (8, "stopped", "maintenance"),
    ]
    *_, (incarnation, state, reason) = city.states("yard")
    assert (incarnation, state) == (7, "stopped")
    assert "removed from the configuration" in reason
    named = [[one["camera"]["id"] for one in beat["cameras"]] for beat in city.beats(8)]
    assert {tuple(names) for names in named} == {("gate",)}
    count = len(city.beats(8))
    check_that_any_order_leads_there(city)
    assert len(city.beats(8)) == count, "a worker that has stopped sends no heartbeat"


def check_that_any_order_leads_there(city: City) -> None:
    bodies = [one.body for one in city.receiver.deliveries]
    for seed in range(5):
        random.Random(seed).shuffle(bodies)
        store = EventStore(f"sqlite:///{city.folder}/hub-{seed}.db")
        for body in [*bodies, *bodies[: seed * 2]]:
            store.add([parse_event(body)])
        with store.database.read() as connection:
            listing = camera_list(connection, store.heard)
        store.close()
        assert [one.state for one in listing.cameras] == ["stopped", "stopped"]


def test_a_worker_that_does_not_come_back_leaves_nothing_unsaid(city: City) -> None:
    city.run_until_killed(7, "gate")
    delivery = worker_plan(city.folder, city.receiver.url, 0, {}).delivery
    LeftOverOutboxes(delivery, "Neustadt", {"worker-0"}).start()
    left_over = LeftOverOutboxes(delivery, "Neustadt", {"worker-1"})
    left_over.start()
    city.wait(lambda: len(city.states("gate")) == 2, "what became of the camera")
    *_, (incarnation, state, _) = city.states("gate")
    assert (incarnation, state) == (7, "stopped")
    left_over.stop()
    city.start("gate").stop()
