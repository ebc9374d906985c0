"""The lowest rate of a rule is what the rule really needs."""

from __future__ import annotations

import math

import pytest

from pipelines.incident import EndReason, Phase
from pipelines.rules import RULES, build_rule, find_rule, min_fps, versions_of
from pipelines.rules.rule_plan import RulePlan
from tests.pipelines.rules.roads import queue
from tests.pipelines.synthetic import Thing, View, World, at, of, run, then

VIEW = View()
WORLDS = {
    "traffic.congestion": queue(6, begins_s=15, green_s=999, every_s=2),
    "crowding.density": [Thing("person", at(-3.5 + i % 8, 11 + 1.2 * (i // 8))) for i in range(24)],
    "littering.dropped_object": [Thing("bag", at(0, 12))],
    "littering.exposed_rubbish": [Thing("bag", at(0.9 * i, 12)) for i in range(3)],
    "littering.bin_overflow": [Thing("bag", at(2 * i, 12)) for i in range(2)],
    "traffic.carriageway_intrusion": [Thing("person", at(0, 12, start=5))],
    "traffic.stopped_vehicle": [Thing("car", at(0, 14))],
}
UNTIL_S = 200.0


@pytest.mark.parametrize("kind", WORLDS)
def test_a_rule_fires_above_its_lowest_rate_and_never_below(kind: str) -> None:
    lowest = min_fps(RULES[kind], RULES[kind].Parameters())
    for factor, fires in ((1.1, True), (0.9, False)):
        rule = build_rule(RulePlan(kind, (VIEW.zone(name="image"),)), "cam-1", "e1")
        steps = run(rule, World(WORLDS[kind]), UNTIL_S, lowest * factor)
        assert bool(of(steps, Phase.STARTED)) is fires, f"{lowest * factor:.3f} fps"


RATES = (0.05, 0.07, 0.09, 0.105, 0.15, 0.19, 0.21, 0.3, 0.5)
"""From one frame in 20 s on."""

LEAVE_S = 300.0


def leaving(things: list[Thing]) -> list[Thing]:
    """The same, and all of them are away from `LEAVE_S` on."""
    gone = at(0, 0, end=0.0)
    return [Thing(one.label, then((LEAVE_S, one.path), (math.inf, gone))) for one in things]


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(
    ("kind", "version"), [(kind, version) for kind in WORLDS for version in versions_of(kind)]
)
def test_at_any_low_rate_every_version_opens_and_ends_or_is_refused(kind, version, fps) -> None:
    found = find_rule(kind, version)
    assert found is not None
    plan = RulePlan(kind, (VIEW.zone(name="image"),), version=version)
    steps = run(build_rule(plan, "cam-1", "e1"), World(leaving(WORLDS[kind])), 500.0, fps)
    started, ended = of(steps, Phase.STARTED), of(steps, Phase.ENDED)
    if fps <= min_fps(found, found.Parameters()):
        assert not started
    else:
        assert started
        assert len(ended) == len(started)
        assert {one.incident.end_reason for one in ended} == {EndReason.CLEARED}


def test_windows_limit_the_rate_and_where_there_are_none_only_measuring_does() -> None:
    """Without a window to expire in, what opened at once ends at once."""
    for kind, lowest in (("crowding.density", 0.0), ("traffic.wrong_way", 0.2)):
        rule = RULES[kind]
        none = rule.Parameters(confirm_s=0.0, expire_s=0.0)
        assert min_fps(rule, none) == pytest.approx(lowest)
    rule = RULES["crowding.density"]
    assert min_fps(rule, rule.Parameters(confirm_s=0.0)) == pytest.approx(0.1)
    things = leaving(WORLDS["crowding.density"])
    for expire_s, ends in ((0.0, 1), (8.0, 0)):
        parameters = {"confirm_s": 0.0, "expire_s": expire_s}
        plan = RulePlan("crowding.density", (VIEW.zone(name="image"),), parameters)
        steps = run(build_rule(plan, "cam-1", "e1"), World(things), 500.0, 0.05)
        assert len(of(steps, Phase.STARTED)) == 1
        assert len(of(steps, Phase.ENDED)) == ends, "which is why such a rate is refused"
