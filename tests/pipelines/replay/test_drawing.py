"""What is seen is drawn where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camera_adapters import Size
from camera_adapters.spec import CameraSpec
from models.detections import Box
from pipelines.plan import CameraPlan, ModelRef, TaskPlan
from pipelines.replay.drawing import (
    ALARM,
    CHANGE,
    MASK,
    MOVING,
    PANEL,
    PANEL_PX,
    ReplayDrawing,
    drawn_size,
)
from pipelines.replay.replay import ReplayStep
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Line, Zone
from pipelines.signals.signal import ChangeKind, Motion, Signal, Signals, StaticChange, ViewFault
from pipelines.track import Track
from tests.pipelines.frames import SIZE, make_frame

MODEL = ModelRef("street", "1", SIZE, ("person", "car"), 0.4)
SQUARE = Zone("square", ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)))
RULES = (RulePlan("crowding.density", (SQUARE,), lines=(Line("exit", (0.1, 0.9), (0.9, 0.9)),)),)
PLAN = CameraPlan(
    CameraSpec("gate", "rtsp://gate/live"),
    (TaskPlan("crowding", MODEL, 5.0, RULES),),
    frozenset(Signal) - {Signal.IMAGE},
)
FRAME = make_frame(at_s=12.0)
WIDTH, HEIGHT = 1280, 720


def drawn(signals: Signals | None = None, *tracks: Track) -> np.ndarray:
    step = ReplayStep(12.0, FRAME, {MODEL: tracks}, {}, signals, ())
    return ReplayDrawing(PLAN).draw(step, FRAME)


def track(label: str, box: Box) -> Track:
    return Track(1, label, box, 0.9, 11.0, 12.0)


def has(image: np.ndarray, x: float, y: float, colour: tuple[int, int, int]) -> bool:
    column, row = round(x * WIDTH), round(y * HEIGHT)
    near = image[row - 1 : row + 2, column - 1 : column + 2].reshape(-1, 3)
    return bool((near == colour).all(axis=1).any())


@pytest.mark.parametrize(
    ("label", "colour"),
    [("person", (64, 224, 64)), ("car", (255, 176, 32)), ("kite", (208, 208, 208))],
)
def test_a_box_has_the_colour_of_its_class(label, colour):
    image = drawn(None, track(label, Box(0.3, 0.4, 0.5, 0.7)))
    assert all(has(image, x, 0.6, colour) for x in (0.3, 0.5))
    assert all(has(image, 0.4, y, colour) for y in (0.4, 0.7))
    assert not has(image, 0.4, 0.55, colour)


def test_zones_and_lines_are_drawn():
    image = drawn()
    assert has(image, 0.5, 0.2, (224, 224, 96))
    assert has(image, 0.8, 0.5, (224, 224, 96))
    assert has(image, 0.5, 0.9, (224, 224, 96))
    # A line has no way back.
    assert not has(image, 0.5, 0.85, (224, 224, 96))


def test_signals_are_drawn_until_there_are_newer_ones():
    mask = np.zeros((90, 160), np.bool_)
    mask[45:54, 80:96] = True
    change = StaticChange(1, ChangeKind.ADDED, Box(0.3, 0.5, 0.4, 0.6), 2.0, 12.0, 0.008)
    drawing = ReplayDrawing(PLAN)
    seen = Signals(None, Motion(0.1, mask), (change,))
    for signals in (seen, None):
        image = drawing.draw(ReplayStep(12.0, FRAME, {}, {}, signals, ()), FRAME)
        assert has(image, 0.3, 0.55, CHANGE)
        assert has(image, 0.55, 0.5, MOVING)
    gone = drawing.draw(ReplayStep(12.5, FRAME, {}, {}, Signals(), ()), FRAME)
    assert not has(gone, 0.3, 0.55, CHANGE)


def test_a_view_at_fault_frames_the_image():
    assert has(drawn(Signals(ViewFault.COVERED)), 0.002, 0.5, ALARM)
    assert not has(drawn(Signals()), 0.002, 0.5, ALARM)


def test_the_panel_is_below_the_image_and_has_text():
    image = drawn()
    assert image.shape == (HEIGHT + PANEL_PX, WIDTH, 3)
    panel = image[HEIGHT:].reshape(-1, 3)
    plain = (panel == PANEL).all(axis=1).mean()
    assert 0.9 < plain < 0.999


@pytest.mark.parametrize(
    ("full", "drawn_as"),
    [((320, 240), (640, 480)), ((1279, 719), (1278, 718)), ((2560, 1440), (1280, 720))],
)
def test_sizes_are_even_and_fit_a_screen(full, drawn_as):
    size = drawn_size(Size(*full))
    assert (size.width, size.height - PANEL_PX) == drawn_as


def test_masks_are_darkened_and_outlined():
    corner = Zone("tree", ((0.0, 0.0), (0.1, 0.0), (0.1, 0.9), (0.0, 0.9)))
    rules = (replace(RULES[0], masks=(corner,)),)
    plan = replace(PLAN, tasks=(replace(PLAN.tasks[0], rules=rules),))
    step = ReplayStep(12.0, FRAME, {MODEL: ()}, {}, None, ())
    image, plain = ReplayDrawing(plan).draw(step, FRAME), drawn()
    assert has(image, 0.1, 0.5, MASK)
    row, column = round(0.5 * HEIGHT), round(0.05 * WIDTH)
    assert (image[row, column] == plain[row, column] // 2).all()
