from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from pipelines.incident import EndReason
from pipelines.rules import RULES, RuleError, build_rule
from pipelines.rules.rule import RuleParameters
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Line, Zone
from tests.pipelines.synthetic import (
    WHOLE,
    Flaws,
    Thing,
    View,
    World,
    at,
    moment,
    moving,
    run,
    times,
)

VIEW = View()
TOWARDS_CAMERA = ((0.5, 0.4), (0.5, 0.9))
GROUND = ((-6, 9), (6, 9), (6, 40), (-6, 40))
BUSY = [
    *(Thing("car", moving(-5 + 3.5 * (i % 4), 22 + 6 * (i // 4), 0, -0.9)) for i in range(12)),
    *(Thing("person", at(-4 + i, 11)) for i in range(9)),
    Thing("bag", at(5, 30)),
]


SOON = {"traffic.congestion": {"confirm_s": 6.0}}
"""Parameters by kind, so that a few seconds are enough."""


def rules(camera="cam-1", incarnation="e1", view=VIEW, names=("zone",)):
    zones = tuple(
        replace(view.zone(*GROUND, calibrated=False, name=name), direction=TOWARDS_CAMERA)
        for name in names
    )
    # At lines without zones there are no incidents yet.
    kinds = (kind for kind, rule in RULES.items() if rule.zone is not None)
    plans = [RulePlan(kind, zones, SOON.get(kind, {})) for kind in kinds]
    return [build_rule(plan, camera, incarnation) for plan in plans]


def life(own, world=None, until_s=15):
    world = world or World(BUSY)
    steps = []
    for t in times(until_s):
        tracks = world.tracks(t)
        steps += [step for rule in own for step in rule.observe(tracks, moment(t)).transitions]
    return steps + [
        step for rule in own for step in rule.close(EndReason.SHUTDOWN, moment(until_s)).transitions
    ]


def test_the_registry_names_kinds_by_task():
    assert {"traffic", "littering", "crowding"} <= {rule.task for rule in RULES.values()}
    assert all(kind.startswith(f"{rule.task}.") for kind, rule in RULES.items())


@pytest.mark.parametrize("kind", sorted(RULES))
def test_every_parameter_says_what_it_is_has_a_default_and_bounds(kind):
    parameters = RULES[kind].Parameters
    assert parameters() == parameters.model_validate({})
    windows = {"confirm_s", "expire_s", "cooldown_s", "update_every_s"}
    assert windows <= set(parameters.model_fields) or not issubclass(parameters, RuleParameters)
    for name, field in parameters.model_fields.items():
        assert field.description, name
        if field.annotation not in {int, float, timedelta}:
            continue
        bounds = {type(bound).__name__ for bound in field.metadata}
        assert bounds & {"Gt", "Ge"}, name
        assert bounds & {"Lt", "Le"}, name


@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_rule_knows_its_kind_and_version(kind):
    zone, line = Zone("z", WHOLE, None, TOWARDS_CAMERA), Line("l", (0.1, 0.5), (0.9, 0.5))
    rule = build_rule(RulePlan(kind, (zone,), lines=(line,)), "cam-1", "e1")
    assert rule.kind == kind
    assert rule.version


@pytest.mark.parametrize(
    ("why", "plan"),
    [
        ("choose from traffic.congestion", RulePlan("traffic.flying", (Zone("z", WHOLE),))),
        ("needs zones: at least one", RulePlan("traffic.congestion", ())),
        ("name of its own", RulePlan("traffic.congestion", (Zone("z", WHOLE),) * 2)),
        ("zone gate: .* 3 corners", RulePlan("traffic.congestion", (Zone("gate", WHOLE[:2]),))),
        (
            "confirm_seconds",
            RulePlan("traffic.congestion", (Zone("z", WHOLE),), {"confirm_seconds": 3}),
        ),
        ("confirm_s", RulePlan("traffic.congestion", (Zone("z", WHOLE),), {"confirm_s": -1})),
        (
            "min_vehicles",
            RulePlan("traffic.congestion", (Zone("z", WHOLE),), {"min_vehicles": 2.5}),
        ),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused_by_camera_and_reason(why, plan):
    with pytest.raises(RuleError, match=why) as refusal:
        build_rule(plan, "cam-9", "e1")
    assert "cam-9" in str(refusal.value)


def test_quiet_streets_give_nothing():
    quiet = [
        *(Thing("car", moving(-2, 45, 0, -12, start=4 * i)) for i in range(8)),
        *(Thing("person", moving(6.5, 12 + 2 * i, 0, 1.3, start=3 * i)) for i in range(6)),
        Thing("car", at(5, 20)),
    ]
    world = World(quiet, flaws=Flaws(jitter=0.03, recall=0.9, switch_every_s=20))
    # The people walk where the zone is, which is no carriageway.
    own = [rule for rule in rules() if rule.kind != "traffic.carriageway_intrusion"]
    assert life(own, world, 40) == []


def test_two_cameras_are_independent_and_never_share_an_incident_id():
    alone = life(rules("cam-1"))
    one, other = rules("cam-1"), rules("cam-2")
    world, noise = World(BUSY), World(BUSY, flaws=Flaws(recall=0.8, jitter=0.05, seed=4))
    together, others = [], []
    for t in times(15):
        tracks, noisy = world.tracks(t), noise.tracks(t)
        together += [step for rule in one for step in rule.observe(tracks, moment(t)).transitions]
        others += [step for rule in other for step in rule.observe(noisy, moment(t)).transitions]
    together += [
        step for rule in one for step in rule.close(EndReason.SHUTDOWN, moment(15)).transitions
    ]
    assert together == alone
    assert others
    assert not {s.incident.id for s in together} & {s.incident.id for s in others}


def test_a_worker_that_starts_again_mints_other_ids():
    first, again, other_start = life(rules()), life(rules()), life(rules(incarnation="e2"))
    ids = [{step.incident.id for step in steps} for steps in (first, again, other_start)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == len({step.incident.kind for step in first}) >= 3
    assert not ids[0] & ids[2]


def test_two_rules_of_one_kind_in_one_zone_have_other_ids():
    zones = (VIEW.zone(*GROUND, calibrated=False),)
    plans = [
        RulePlan("traffic.congestion", zones, {"min_vehicles": count, "confirm_s": 6})
        for count in (6.0, 10.0)
    ]
    steps = life([build_rule(plan, "cam-1", "e1") for plan in plans])
    assert len({step.incident.id for step in steps}) == 2


@pytest.mark.parametrize("size", [(16, 9), (1, 1), (9, 16)])
def test_the_shape_of_the_image_makes_no_difference(size):
    view = View(aspect=size[0] / size[1], focal=0.6)
    zone = view.zone((-3, 12), (3, 12), (3, 40), (-3, 40), calibrated=False)
    cars = [Thing("car", moving(-2 + 2 * (i % 3), 22 + 6 * (i // 3), 0, -0.5)) for i in range(9)]
    plan = RulePlan("traffic.congestion", (zone,), {"confirm_s": 10})
    (started,) = run(build_rule(plan, "cam-1", "e1"), World(cars, view), 14)
    assert started.incident.detail["vehicles"] == 9
    assert started.incident.detail["median_speed_boxes_per_s"] == pytest.approx(0.12, abs=0.05)


def test_rules_are_light_to_import():
    heavy = ("av", "cv2", "ray")
    probe = f"import sys, pipelines.rules; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout.strip() == "[]"
