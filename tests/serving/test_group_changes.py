"""Cameras come, go and change while their neighbours lose nothing; with real decoders and RTSP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from camera_adapters.spec import Credentials
from models.package import ModelPackage
from pipelines.camera_group import CameraGroup, Slots
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.delivery.spool import Spool
from pipelines.delivery.stores.folder import FolderStore
from pipelines.detector import InFlightBatch, MicroBatch
from pipelines.evidence import EvidenceRecorder
from pipelines.group_camera import CameraSnapshot
from pipelines.plan import CameraPlan
from serving.in_process import InProcessDetector
from serving.served_models import served_model
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.outboxes import Recorder
from tests.serving.cities import camera_plan

pytestmark = pytest.mark.slow

WAIT_S = 30.0
RETRY_S = 20.0
"""How long a camera whose login was corrected may wait to be tried again."""


class Gated(InProcessDetector):
    """A detector port whose next frames of a camera wait for an event."""

    held_camera = ""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.reached, self.go_on = threading.Event(), threading.Event()

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        if any(frame.camera == self.held_camera for frame in batch.frames):
            self.reached.set()
            assert self.go_on.wait(WAIT_S)
        return super().submit(batch)


@dataclass
class Street:
    group: CameraGroup
    sink: Recorder
    port: Gated
    plan: Callable[[str], CameraPlan]
    thread: threading.Thread

    def camera(self, name: str) -> CameraSnapshot:
        return next(one for one in self.group.snapshot().cameras if one.id == name)

    def wait(self, holds: Callable[[], bool], what: str, limit_s: float = WAIT_S) -> None:
        deadline_s = time.monotonic() + limit_s
        while not holds():
            assert self.thread.is_alive(), "the group ended"
            assert time.monotonic() < deadline_s, f"not in time: {what}; {self.group.snapshot()}"
            time.sleep(0.02)

    def wait_analysed(self, name: str, more: int = 2) -> None:
        """Waits until a camera has `more` results than now."""
        before = self.camera(name).statistics.analysed
        wanted = before + more
        self.wait(lambda: self.camera(name).statistics.analysed >= wanted, f"frames of {name}")

    def incidents(self, camera: str) -> list[tuple[str, str, str | None]]:
        """Id, phase and reason of the end of a camera's incident events."""
        return [
            (event["data"]["incident_id"], event["data"]["phase"], event["data"]["end_reason"])
            for event in self.sink.events
            if event["partitionkey"] == camera and event["type"].startswith("cityeye.incident")
        ]


@pytest.fixture
def street(brightness: ModelPackage, tiny_clip: TinyClip, tmp_path: Path) -> Iterator[Street]:
    """Two cameras, gate and yard, on which an incident opens soon."""
    outbox = Outbox(tmp_path / "outbox.db")
    spool = Spool(tmp_path / "spool")
    sink = Recorder()
    relay = Relay(outbox, spool, FolderStore(tmp_path / "keyframes"), [sink])
    recorder = EvidenceRecorder(outbox, spool, "cityeye/test")
    port = Gated({str(brightness): served_model(brightness)})
    source = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"

    def plan(name: str) -> CameraPlan:
        return camera_plan(name, source, brightness)

    plans = [plan("gate"), plan("yard")]
    group = CameraGroup(plans, port, recorder, "test", tmp_path / "comparisons", Slots(2, 1))
    thread = threading.Thread(target=group.run)
    relay.start()
    thread.start()
    yield Street(group, sink, port, plan, thread)
    port.go_on.set()
    group.stop()
    thread.join(WAIT_S)
    relay.stop(5.0)
    outbox.close()
    port.close()


def test_a_camera_is_added_while_its_neighbours_go_on(street: Street) -> None:
    street.wait_analysed("gate")
    before = street.camera("gate")
    street.group.add(street.plan("park"))
    street.wait_analysed("park")
    street.wait_analysed("gate")
    after = street.camera("gate")
    assert after.reader.reconnects == before.reader.reconnects == 0
    assert after.statistics.failed == 0
    assert [one.id for one in street.group.snapshot().cameras] == ["gate", "yard", "park"]
    street.sink.wait_for(lambda: bool(street.incidents("park")), WAIT_S)


