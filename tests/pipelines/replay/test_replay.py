"""A replay is what a camera worker does with the same recording, frame by frame."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from camera_adapters import CameraSpec, Playback
from models.package import ModelPackage
from pipelines.camera_group import CameraGroup
from pipelines.detector import DetectorError
from pipelines.incident import Phase, Transition
from pipelines.metrics import StatisticsSnapshot
from pipelines.plan import CameraPlan, TaskPlan
from pipelines.replay.replay import INCARNATION, Replay, ReplayStep
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from serving.in_process import InProcessDetector
from serving.served_models import model_ref, served_model
from tests.pipelines.synthetic import WHOLE
from tests.serving.packages import brightness_package

FPS = 10
WAIT_S = 30.0
PARAMETERS = {"min_persons": 1, "confirm_s": 0.6, "expire_s": 0.6, "cooldown_s": 0}


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return brightness_package(tmp_path)


def fading(path: Path) -> Path:
    """A grey recording that is bright for 2 s, black for 2 s, and bright again for 2 s."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=FPS, options={"crf": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(6 * FPS):
            level = 0 if 2 * FPS <= number < 4 * FPS else 100 + number
            image = np.full((96, 128, 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def plan_of(package: ModelPackage, recording: Path) -> CameraPlan:
    crowd = RulePlan("crowding.density", (Zone("square", WHOLE),), PARAMETERS)
    camera = CameraSpec("gate", recording.as_uri(), rates={"crowding": 5.0})
    return CameraPlan(camera, (TaskPlan("crowding", model_ref(package), 5.0, (crowd,)),))


def replayed(plan: CameraPlan, package: ModelPackage, recording: Path) -> list[ReplayStep]:
    detector = InProcessDetector({str(package): served_model(package)})
    with closing(Playback(plan.camera, recording)) as playback:
        return [*Replay(plan, playback, detector).steps()]


@dataclass
class Kept:
    """An evidence recorder of a worker that keeps the transitions in memory."""

    transitions: list[Transition] = field(default_factory=list)

    def publish(self, transition, camera, model, rule, frame, peak=None):
        self.transitions.append(transition)
        return transition

    def publish_measurement(self, measurement, task, coverage, camera, model, rule) -> None: ...

    def publish_state(self, change, camera) -> None: ...

    def ended_before(self, camera):
        return ()


def worked(
    plan: CameraPlan, package: ModelPackage, folder: Path
) -> tuple[list[Transition], StatisticsSnapshot]:
    """What a camera group makes of the camera of a plan, which plays the recording fast."""
    kept: Any = Kept()
    detector = InProcessDetector({str(package): served_model(package)})
    group = CameraGroup([plan], detector, kept, INCARNATION, folder)
    thread = threading.Thread(target=group.run)
    thread.start()
    deadline_s = time.monotonic() + WAIT_S
    while not group.snapshot().cameras[0].ended:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    group.stop()
    thread.join(WAIT_S)
    return kept.transitions, group.snapshot().cameras[0].statistics


def facts(transitions: list[Transition]) -> list[tuple[Any, ...]]:
    """All that two runs have in common whose clocks differ."""
    began_at = transitions[0].incident.opened_at
    return [
        (
            one.phase,
            one.incident.id,
            one.incident.severity,
            one.incident.subjects,
            one.incident.detail,
            round((one.incident.opened_at - began_at).total_seconds(), 3),
            round((one.incident.updated_at - began_at).total_seconds(), 3),
        )
        for one in transitions
    ]


@pytest.mark.parametrize("motion_gate_s", [None, 2.0])
def test_a_replay_gives_the_incidents_of_a_camera_worker(package, tmp_path, motion_gate_s):
    recording = fading(tmp_path / "fading.mp4")
    plan = replace(plan_of(package, recording), motion_gate_s=motion_gate_s)
    steps = replayed(plan, package, recording)
    found = [one for step in steps for one in step.transitions]
    assert [one.phase for one in found] == [
        Phase.STARTED,
        Phase.ENDED,
        Phase.STARTED,
        Phase.ENDED,
    ]
    by_worker, counted = worked(plan, package, tmp_path / "comparisons")
    assert counted.analysed == len(steps) - 1
    assert (counted.held > 0) == (motion_gate_s is not None)
    # A worker is stopped some time after the end of a recording.
    assert facts(found)[:-1] == facts(by_worker)[:-1]
    assert by_worker[-1].incident.id == found[-1].incident.id
    assert [one.incident.end_reason for one in found[1::2]] == ["cleared", "stream_lost"]


def test_what_does_not_move_is_not_inferred_and_its_incidents_are_the_same(package, tmp_path):
    recording = fading(tmp_path / "fading.mp4")
    plan = plan_of(package, recording)
    gated = replace(plan, motion_gate_s=1.0)
    detector = InProcessDetector({str(package): served_model(package)})
    with closing(Playback(plan.camera, recording)) as playback:
        replay = Replay(gated, playback, detector)
        steps = [*replay.steps()]
    (counts,) = detector.metrics.values()
    assert replay.analysed == 30
    assert counts.images == replay.analysed - replay.held <= 10
    found = [one for step in steps for one in step.transitions]
    every = [one for step in replayed(plan, package, recording) for one in step.transitions]
    assert [one[0] for one in facts(found)] == [one[0] for one in facts(every)]
    assert [one[-2:] for one in facts(found)] == [one[-2:] for one in facts(every)]


def test_each_step_has_what_was_seen_in_its_frame(package, tmp_path):
    recording = fading(tmp_path / "fading.mp4")
    *steps, end = replayed(plan_of(package, recording), package, recording)
    assert [step.at_s for step in steps] == pytest.approx([0.2 * n for n in range(30)], abs=1e-3)
    seen = [step.at_s for step in steps if step.tracks[model_ref(package)]]
    assert all(at_s < 2.1 or at_s > 4.1 for at_s in seen)
    assert len(seen) > 16
    assert {step.tasks[model_ref(package)] for step in steps} == {("crowding",)}
    assert end.frame is None
    assert end.at_s == steps[-1].at_s


def test_a_shadow_is_left_out(package, tmp_path):
    recording = fading(tmp_path / "fading.mp4")
    plan = plan_of(package, recording)
    shadow = replace(plan.tasks[0], shadow=replace(plan.tasks[0].model, name="other"))
    shadowed = replace(plan, tasks=(shadow,))
    assert len(replayed(shadowed, package, recording)) == 31


def test_a_model_that_fails_ends_it(package, tmp_path):
    recording = fading(tmp_path / "fading.mp4")
    plan = plan_of(package, recording)
    with closing(Playback(plan.camera, recording)) as playback:
        steps = Replay(plan, playback, InProcessDetector({})).steps()
        with pytest.raises(DetectorError, match="brightness/1"):
            next(steps)
