"""The frame loop without Ray: evidence comes out, a failing detector costs frames but no camera."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from models.package import ModelPackage
from pipelines.camera_group import CameraGroup, GroupSnapshot, Slots
from pipelines.coverage import CoveredPeriod
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.delivery.spool import Spool
from pipelines.delivery.stores.folder import FolderStore
from pipelines.detector import (
    BatchResult,
    DetectorError,
    InferenceCall,
    InFlightBatch,
    MicroBatch,
)
from pipelines.evidence import EvidenceRecorder
from pipelines.metrics import MetricsRecorder
from pipelines.plan import ModelRef, Route, Routes
from serving.in_process import InProcessDetector
from serving.served_models import model_ref, served_model
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.outboxes import Recorder
from tests.serving.cities import camera_plan

WAIT_S = 30.0
SETTLE_S = 60.0
SOAK_S = 900.0


class Failing(InProcessDetector):
    """A detector port whose models can be made to fail at submission or while they work."""

    submission_fails = False
    result_fails = False

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        def start(model: ModelRef, rows: tuple[int, ...]) -> InferenceCall:
            raise DetectorError(model.key, "its replica died")

        if self.submission_fails:
            return InFlightBatch(start, batch.rows, MetricsRecorder())
        pending = super().submit(batch)
        return FailedBatch(pending, batch) if self.result_fails else pending


class FailedBatch(InFlightBatch):
    """Fails when its result is asked for, whatever the models say."""

    def __init__(self, inner: InFlightBatch, batch: MicroBatch) -> None:
        super().__init__(lambda *_: _raise(), {}, MetricsRecorder())
        self.inner, self.batch = inner, batch

    def result(self, timeout_s: float) -> BatchResult:
        self.inner.result(timeout_s)
        error = DetectorError("brightness/1", "its replica died")
        return BatchResult({}, dict.fromkeys(self.batch.rows, error))


def _raise() -> InferenceCall:
    raise AssertionError


@dataclass
class Running:
    group: CameraGroup
    port: Failing
    thread: threading.Thread
    sink: Recorder
    outbox: Outbox

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
    recorder = EvidenceRecorder(outbox, spool, "test")
    port = Failing({str(brightness): served_model(brightness)})
    source = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    plans = [camera_plan(name, source, brightness) for name in ("gate", "yard")]
    group = CameraGroup(plans, port, recorder, "test", tmp_path / "comparisons")
    thread = threading.Thread(target=group.run)
    relay.start()
    thread.start()
    yield Running(group, port, thread, sink, outbox)
    group.stop()
    thread.join(WAIT_S)
    relay.stop(5.0)
    outbox.close()
    port.close()


def phases(sink: Recorder, camera: str) -> list[str]:
    return [
        event["data"]["phase"]
        for event in sink.events
        if event["partitionkey"] == camera and event["type"].startswith("cityeye.incident")
    ]


def test_heartbeats_say_what_each_camera_is_and_never_that_an_ended_loop_watches(
    running: Running,
) -> None:
    assert {beat.camera.id for beat in running.group.beats()} == {"gate", "yard"}
    running.wait(lambda _: {one.state for one in running.group.beats()} == {"online"}, "online")
    running.group.stop()
    running.thread.join(WAIT_S)
    ended = {(one.state, one.reason) for one in running.group.beats()}
    assert ended == {("offline", "the frame loop of its worker ended")}


def test_a_stopped_group_says_so_and_nothing_of_its_cameras_follows(running: Running) -> None:
    running.wait(lambda _: {one.state for one in running.group.beats()} == {"online"}, "online")
    running.group.report_stopped("maintenance")
    # The readers still run: what they see now is nobody's business any more.
    running.group.stop()
    running.thread.join(WAIT_S)
    running.sink.wait_for(lambda: len(states_of(running.sink, "gate")) == 2, WAIT_S)
    assert states_of(running.sink, "gate") == ["online", "stopped"]


def states_of(sink: Recorder, camera: str) -> list[str]:
    return [
        event["data"]["state"]
        for event in sink.events
        if event["partitionkey"] == camera and event["type"] == "cityeye.camera.state"
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
        lambda s: all(c.statistics.analysed >= 10 for c in s.cameras), "ten frames each"
    )
    for camera in snapshot.cameras:
        assert camera.state.value == "online"
        assert camera.statistics.frame_age_ms["p50"] > 0
        assert camera.reader.decoded > camera.statistics.analysed, "5 of 12.5 frames are wanted"


@pytest.mark.parametrize("fault", ["submission_fails", "result_fails"])
def test_a_failing_detector_is_reported_and_work_goes_on(running: Running, fault: str) -> None:
    running.wait(lambda s: s.cameras[0].statistics.analysed > 0, "a first result")
    setattr(running.port, fault, True)
    failed = running.wait(lambda s: s.cameras[0].statistics.failed > 0, "a failure")
    assert "brightness" in failed.detector_fault
    assert failed.cameras[0].state.value == "online", "the camera is not to blame"
    before = running.analysed()
    setattr(running.port, fault, False)
    running.wait(
        lambda s: all(c.statistics.analysed > b for c, b in zip(s.cameras, before, strict=True)),
        "results after the failure",
    )
    assert running.group.snapshot().detector_fault == ""


def other(model: ModelRef, version: str) -> ModelRef:
    return replace(model, version=version)


def routes(model: ModelRef, shadow: ModelRef | None = None) -> dict[str, Routes]:
    return {name: {"crowding": Route(model, shadow)} for name in ("gate", "yard")}


def test_a_shadow_that_is_not_there_costs_the_cameras_nothing(
    running: Running, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    running.wait(lambda s: s.cameras[0].statistics.analysed > 0, "a first result")
    running.group.reroute(routes(model, other(model, "2")))
    shadowed = running.wait(
        lambda s: all(c.routes["crowding"].shadow for c in s.cameras), "the shadow on both"
    )
    before = [camera.statistics.analysed for camera in shadowed.cameras]
    after = running.wait(
        lambda s: all(
            c.statistics.analysed > b + 5 for c, b in zip(s.cameras, before, strict=True)
        ),
        "results all the same",
    )
    assert [camera.statistics.failed for camera in after.cameras] == [0, 0]
    assert after.detector_fault == ""


def test_a_version_that_is_not_there_costs_only_its_own_cameras(
    running: Running, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    running.wait(lambda s: s.cameras[0].statistics.analysed > 0, "a first result")
    running.group.reroute({"gate": {"crowding": Route(other(model, "2"))}})
    broken = running.wait(lambda s: s.cameras[0].statistics.failed > 2, "failures on the gate")
    assert "brightness/2" in broken.detector_fault
    assert broken.cameras[1].statistics.failed == 0
    before = broken.cameras[1].statistics.analysed
    running.wait(lambda s: s.cameras[1].statistics.analysed > before + 5, "results on the yard")
    running.group.reroute(routes(model))
    back = running.wait(
        lambda s: s.cameras[0].statistics.analysed > broken.cameras[0].statistics.analysed,
        "results on the gate again",
    )
    assert back.cameras[0].serving >= {"brightness/1"}


def test_versions_of_a_camera_that_sends_nothing_are_let_go(
    brightness: ModelPackage, tmp_path: Path
) -> None:
    model = model_ref(brightness)
    outbox = Outbox(tmp_path / "outbox.db")
    recorder = EvidenceRecorder(outbox, Spool(tmp_path / "spool"), "test")
    detector = InProcessDetector({model.key: served_model(brightness)})
    plans = [camera_plan("gate", "rtsp://127.0.0.1:9/none", brightness)]
    group = CameraGroup(plans, detector, recorder, "test", tmp_path / "comparisons")
    thread = threading.Thread(target=group.run)
    thread.start()
    try:
        group.reroute({"gate": {"crowding": Route(other(model, "2"))}})
        deadline_s = time.monotonic() + WAIT_S
        while group.snapshot().cameras[0].serving != {"brightness/2"}:
            assert time.monotonic() < deadline_s, group.snapshot()
            time.sleep(0.05)
    finally:
        group.stop()
        thread.join(WAIT_S)
        outbox.close()
        detector.close()


class Slow(InProcessDetector):
    """A detector port on a machine that infers ten frames per second with one slot."""

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        time.sleep(0.1)
        return super().submit(batch)


@pytest.fixture
def overloaded(brightness: ModelPackage, tiny_clip: TinyClip, tmp_path: Path) -> Iterator[Running]:
    """Four cameras that ask for twice of what can be inferred; the first one asks with priority."""
    outbox = Outbox(tmp_path / "outbox.db")
    recorder = EvidenceRecorder(outbox, Spool(tmp_path / "spool"), "test")
    port = Slow({str(brightness): served_model(brightness)})
    source = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    plans = [camera_plan(name, source, brightness) for name in ("first", "b", "c", "d")]
    plans[0] = replace(plans[0], tasks=(replace(plans[0].tasks[0], priority="high"),))
    group = CameraGroup(plans, port, recorder, "test", tmp_path / "comparisons", Slots(1, 1))
    thread = threading.Thread(target=group.run)
    thread.start()
    yield Running(group, port, thread, Recorder(), outbox)  # type: ignore[arg-type]
    group.stop()
    thread.join(WAIT_S)
    outbox.close()
    port.close()


@pytest.mark.slow
def test_overload_shrinks_rates_evenly_within_a_priority(overloaded: Running) -> None:
    overloaded.wait(lambda s: all(c.statistics.analysed > 3 for c in s.cameras), "all cameras")
    before, started_s = overloaded.analysed(), time.monotonic()
    time.sleep(8.0)
    snapshot, seconds = overloaded.group.snapshot(), time.monotonic() - started_s
    rates = [
        (camera.statistics.analysed - then) / seconds
        for camera, then in zip(snapshot.cameras, before, strict=True)
    ]
    first, *others = rates
    assert first > 1.5 * max(others), "its priority is higher"
    assert max(others) - min(others) <= 2.5 / seconds, "one frame more or less"
    assert snapshot.loads["high"].share > 0.85
    assert snapshot.loads["normal"].share == pytest.approx(sum(others) / 15.0, abs=0.12)
    assert snapshot.beat_s < 2.0
    for camera in snapshot.cameras:
        assert camera.reader.converted - camera.statistics.analysed <= 1, "nothing is in vain"
        period_s = max(1.0 / rate for rate in rates)
        assert camera.statistics.frame_age_ms["p95"] < 2000 * period_s


@pytest.mark.proof
def test_a_quarter_of_an_hour_keeps_the_rate_and_leaks_nothing(running: Running) -> None:
    process = psutil.Process()
    time.sleep(SETTLE_S)
    frames, started_s = running.analysed(), time.monotonic()
    memory, files, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
    time.sleep(SOAK_S)
    seconds = time.monotonic() - started_s
    rates = [(now - then) / seconds for now, then in zip(running.analysed(), frames, strict=True)]
    assert rates == pytest.approx([5.0, 5.0], rel=0.1)
    assert process.memory_info().rss - memory < 64 * 2**20
    assert process.num_fds() <= files + 8
    assert process.num_threads() <= threads + 4


@pytest.mark.slow
def test_what_a_camera_could_see_is_published_when_it_is_stopped_with_what_kept_it_from_more(
    running: Running,
) -> None:
    running.wait(lambda s: all(c.statistics.analysed > 10 for c in s.cameras), "watched")
    running.port.result_fails = True
    deadline_s = time.monotonic() + WAIT_S
    while not any("model_failed" in one.coverage.gaps for one in saved(running)):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    running.group.stop()
    running.thread.join(WAIT_S)
    running.group.report_stopped("maintenance")
    running.sink.wait_for(lambda: "stopped" in gaps_of(running.sink, "gate"), WAIT_S)
    gaps = gaps_of(running.sink, "gate")
    assert gaps[""] > 1.0
    assert gaps["model_failed"] > 2.0
    assert gaps.keys() <= {"", "connecting", "model_failed", "stopped"}


def saved(running: Running) -> list[CoveredPeriod]:
    """What is in the outbox of periods that are not over."""
    running.group.save_coverage()
    return running.outbox.coverage.unpublished(datetime.now(UTC))


def gaps_of(sink: Recorder, camera: str) -> Counter[str]:
    """Seconds by reason that were published of a camera; those that it could see under none."""
    gaps = Counter[str]()
    for event in sink.events:
        if event["type"] == "cityeye.measurement" and event["partitionkey"] == camera:
            coverage = event["data"]["coverage"]
            gaps.update(coverage["gaps"])
            gaps[""] += coverage["able_s"]
    return gaps
