"""The second consumer: shadows infer what was processed, nobody waits, and images are sent once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from camera_adapters.frame import Frame
from camera_adapters.geometry import Size
from camera_adapters.spec import CameraSpec
from models.detections import Detections
from pipelines.batcher import CameraRoutes
from pipelines.detector import (
    RESULT_TIMEOUT_S,
    DetectorError,
    DetectorPort,
    InFlightBatch,
    MicroBatch,
)
from pipelines.metrics import InferenceMetrics, InferenceTiming, MetricsRecorder
from pipelines.plan import CameraPlan, ModelRef, Route, Routes, TaskPlan
from pipelines.shadow.comparison import CameraShadow
from pipelines.shadow.comparison_state import ComparisonState, states_in
from pipelines.shadow.runner import MAX_WAITING, ShadowRunner, Submitted
from tests.pipelines.frames import SIZE, make_frame

LARGE = Size(96, 64)
STABLE = ModelRef("crowd", "1", SIZE, ("person",), 0.4)
SHADOW = ModelRef("crowd", "2", SIZE, ("person",), 0.4)
LARGE_SHADOW = ModelRef("crowd", "3", LARGE, ("person",), 0.4)
STRETCHED_SHADOW = ModelRef("crowd", "4", SIZE, ("person",), 0.4, fit="stretch")
SOMEBODY = np.array([[[20, 15, 30, 35, 0.9, 0]]], np.float32)


@dataclass
class Call:
    """Gives a result when it is allowed to."""

    model: ModelRef
    rows: tuple[int, ...]
    port: Port

    def result(self, timeout_s: float) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        if self.model.key in self.port.failing:
            raise DetectorError(self.model.key, "its replica died")
        if self.model.key in self.port.slow:
            raise TimeoutError
        return np.repeat(SOMEBODY, len(self.rows), 0), InferenceTiming(0.0, 0.01, 0.01, "cpu")

    def cancel(self) -> None:
        self.port.cancelled.append(self.model.key)


@dataclass
class Port:
    """A detector port that keeps what it was asked for."""

    slow: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    stored: int = 0
    calls: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    @property
    def metrics(self) -> Mapping[str, InferenceMetrics]:
        return {}

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        self.stored += 1

        def start(model: ModelRef, rows: tuple[int, ...]) -> Call:
            self.calls.append((model.key, rows))
            return Call(model, rows, self)

        return InFlightBatch(start, batch.rows, MetricsRecorder())

    def verify(self, model: ModelRef) -> str:
        return ""

    def provider(self, model: ModelRef) -> str:
        return "cpu"

    def retain(self, models: frozenset[str]) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class Group:
    """Cameras with shadows, and the part of a slot that hands frames on."""

    port: Port
    runner: ShadowRunner
    cameras: Mapping[str, CameraShadow]
    routes: Mapping[str, Routes]
    folder: Path

    def process(self, *cameras: str) -> None:
        frames = [self.frame(camera) for camera in cameras]
        batch = MicroBatch(
            np.stack([frame.views[STABLE.view].image for frame in frames]),
            tuple(frames),
            tuple(self.routes[camera] for camera in cameras),
            {STABLE: tuple(range(len(cameras)))},
        )
        submitted: Submitted = [(batch, self.port.submit(batch))]
        self.port.calls.clear()
        found = {camera: {STABLE: Detections.from_rows(SOMEBODY[0])} for camera in cameras}
        self.runner.observe(submitted, found)

    def frame(self, camera: str) -> Frame:
        return make_frame(camera, ("crowding",), sizes=(SIZE, LARGE), stretched=(SIZE,))

    def end(self, camera: str) -> None:
        self.cameras[camera].follow("crowding", Route(STABLE))

    def states(self, shadow: ModelRef = SHADOW) -> dict[str, ComparisonState]:
        """What is on disk: of the first frame, and all once a comparison has ended."""
        return {state.camera: state for state in states_in(self.folder, STABLE.key, shadow.key)}


def group(folder: Path, timeout_s: float = RESULT_TIMEOUT_S, **shadows: ModelRef | None) -> Group:
    port: DetectorPort = (own := Port())
    routes = {name: {"crowding": Route(STABLE, shadow)} for name, shadow in shadows.items()}
    cameras = {}
    for name in shadows:
        spec = CameraSpec(name, "file:///none.mp4", rates={"crowding": 5.0})
        plan = CameraPlan(spec, (TaskPlan("crowding", STABLE, 5.0, ()),))
        cameras[name] = CameraShadow(plan, CameraRoutes(routes[name]), "test", folder)
        cameras[name].follow("crowding", routes[name]["crowding"])
    return Group(own, ShadowRunner(port, cameras, timeout_s), cameras, routes, folder)


def test_a_shadow_of_the_same_size_runs_on_the_images_that_are_there_already(tmp_path):
    one = group(tmp_path, a=None, b=SHADOW)
    one.process("a", "b")
    assert one.port.stored == 1, "by the version in service"
    one.runner.run_next(0.0)
    assert one.port.stored == 1
    assert one.port.calls == [("crowd/2", (1,))]
    assert one.states()["b"].boxes.both == 1


def test_other_thresholds_of_a_shadow_cost_no_inference_of_their_own(tmp_path):
    one = group(tmp_path, a=replace(SHADOW, threshold=0.95), b=SHADOW)
    one.process("a", "b")
    one.runner.run_next(0.0)
    assert one.port.calls == [("crowd/2", (0, 1))]
    states = one.states()
    assert (states["a"].boxes.both, states["a"].boxes.low_confidence_second) == (0, 1)
    assert states["b"].boxes.both == 1


def test_a_shadow_of_another_size_gets_a_batch_of_its_own(tmp_path):
    one = group(tmp_path, a=LARGE_SHADOW, b=SHADOW)
    one.process("a", "b")
    one.runner.run_next(0.0)
    assert one.port.stored == 2
    assert sorted(one.port.calls) == [("crowd/2", (1,)), ("crowd/3", (0,))]
    assert one.states()["b"].boxes.frames == 1
    assert one.states(LARGE_SHADOW)["a"].boxes.frames == 1


def test_a_shadow_with_another_fit_gets_a_batch_of_its_own(tmp_path):
    one = group(tmp_path, a=STRETCHED_SHADOW)
    one.process("a")
    one.runner.run_next(0.0)
    assert one.port.stored == 2
    assert one.port.calls == [("crowd/4", (0,))]
    assert one.states(STRETCHED_SHADOW)["a"].boxes.frames == 1


def test_no_shadow_costs_nothing(tmp_path):
    one = group(tmp_path, a=None)
    one.process("a")
    assert one.port.calls == []
    assert one.runner.models("a") == frozenset()


def test_a_slow_shadow_misses_frames_and_keeps_nobody_waiting(tmp_path):
    one = group(tmp_path, a=SHADOW)
    for _ in range(MAX_WAITING + 3):
        one.process("a")
    assert one.port.calls == [], "only the runner's own thread asks a shadow"
    assert one.runner.models("a") == {STABLE.key, SHADOW.key}, "both are still needed"
    while one.runner.run_next(0.0):
        pass
    one.end("a")
    state = one.states()["a"]
    assert (state.boxes.frames, state.unseen) == (MAX_WAITING, 3)
    assert one.runner.models("a") == frozenset()


def test_the_thread_compares_what_is_left_for_it_and_ends(tmp_path):
    one = group(tmp_path, a=SHADOW)
    one.runner.start()
    one.process("a")
    deadline_s = time.monotonic() + 10.0
    while one.runner.models("a"):
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    one.runner.stop()
    one.end("a")
    assert one.states()["a"].boxes.frames == 1


def test_a_shadow_that_fails_says_why(tmp_path):
    one = group(tmp_path, a=SHADOW)
    one.port.failing.add(SHADOW.key)
    one.process("a")
    one.runner.run_next(0.0)
    one.end("a")
    state = one.states()["a"]
    assert (state.boxes.frames, state.unseen) == (0, 1)
    assert state.fault == "model crowd/2: its replica died"


def test_a_shadow_that_never_ends_is_given_up(tmp_path):
    one = group(tmp_path, timeout_s=0.0, a=SHADOW)
    one.port.slow.add(SHADOW.key)
    one.process("a")
    one.runner.run_next(0.0)
    assert one.port.cancelled == [SHADOW.key]
    one.end("a")
    assert one.states()["a"].fault == "model crowd/2: no result in time"
