"""Thresholds by class and by task: each class and each task has its own, and nobody else's."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from camera_adapters.spec import CameraSpec
from models.detections import Detections
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import CameraPipeline
from pipelines.detector import InFlightBatch, MicroBatch
from pipelines.incident import Phase
from pipelines.metrics import InferenceTiming, MetricsRecorder
from pipelines.plan import CameraPlan, ModelRef, Route, Routes, TaskPlan
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from pipelines.shadow.comparison import CameraShadow
from pipelines.thresholds import NamedThresholds
from pipelines.tracker import CameraTracker
from tests.pipelines.frames import SIZE, make_frame
from tests.pipelines.synthetic import LABELS, LETTERBOX
from tests.pipelines.test_tracker import CAR, PERSON, TRUCK, detections

MODEL = ModelRef("street", "1", SIZE, ("person", "Light truck"), 0.4)
WALKER, LORRY = (100, 100, 130, 180), (300, 100, 400, 180)


def test_what_names_a_threshold_replaces_that_one_and_no_other():
    package = MODEL.overridden(NamedThresholds(classes={"person": 0.3}))
    table = package.overridden(NamedThresholds(0.5))
    task = table.overridden(NamedThresholds(classes={"light_truck": 0.7, "tram": 0.1}))
    assert package.thresholds == pytest.approx([0.3, 0.4])
    assert table.thresholds == pytest.approx([0.3, 0.5]), "a class has its own"
    assert task.thresholds == pytest.approx([0.3, 0.7])
    assert task.min_scores == pytest.approx([0.15, 0.35])
    assert task.named_thresholds == NamedThresholds(0.5, {"person": 0.3, "Light truck": 0.7})
    same = MODEL.overridden(NamedThresholds(0.5, {"LIGHT TRUCK": 0.7, "person": 0.3}))
    assert task == same == pickle.loads(pickle.dumps(same))
    assert task != table
    assert task.key == table.key


def by_class(**scores: float) -> npt.NDArray[np.float32]:
    return np.array([scores.get(label, 0.4) for label in LABELS], np.float32)


def labels_seen(thresholds, *rows, frames=4):
    camera = CameraTracker(LABELS, itertools.count(1), 5, threshold=thresholds)
    seen = [camera.update(detections(*rows), LETTERBOX, 0.2 * index) for index in range(frames)]
    return sorted(track.label for track in seen[-1])


def test_a_class_with_a_threshold_of_its_own_begins_tracks_from_it_on():
    rows = ((*WALKER, 0.35, PERSON), (*LORRY, 0.6, TRUCK))
    assert labels_seen(by_class(), *rows) == ["truck"]
    assert labels_seen(by_class(person=0.3), *rows) == ["person", "truck"]
    assert labels_seen(by_class(person=0.3, truck=0.7), *rows) == ["person"]


def test_a_class_that_needs_more_hides_nothing_of_a_class_that_needs_less():
    # One vehicle under two names: the better score is not enough for a truck.
    rows = ((*LORRY, 0.6, TRUCK), (*LORRY, 0.5, CAR))
    assert labels_seen(by_class(), *rows) == ["truck"]
    assert labels_seen(by_class(truck=0.7), *rows) == ["car"]


@pytest.mark.parametrize("score", [0.25, 0.65])
def test_an_unsure_detection_of_a_class_continues_its_track(score):
    limits = by_class(truck=0.7) if score > 0.5 else by_class()
    camera = CameraTracker(LABELS, itertools.count(1), 5, threshold=limits)
    sure, weak = [(*LORRY, 0.9, TRUCK)], [(*LORRY, score, TRUCK)]
    seen = [
        camera.update(detections(*rows), LETTERBOX, 0.2 * index)
        for index, rows in enumerate((sure, sure, weak, weak))
    ]
    assert [len(tracks) for tracks in seen] == [0, 1, 1, 1]


@dataclass
class Call:
    rows: npt.NDArray[np.float32]

    def result(self, timeout_s: float) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        return self.rows, InferenceTiming(0.0, 0.01, 0.01, "cpu")

    def cancel(self) -> None: ...


def test_thresholds_of_one_version_share_one_inference_and_each_gets_its_own_detections():
    strict = MODEL.overridden(NamedThresholds(0.8))
    calls = []

    def start(model: ModelRef, rows: tuple[int, ...]) -> Call:
        calls.append((model.key, rows))
        found = [[[0, 0, 9, 9, 0.3 + 0.1 * row, 0]] for row in rows]
        return Call(np.array(found, np.float32))

    images = np.zeros((3, SIZE.height, SIZE.width, 3), np.uint8)
    frames = tuple(make_frame(name) for name in ("a", "b", "c"))
    batch = MicroBatch(images, frames, ({}, {}, {}), {MODEL: (0, 2), strict: (1, 2)})
    result = InFlightBatch(start, batch.rows, MetricsRecorder()).result(1.0)
    assert calls == [("street/1", (0, 1, 2))]
    counts = {(row, model): len(found) for row, model, found in batch.unpacked(result)}
    assert counts == {(0, MODEL): 1, (2, MODEL): 1, (1, strict): 0, (2, strict): 1}


class Kept:
    """Takes the place of the evidence recorder; keeps with which threshold incidents opened."""

    def __init__(self) -> None:
        self.opened: list[float | None] = []

    def publish(self, transition, camera, model, source, frame, peak=None):
        if transition.phase is Phase.STARTED:
            self.opened.append(model.named_thresholds.default)
        return transition


WHOLE = Zone("square", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
CROWD = RulePlan("crowding.density", (WHOLE,), {"min_persons": 1, "confirm_s": 1.0})
PERSON_05 = Detections.from_rows(np.array([[20, 15, 30, 35, 0.5, 0]], np.float32))


def test_two_tasks_of_a_camera_see_with_their_own_thresholds_also_after_a_change(tmp_path):
    strict = MODEL.overridden(NamedThresholds(0.8))
    tasks = (
        TaskPlan("crowding", MODEL, 5.0, (CROWD,)),
        TaskPlan("traffic", strict, 5.0, (CROWD,)),
    )
    plan = CameraPlan(CameraSpec("gate", "rtsp://gate/live"), tasks)
    routes, kept = CameraRoutes(plan.routes), Kept()
    shadow = CameraShadow(plan, routes, "e1", tmp_path)
    pipeline = CameraPipeline(plan, routes, kept, shadow, "e1")  # type: ignore[arg-type]

    def observe(wanted: Routes, since_s: float) -> None:
        for index in range(12):
            at_s = since_s + 0.2 * index
            frame = make_frame(tasks=("crowding", "traffic"), at_s=at_s)
            found = {route.model: PERSON_05 for route in wanted.values()}
            pipeline.process_frame(frame, wanted, found, at_s)

    observe(plan.routes, 1000.0)
    assert kept.opened == [0.4]
    lowered = replace(strict, threshold=0.3)
    observe({**plan.routes, "traffic": Route(lowered)}, 1002.4)
    assert kept.opened == [0.4, 0.3]
