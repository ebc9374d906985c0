"""A view at fault: the camera's state says it, rules are suspended, and their incidents end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from camera_adapters import Luma, Size
from camera_adapters.spec import CameraSpec
from models.detections import Detections
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import VIEW_LOST_AFTER_S, CameraPipeline
from pipelines.incident import EndReason, Phase, Transition
from pipelines.plan import CameraPlan, ModelRef, Route, TaskPlan
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from pipelines.shadow.comparison import CameraShadow
from pipelines.signals.signal import Signal, ViewFault
from tests.pipelines.frames import SIZE, PlainImage, make_frame
from tests.pipelines.signals.luma_street import Street, during, light
from tests.pipelines.synthetic import WHOLE, moment

MODEL = ModelRef("street", "1", SIZE, ("person",), 0.4)
ROUTES = {"crowding": Route(MODEL)}
CROWD = RulePlan("crowding.density", (Zone("square", WHOLE),), {"min_persons": 3, "confirm_s": 2})
PEOPLE = Detections.from_rows(
    np.array([[4 + 12 * n, 20, 10 + 12 * n, 36, 0.9, 0] for n in range(5)], np.float32)
)
NOBODY = Detections.from_rows(np.zeros((0, 6), np.float32))


@dataclass
class Kept:
    """Keeps the transitions that a pipeline hands over."""

    transitions: list[Transition] = field(default_factory=list)

    def publish(self, transition, camera, model, source, frame, peak=None):
        self.transitions.append(transition)
        return transition


@dataclass(frozen=True, slots=True, eq=False)
class Seen(PlainImage):
    """A full image with a brightness of its own."""

    brightness: Luma

    def luma(self, size: Size) -> Luma:
        return self.brightness


@dataclass
class Run:
    """A camera's pipeline, and what it said."""

    transitions: list[tuple[Phase, EndReason | None]]
    views: list[ViewFault | None]
    inferred: int
    last: CameraPipeline


def run(street: Street, folder: Path, signals: frozenset[Signal], seconds: float) -> Run:
    """Five people stand in the square from five seconds on; the camera gives 5 frames/s."""
    plan = CameraPlan(
        CameraSpec("gate", "rtsp://gate/live"),
        (TaskPlan("crowding", MODEL, 5.0, (CROWD,)),),
        signals,
    )
    routes, kept = CameraRoutes(plan.routes), Kept()
    views: list[ViewFault | None] = []
    shadow = CameraShadow(plan, routes, "e1", folder)
    pipeline = CameraPipeline(plan, routes, kept, shadow, "e1", views.append)  # type: ignore[arg-type]
    for at_s, luma, _ in street.frames(seconds, 0.2):
        at = moment(at_s)
        frame = make_frame(tasks=("crowding",), at_s=at.mono_s)
        seen = Seen(np.zeros((2, 2, 3), np.uint8), luma)
        frame = replace(frame, full=seen, captured_at=at.utc)
        pipeline.process_frame(frame, ROUTES, {MODEL: PEOPLE if at_s > 5 else NOBODY}, at.mono_s)
    told = [(one.phase, one.incident.end_reason) for one in kept.transitions]
    steps = [one for one in told if one[0] is not Phase.UPDATED]
    analysed = pipeline.statistics.snapshot(0.0).analysed
    return Run(steps, views, analysed, pipeline)


DARK = during(light(0.05), 20.0, 70.0)


def test_an_incident_ends_when_the_view_is_lost_and_may_open_again(tmp_path):
    found = run(Street([DARK]), tmp_path, frozenset({Signal.VIEW}), 90)
    assert found.views == [ViewFault.DARK, None]
    assert found.transitions == [
        (Phase.STARTED, None),
        (Phase.ENDED, EndReason.VIEW_LOST),
        (Phase.STARTED, None),
    ]
    assert found.inferred == 450, "frames are inferred all the time"


def test_a_short_fault_of_the_view_cuts_no_incident_in_two(tmp_path):
    short = during(light(0.05), 20.0, 20.0 + VIEW_LOST_AFTER_S)
    found = run(Street([short]), tmp_path, frozenset({Signal.VIEW}), 60)
    assert found.views == [ViewFault.DARK, None]
    assert found.transitions == [(Phase.STARTED, None)]


def test_no_incident_opens_while_the_view_is_at_fault(tmp_path):
    found = run(Street([light(0.05)]), tmp_path, frozenset({Signal.VIEW}), 40)
    # The crowd is seen from 5 s on and confirmed after 2 s; the view is dark from the first second.
    assert found.views == [ViewFault.DARK]
    assert found.transitions == []


def test_nobody_who_does_not_ask_is_told_of_a_view(tmp_path):
    found = run(Street([DARK]), tmp_path, frozenset(), 90)
    assert (found.views, found.last.signals.view) == ([], None)
    assert found.transitions == [(Phase.STARTED, None)]