def test_a_removed_camera_ends_its_incidents_and_takes_nothing_along(street: Street) -> None:
    street.sink.wait_for(lambda: bool(street.incidents("gate")), WAIT_S)
    street.sink.wait_for(lambda: bool(street.incidents("yard")), WAIT_S)
    street.group.remove("yard")
    assert [one.id for one in street.group.snapshot().cameras] == ["gate"]
    street.sink.wait_for(lambda: len(street.incidents("yard")) == 2, WAIT_S)
    (incident, started, _), (same, ended, reason) = street.incidents("yard")
    assert (same, started, ended, reason) == (incident, "started", "ended", "removed")
    street.wait_analysed("gate")
    assert [phase for _, phase, _ in street.incidents("gate")] == ["started"], "it goes on"
    threads = {thread.name for thread in threading.enumerate()}
    assert "camera-yard" not in threads, "nobody reads it any more"
    street.group.reroute({"yard": street.plan("yard").routes})
    street.group.limit({"normal": 0.5})


def test_a_changed_camera_begins_anew_with_incidents_of_its_own(street: Street) -> None:
    street.sink.wait_for(lambda: bool(street.incidents("yard")), WAIT_S)
    plan = street.plan("yard")
    task = replace(plan.tasks[0], fps=2.0)
    spec = replace(plan.camera, rates={"crowding": 2.0})
    street.group.change(replace(plan, camera=spec, tasks=(task,)))
    street.sink.wait_for(lambda: len(street.incidents("yard")) == 3, WAIT_S)
    (first, *_), (_, _, reason), (second, phase, _) = street.incidents("yard")
    assert reason == "reconfigured"
    assert (phase, first != second) == ("started", True), "an id is never used twice"
    assert street.camera("yard").statistics.requested_fps == 2.0
    street.wait(lambda: "normal" in street.group.snapshot().loads, "a load")
    assert all(load.asked_fps >= 0 for load in street.group.snapshot().loads.values())


def test_frames_on_their_way_are_waited_for(street: Street) -> None:
    street.wait_analysed("yard")
    street.port.held_camera = "yard"
    assert street.port.reached.wait(WAIT_S)
    removal = threading.Thread(target=street.group.remove, args=("yard",))
    removal.start()
    street.wait_analysed("gate", more=3)
    assert removal.is_alive(), "one of its frames is being inferred"
    street.port.go_on.set()
    removal.join(WAIT_S)
    assert not removal.is_alive()
    street.wait_analysed("gate")


def test_a_new_camera_has_the_limits_that_are_in_force(street: Street) -> None:
    street.group.limit({"normal": 0.0})
    street.group.add(street.plan("park"))
    street.wait(lambda: street.camera("park").reader.decoded > 20, "a few frames")
    assert street.camera("park").reader.converted == 0


def test_cameras_come_and_go_until_the_group_stops(street: Street) -> None:
    stopping = threading.Timer(1.5, street.group.stop)
    stopping.start()
    changes = 0
    while street.thread.is_alive() and changes < 50:
        street.group.add(street.plan("park"))
        street.group.remove("park")
        changes += 1
    stopping.join()
    street.thread.join(WAIT_S)
    assert not street.thread.is_alive()
    street.group.add(street.plan("late"))
    assert "camera-late" not in {thread.name for thread in threading.enumerate()}


def test_a_corrected_login_is_tried_at_once(street: Street, tiny_clip: TinyClip) -> None:
    mount = Mount("live", tiny_clip.path, users={"viewer": "right"}, auth="digest")
    with RtspServerThread([mount]) as server:
        plan = street.plan("locked")
        spec = replace(
            plan.camera, source=server.url("live"), credentials=Credentials("viewer", "wrong")
        )
        street.group.add(replace(plan, camera=spec))
        street.wait(lambda: street.camera("locked").state.value == "unauthorized", "a refusal")
        corrected = replace(spec, credentials=Credentials("viewer", "right"))
        street.group.change(replace(plan, camera=corrected))
        street.wait(lambda: street.camera("locked").state.value == "online", "it", RETRY_S)
        street.group.remove("locked")
