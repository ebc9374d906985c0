"""A shadow at work: its would-be incidents are noted and drawn, and survive a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from camera_adapters.spec import CameraSpec
from models.detections import Box, Detections
from pipelines.batcher import CameraRoutes
from pipelines.incident import EndReason
from pipelines.plan import CameraPlan, ModelRef, Route, TaskPlan
from pipelines.rules.rule import Moment
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from pipelines.shadow.agreement import in_one_only
from pipelines.shadow.comparison import IMAGES, CameraShadow, Comparison
from pipelines.shadow.comparison_state import ComparisonState, Gallery, load_state, states_in
from pipelines.signals.signal import ChangeKind, Signals, StaticChange, ViewFault
from pipelines.thresholds import NamedThresholds
from tests.pipelines.frames import FULL, SIZE, make_frame

STABLE = ModelRef("crowd", "1", SIZE, ("person",), 0.4)
SHADOW = ModelRef("crowd", "2", SIZE, ("person",), 0.4)
WHOLE = Zone("square", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
RULE = RulePlan("crowding.density", (WHOLE,), {"min_persons": 1, "confirm_s": 1.0, "expire_s": 1.0})
PLAN = TaskPlan("crowding", STABLE, 5.0, (RULE,), SHADOW)
NOBODY = Detections.from_rows(np.zeros((0, 6), np.float32))
SOMEBODY = Detections.from_rows(np.array([[20, 15, 30, 35, 0.9, 0]], np.float32))


def comparison(folder: Path) -> Comparison:
    return Comparison(PLAN, Route(STABLE, SHADOW), "gate", "incarnation", folder)


def watch(one: Comparison, first: Detections, second: Detections, since_s: float, frames: int):
    for number in range(frames):
        at_s = since_s + number * 0.2
        one.observe(make_frame(tasks=("crowding",), index=number, at_s=at_s), first, second)
    return since_s + frames * 0.2


def state_of(one: Comparison) -> ComparisonState:
    return one.state


def test_what_only_the_shadow_sees_becomes_a_would_be_incident_with_an_image(tmp_path):
    one = comparison(tmp_path)
    at_s = watch(one, NOBODY, SOMEBODY, 1000.0, 12)
    at_s = watch(one, NOBODY, NOBODY, at_s, 12)
    (note,) = state_of(one).notes
    assert (note.side, note.kind, note.zone) == ("second", "crowding.density", "square")
    assert note.ended_at is not None
    assert in_one_only(state_of(one).notes) == (note,)
    jpeg = Gallery(tmp_path / IMAGES, 9).read(note.image)
    assert jpeg is not None
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (FULL.height, FULL.width, 3)
    assert image.max() > 100, "the shadow's box is drawn into the black image"


def test_boxes_are_counted_and_disputed_frames_drawn_now_and_then(tmp_path):
    one = comparison(tmp_path)
    at_s = watch(one, SOMEBODY, SOMEBODY, 1000.0, 5)
    assert state_of(one).boxes.both == 5
    assert state_of(one).images == ()
    watch(one, SOMEBODY, NOBODY, at_s, 100)
    found = state_of(one)
    assert found.boxes.only_first == 100
    assert len(found.images) == 2, "twenty seconds of dispute, an image every ten"


def test_a_shadow_with_another_fit_is_compared_in_the_full_image(tmp_path):
    shadow = replace(SHADOW, fit="stretch")
    one = Comparison(PLAN, Route(STABLE, shadow), "gate", "incarnation", tmp_path)
    frame = make_frame(tasks=("crowding",), stretched=(SIZE,), at_s=1000.0)
    person = np.array([[0.2, 0.1, 0.4, 0.6]], np.float32)
    first, second = (
        Detections(
            frame.views[model.view].letterbox.to_analysis(person),
            np.array([0.9], np.float32),
            np.array([0]),
        )
        for model in (STABLE, shadow)
    )
    assert not np.allclose(first.boxes, second.boxes, atol=3)
    one.observe(frame, first, second)
    assert (state_of(one).boxes.both, state_of(one).boxes.only_first) == (1, 0)


def test_frames_without_a_result_of_the_shadow_are_counted(tmp_path):
    one = comparison(tmp_path)
    one.missed()
    one.missed("model crowd/2: its replica died")
    assert (state_of(one).unseen, state_of(one).fault) == (2, "model crowd/2: its replica died")


def test_a_restart_goes_on_where_it_was_and_ends_what_was_open(tmp_path):
    one = comparison(tmp_path)
    watch(one, NOBODY, SOMEBODY, 1000.0, 12)
    (before,) = states_in(tmp_path, "crowd/1", "crowd/2")
    again = comparison(tmp_path)
    assert state_of(again).boxes == before.boxes
    (note,) = state_of(again).notes
    assert note.ended_at is not None, "nobody will ever end it otherwise"
    watch(again, SOMEBODY, SOMEBODY, 2000.0, 1)
    assert state_of(again).boxes.frames == before.boxes.frames + 1


def test_closing_ends_the_shadows_incidents_and_saves(tmp_path):
    one = comparison(tmp_path)
    at_s = watch(one, NOBODY, SOMEBODY, 1000.0, 12)
    one.close(EndReason.SHUTDOWN, Moment(make_frame(at_s=at_s).captured_at, at_s))
    (saved,) = states_in(tmp_path, "crowd/1", "crowd/2")
    assert [note.ended_at is not None for note in saved.notes] == [True]
    assert states_in(tmp_path, "crowd/2", "crowd/1") == ()


def test_other_thresholds_are_another_comparison(tmp_path):
    one = comparison(tmp_path)
    watch(one, SOMEBODY, SOMEBODY, 1000.0, 5)
    one.end()
    assert comparison(tmp_path).state.boxes.frames == 5
    stricter = SHADOW.overridden(NamedThresholds(classes={"person": 0.95}))
    other = Comparison(PLAN, Route(STABLE, stricter), "gate", "incarnation", tmp_path)
    watch(other, SOMEBODY, SOMEBODY, 1001.0, 3)
    found = other.state
    assert (found.boxes.both, found.boxes.low_confidence_second) == (0, 3)
    assert found.second_thresholds == NamedThresholds(0.4, {"person": 0.95})
    other.end()
    assert load_state(next(tmp_path.glob("*.json"))) == found


def test_a_spoilt_file_costs_the_past_but_not_the_comparison(tmp_path, caplog):
    one = comparison(tmp_path)
    watch(one, SOMEBODY, SOMEBODY, 1000.0, 1)
    (path,) = tmp_path.glob("*.json")
    path.write_text("{")
    assert load_state(path) is None
    assert "comparison_not_read" in caplog.text
    assert state_of(comparison(tmp_path)).boxes.frames == 0


def test_a_gallery_keeps_the_newest_and_gives_nothing_outside(tmp_path):
    gallery = Gallery(tmp_path / "images", most=3)
    for number in range(5):
        gallery.put(f"p{number}.jpg", bytes([number]))
    assert {path.name for path in (tmp_path / "images").iterdir()} == {"p2.jpg", "p3.jpg", "p4.jpg"}
    assert gallery.read("p3.jpg") == b"\x03"
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    for name in ("../secret.jpg", "p0.jpg", "/etc/passwd", "", "p3.jpg/../p3.jpg"):
        assert gallery.read(name) is None


def test_a_comparison_without_a_shadow_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="needs a shadow"):
        Comparison(PLAN, Route(STABLE), "gate", "incarnation", tmp_path)


def left_behind(at_s: float) -> Signals:
    """Something that lies where somebody was until second 1010."""
    since_s, box = 1009.0, Box(0.35, 0.5, 0.45, 0.6)
    change = StaticChange(1, ChangeKind.ADDED, box, since_s, at_s, 0.008)
    return Signals(static_changes=(change,) if at_s >= since_s + 7.5 else ())


@pytest.mark.parametrize("fault", [None, ViewFault.COVERED])
def test_the_rules_of_a_shadow_get_the_signals_of_the_frame(tmp_path, fault):
    rule = RulePlan("littering.dropped_object", (WHOLE,))
    plan = CameraPlan(
        CameraSpec("gate", "rtsp://gate/live"),
        (replace(PLAN, task="littering", rules=(rule,)),),
    )
    routes = {"littering": Route(STABLE, SHADOW)}
    one = CameraShadow(plan, CameraRoutes(routes), "e1", tmp_path)
    one.follow("littering", routes["littering"])
    for number in range(70):
        at_s = 1000.0 + number * 0.5
        frame = make_frame(tasks=("littering",), index=number, at_s=at_s)
        found = SOMEBODY if at_s < 1010 else NOBODY
        one.note_signals(frame, replace(left_behind(at_s), view=fault))
        one.compare(frame, routes, {STABLE: found}, {SHADOW: found})
    notes = one.comparisons["littering"].state.notes
    assert [note.kind for note in notes] == ["littering.dropped_object"] * (fault is None)
