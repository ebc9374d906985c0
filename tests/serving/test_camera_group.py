"""The frame loop without Ray: evidence comes out, a failing detector costs frames but no camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.detector import Detector
from models.package import ModelPackage
from pipelines.camera_group import CameraGroup, GroupSnapshot
from pipelines.detector import DetectorError, MicroBatch, PendingDetections, Verdict
from pipelines.evidence import EvidenceDesk
from pipelines.outbox import Outbox
from pipelines.relay import Relay
from pipelines.spool import Spool
from pipelines.stores.folder import FolderStore
from serving.in_process import InProcessDetector
from serving.model_ref import model_ref
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery import Recorder
from tests.serving.cities import camera_plan

WAIT_S = 30.0


class Failing:
    """A detector port that can be told to fail at submission or while it works."""

    def __init__(self, inner: InProcessDetector) -> None:
        self.inner = inner
        self.submission_fails = False
        self.result_fails = False

    def submit(self, batch: MicroBatch) -> PendingDetections:
        return _Pending(self, batch, self.inner.submit(batch), self.submission_fails)

    def retain(self, models: frozenset[str]) -> None:
        self.inner.retain(models)


@dataclass
class _Pending:
    port: Failing
    batch: MicroBatch
    inner: PendingDetections
    submission_failed: bool

    def result(self, timeout_s: float) -> Verdict:
        verdict = self.inner.result(timeout_s)
        if self.submission_failed or self.port.result_fails:
            error = DetectorError("brightness/1", "its replica died")
            return Verdict({}, dict.fromkeys(self.batch.rows, error))
        return verdict

    def shadow_result(self) -> Verdict | None:
        return self.inner.shadow_result()

    def abandon_shadows(self) -> None:
        self.inner.abandon_shadows()


@dataclass
class Running:
    group: CameraGroup
    port: Failing
    thread: threading.Thread
    sink: Recorder

    def wait(self, holds: Callable[[GroupSnapshot], bool], what: str) -> GroupSnapshot:
        deadline_s = time.monotonic() + WAIT_S
        while not holds(snapshot := self.group.snapshot()):
            assert time.monotonic() < deadline_s, f"not in time: {what}; {snapshot}"
            time.sleep(0.02)
        return snapshot

    def analysed(self) -> list[int]:
        return [camera.statistics.analysed for camera in self.group.snapshot().cameras]


@pytest.fixture
def running(brightness: ModelPackage, tiny_clip: TinyClip, tmp_path: Path) -> Iterator[Running]:
    outbox = Outbox(tmp_path / "outbox.db")
    spool = Spool(tmp_path / "spool")
    sink = Recorder()
    relay = Relay(outbox, spool, FolderStore(tmp_path / "keyframes"), [sink])
    desk = EvidenceDesk(outbox, spool, "cityeye/test")
    detector = InProcessDetector({model_ref(brightness): Detector(brightness)})
    port = Failing(detector)
    source = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    plans = [camera_plan(name, source, brightness) for name in ("gate", "yard")]
    group = CameraGroup(plans, port, desk, "test", tmp_path / "comparisons")
    thread = threading.Thread(target=group.run)
    relay.start()
    thread.start()
    yield Running(group, port, thread, sink)
    group.stop()
    thread.join(WAIT_S)
    relay.stop(5.0)
    outbox.close()
    detector.close()


def phases(sink: Recorder, camera: str) -> list[str]:
    return [
        event["data"]["phase"]
        for event in sink.events
        if event["partitionkey"] == camera and event["type"].startswith("cityeye.incident")
    ]


def test_a_stop_ends_what_is_open_and_says_why(running: Running) -> None:
    running.sink.wait_for(lambda: phases(running.sink, "gate") == ["started"], WAIT_S)
    running.group.stop()
    running.thread.join(WAIT_S)
    running.sink.wait_for(lambda: phases(running.sink, "gate") == ["started", "ended"], WAIT_S)
    last = [e for e in running.sink.events if e["partitionkey"] == "gate"][-1]
    assert last["data"]["end_reason"] == "shutdown"


def test_both_cameras_get_their_rate(running: Running) -> None:
    snapshot = running.wait(
        lambda s: all(c.statistics.analysed >= 10 for c in s.cameras), "ten looks each"
    )
    for camera in snapshot.cameras:
        assert camera.state.value == "online"
        assert camera.statistics.frame_age_ms["p50"] > 0
        assert camera.reader.decoded > camera.statistics.analysed, "5 of 12.5 frames are wanted"


@pytest.mark.parametrize("fault", ["submission_fails", "result_fails"])
def test_a_failing_detector_is_told_and_work_goes_on_after_it(running: Running, fault: str) -> None:
    running.wait(lambda s: s.cameras[0].statistics.analysed > 0, "a first look")
    setattr(running.port, fault, True)
    failed = running.wait(lambda s: s.cameras[0].statistics.failed > 0, "a failure")
    assert "brightness" in failed.detector_fault
    assert failed.cameras[0].state.value == "online", "the camera is not to blame"
    before = running.analysed()
    setattr(running.port, fault, False)
    running.wait(
        lambda s: all(c.statistics.analysed > b for c, b in zip(s.cameras, before, strict=True)),
        "looks after the failure",
    )
    assert running.group.snapshot().detector_fault == ""
