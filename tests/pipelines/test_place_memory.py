"""What a place has learned is there after a restart, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camera_adapters.spec import CameraSpec
from models.detections import Detections
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import CameraPipeline
from pipelines.incident import Phase
from pipelines.place_memory import MAX_BYTES, PlaceMemory
from pipelines.plan import CameraPlan, ModelRef, TaskPlan
from pipelines.rules.rule import LearningWatch, Rule
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from pipelines.shadow.comparison import CameraShadow
from tests.pipelines.frames import SIZE, make_frame
from tests.pipelines.synthetic import WHOLE, moment

MODEL = ModelRef("traffic", "1", SIZE, ("car",), 0.5)


class Learner:
    """Learns one number, and how old it is."""

    def __init__(self) -> None:
        self.known: object = None
        self.age_s = -1.0

    def observe(self, tracks, at, signals):
        raise AssertionError

    def close(self, reason, at):
        raise AssertionError

    def explain(self, at):
        return ()

    def remember(self, at):
        return {"known": self.known}

    def recall(self, memory, age_s, at) -> None:
        self.known, self.age_s = int(memory["known"]), age_s


def rule(**places: Learner) -> Rule:
    return Rule("traffic.learned", "1", frozenset(), places)


def test_each_place_gets_back_what_it_has_learned_itself(tmp_path):
    first, second = Learner(), Learner()
    assert isinstance(first, LearningWatch)
    first.known, second.known = 7, 8
    PlaceMemory(tmp_path / "places", "gate").save(rule(a=first, b=second).remember(moment(0)))
    memories, age_s = PlaceMemory(tmp_path / "places", "gate").load()
    again, moved = Learner(), Learner()
    rule(a=again, c=moved).recall(memories, age_s, moment(1))
    assert again.known == 7
    assert 0 <= again.age_s < 60
    assert moved.known is None, "another place is learned anew"
    assert PlaceMemory(tmp_path / "places", "other").load() == ({}, 0.0)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"camera": 3}', b" " * (MAX_BYTES + 1)])
def test_a_damaged_file_is_learned_anew_and_replaced(tmp_path, content, caplog):
    (tmp_path / "gate.json").write_bytes(content)
    memory = PlaceMemory(tmp_path, "gate")
    assert memory.load() == ({}, 0.0)
    assert "place_memory" in caplog.text
    memory.save({"traffic.learned/1 a": {"known": 3}})
    assert memory.load()[0] == {"traffic.learned/1 a": {"known": 3}}


def test_a_memory_that_means_nothing_is_left_out_and_the_rule_goes_on(tmp_path, caplog):
    known = Learner()
    rule(a=known).recall({"traffic.learned/1 a": {"known": "much"}}, 1.0, moment(0))
    assert known.known is None
    assert "rules.memory_unusable" in caplog.text


def test_a_disk_that_takes_nothing_costs_nothing_else(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    PlaceMemory(blocked, "gate").save({"traffic.learned/1 a": {"known": 3}})
    assert "place_memory.not_saved" in caplog.text


def test_where_nothing_is_learned_there_is_no_file(tmp_path):
    PlaceMemory(tmp_path, "gate").save(
        Rule("traffic.plain", "1", frozenset(), {}).remember(moment(0))
    )
    assert list(tmp_path.iterdir()) == []


def pipeline_of(tmp_path, recorder, memory=None):
    """A camera whose rule tells a car that stands for five seconds, and a frame of it."""
    rules = (RulePlan("traffic.stopped_vehicle", (Zone("pavement", WHOLE),), {"confirm_s": 5}),)
    plan = CameraPlan(
        CameraSpec("gate", "rtsp://gate/live"), (TaskPlan("traffic", MODEL, 5.0, rules),)
    )
    routes = CameraRoutes(plan.routes)
    shadow = CameraShadow(plan, routes, "e1", tmp_path)
    pipeline = CameraPipeline(plan, routes, recorder, shadow, "e1", memory=memory)
    car = Detections.from_rows(np.array([[10, 10, 30, 20, 0.9, 0]], np.float32))

    def step(index: int) -> None:
        frame = make_frame(index=index, at_s=100 + index / 5)
        pipeline.process_frame(frame, routes.newest, {MODEL: car}, frame.captured_mono_s)

    return pipeline, step


def test_what_was_reported_is_saved_at_once(tmp_path):
    memory = PlaceMemory(tmp_path / "places", "gate")
    pipeline, step = pipeline_of(tmp_path, Recorder(), memory)
    due = []
    for index in range(40):
        step(index)
        due.append(pipeline.is_memory_due)
    assert not any(due[:20])
    assert due[-1]
    pipeline.remember()
    assert not pipeline.is_memory_due
    assert len(memory.load()[0]) == 1


@pytest.mark.parametrize(("phase", "counted"), [(Phase.STARTED, 1), (Phase.UPDATED, 0)])
def test_an_incident_that_goes_on_after_a_crash_is_not_counted_again(tmp_path, phase, counted):
    pipeline, step = pipeline_of(tmp_path, Recorder(phase))
    for index in range(40):
        step(index)
    assert (
        pipeline.statistics.snapshot(108.0).incidents.get("traffic.stopped_vehicle", 0) == counted
    )


class Recorder:
    """Takes what a pipeline hands over, and publishes an opening as the phase that is given."""

    def __init__(self, opening: Phase = Phase.STARTED) -> None:
        self.opening = opening

    def publish(self, transition, camera, model, rule, frame, peak):
        assert transition.incident.kind == "traffic.stopped_vehicle"
        is_opening = transition.phase is Phase.STARTED
        return replace(transition, phase=self.opening) if is_opening else transition
