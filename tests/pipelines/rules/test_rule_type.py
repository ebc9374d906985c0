"""A rule gets the places, parameters and signals that its kind declares, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import Field

import pipelines.rules
from camera_adapters.spec import CameraSpec
from models.detections import Detections
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import CameraPipeline
from pipelines.incident import EndReason, Measurement
from pipelines.plan import CameraPlan, ModelRef, Route, TaskPlan
from pipelines.rules import RULE_SETS, RULES, RuleError, build_rule, default_set, find_rule
from pipelines.rules.rule import FrameSignals, Moment, RuleParameters, RuleResult, RuleType
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Line, Zone
from pipelines.shadow.comparison import CameraShadow
from pipelines.signals.signal import Signal
from tests.pipelines.frames import SIZE, make_frame
from tests.pipelines.synthetic import WHOLE, View, moment

WHOLE_ZONE = Zone("whole", WHOLE)
LINE = Line("gate", (0.1, 0.5), (0.9, 0.5))
MODEL = ModelRef("traffic", "1", SIZE, ("car",), 0.5)


class BrightnessParameters(RuleParameters):
    """A number, a choice, a list and a duration."""

    channel: Literal["red", "green", "blue"] = Field(default="red", description="a channel")
    weights: tuple[float, ...] = Field(default=(1.0,), description="weights", min_length=1)
    every: timedelta = Field(
        default=timedelta(seconds=1),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="the time between two measurements",
    )


class Brightness:
    """Measures the image; opens nothing."""

    def __init__(self, shape, identity, parameters: BrightnessParameters) -> None:
        self.identity = identity
        self.parameters = parameters
        self.began: Moment | None = None

    def observe(self, tracks, at, signals: FrameSignals) -> RuleResult:
        self.began = self.began or at
        if signals.image is None or at.utc - self.began.utc < self.parameters.every:
            return RuleResult()
        channel = ("red", "green", "blue").index(self.parameters.channel)
        brightness = float(signals.image.image[..., channel].max()) * self.parameters.weights[0]
        return RuleResult(measurements=[self.measurement(at, brightness)])

    def close(self, reason, at) -> RuleResult:
        return RuleResult(measurements=[self.measurement(at, 0.0)])

    def explain(self, at):
        return ()

    def measurement(self, at, value: float) -> Measurement:
        begins = self.began.utc if self.began else at.utc
        name = self.identity
        return Measurement(name.kind, name.camera, begins, at.utc, value, "1", name.zone)


BRIGHTNESS = RuleType(
    kind="traffic.brightness",
    version="7",
    task="traffic",
    Parameters=BrightnessParameters,
    zone=Brightness,
    line=Brightness,
    signals=frozenset({Signal.IMAGE}),
)


@pytest.fixture
def register(monkeypatch):
    def add(rule: RuleType[Any]) -> None:
        monkeypatch.setattr(pipelines.rules, "RULES", {**RULES, rule.kind: rule})

    return add


@dataclass
class Recorder:
    """Keeps what a pipeline hands over."""

    measurements: list[tuple[Measurement, str, str, tuple[str, str]]] = field(default_factory=list)

    def publish_measurement(self, measurement, task, coverage, camera, model, rule) -> None:
        assert task == "traffic"
        self.measurements.append((measurement, camera.id, model.key, rule))


ROUTES = {"traffic": Route(MODEL)}


def pipeline(
    rule: RulePlan, recorder: Recorder, folder: Path, published: frozenset[str] | None = None
) -> CameraPipeline:
    task = TaskPlan("traffic", MODEL, 5.0, (rule,))
    plan = CameraPlan(CameraSpec("gate", "rtsp://gate/live"), (task,), measurements=published)
    routes = CameraRoutes(plan.routes)
    shadow = CameraShadow(plan, routes, "e1", folder)
    return CameraPipeline(plan, routes, recorder, shadow, "e1")  # type: ignore[arg-type]


def test_measurements_of_the_image_go_from_a_rule_to_the_recorder(register, tmp_path):
    register(BRIGHTNESS)
    parameters = {"channel": "blue", "weights": [0.5], "every": 2}
    plan = RulePlan("traffic.brightness", (WHOLE_ZONE,), parameters, (LINE,))
    recorder = Recorder()
    own = pipeline(plan, recorder, tmp_path)
    nothing = Detections.from_rows(np.zeros((0, 6), np.float32))
    for index in range(3):
        frame = make_frame(index=index, at_s=100.0 + index, value=200)
        late = replace(frame, captured_at=moment(2.0 * index).utc)
        own.process_frame(late, ROUTES, {MODEL: nothing}, late.captured_mono_s)
    measured = [(one.zone, one.value) for one, *_ in recorder.measurements]
    assert measured == [("whole", 100.0), ("gate", 100.0)] * 2
    own.close(EndReason.SHUTDOWN, moment(9))
    last, *source = recorder.measurements[-1]
    assert last.value == 0.0
    assert (last.begins_at, last.ends_at) == (moment(0).utc, moment(9).utc)
    assert source == ["gate", "traffic/1", ("traffic.brightness", "7")]


@pytest.mark.parametrize(
    ("published", "count"),
    [(None, 2), (frozenset({"traffic.brightness"}), 2), (frozenset({"traffic.flow"}), 0), ((), 0)],
)
def test_a_camera_publishes_the_measurements_that_are_wanted(register, tmp_path, published, count):
    register(BRIGHTNESS)
    plan = RulePlan("traffic.brightness", (WHOLE_ZONE,), {"every": 1}, (LINE,))
    recorder = Recorder()
    wanted = None if published is None else frozenset(published)
    own = pipeline(plan, recorder, tmp_path, wanted)
    frame = make_frame(at_s=100.0)
    nothing = Detections.from_rows(np.zeros((0, 6), np.float32))
    own.process_frame(frame, ROUTES, {MODEL: nothing}, frame.captured_mono_s)
    own.close(EndReason.SHUTDOWN, moment(9))
    found = [one for one, *_ in recorder.measurements if one.value == 0.0]
    assert len(found) == count


def test_a_rule_gets_only_the_signals_that_its_kind_declares():
    signals = FrameSignals(make_frame().views[MODEL.view])
    plan = RulePlan("traffic.brightness", (WHOLE_ZONE,), {"every": 0})
    asked = BRIGHTNESS.build("gate", plan, "e1").observe((), moment(0), signals)
    unasked = replace(BRIGHTNESS, signals=frozenset()).build("gate", plan, "e1")
    assert len(asked.measurements) == 1
    assert unasked.observe((), moment(0), signals) == RuleResult((), ())


@pytest.mark.parametrize(
    ("why", "changes", "zones", "lines"),
    [
        ("needs zones or lines", {}, (), ()),
        ("needs lines", {"zone": None}, (WHOLE_ZONE,), ()),
        (
            "needs zones with a direction",
            {"line": None, "needs_direction": True},
            (WHOLE_ZONE,),
            (),
        ),
        ("name of its own", {}, (WHOLE_ZONE,), (replace(LINE, name="whole"),)),
        ("calibrated cameras only", {"needs_ground": True}, (WHOLE_ZONE,), ()),
        ("line gate: .*apart", {}, (), (replace(LINE, end=LINE.start),)),
    ],
)
def test_a_rule_without_the_places_that_it_declares_is_refused(
    register, why, changes, zones, lines
):
    register(replace(BRIGHTNESS, **changes))
    with pytest.raises(RuleError, match=why) as refusal:
        build_rule(RulePlan("traffic.brightness", zones, {}, lines), "cam-9", "e1")
    assert "camera cam-9: rule traffic.brightness" in str(refusal.value)


def test_a_rule_gets_the_places_that_it_declares(register):
    register(replace(BRIGHTNESS, needs_direction=True, needs_ground=True))
    zone = View().zone((-4, 9), (4, 9), (4, 40), (-4, 40))
    directed = replace(zone, direction=((0.5, 0.9), (0.5, 0.5)), name="directed")
    line = replace(LINE, ground=zone.ground)
    plan = RulePlan("traffic.brightness", (zone, directed), {}, (line,))
    closed = build_rule(plan, "cam-9", "e1").close(EndReason.SHUTDOWN, moment(0))
    assert [one.zone for one in closed.measurements] == ["directed", "gate"]


def test_a_default_set_holds_rules_of_its_task_that_need_nothing_but_a_zone():
    for name, pinned in RULE_SETS.items():
        for one in pinned:
            rule = find_rule(one.kind, one.version)
            assert rule is not None
            rule.Parameters.model_validate(dict(one.parameters))
            assert rule.task == name.partition("/")[0]
            assert rule.zone is not None
            assert not rule.needs_direction
            assert not rule.needs_ground
    assert {default_set(rule.task) for rule in RULES.values()} <= set(RULE_SETS)


def test_a_plan_picks_the_version_of_a_rule_and_an_unknown_one_is_refused_with_the_choice():
    plan = RulePlan("traffic.wrong_way", (), lines=(LINE,), version="1")
    assert build_rule(plan, "cam-1", "e1").version == "1"
    with pytest.raises(RuleError, match=r"no version '7' of the rule 'traffic.wrong_way'.* 1$"):
        build_rule(replace(plan, version="7"), "cam-1", "e1")
