"""The lowest rate of a rule is what the rule really needs."""

from __future__ import annotations

import pytest

from pipelines.incident import Phase
from pipelines.rules import RULES, build_rule, min_fps
from pipelines.rules.rule import RulePlan
from tests.pipelines.rules.roads import queue
from tests.pipelines.synthetic import Thing, View, World, at, of, run

VIEW = View()
WORLDS = {
    "traffic.congestion": queue(6, begins_s=15, green_s=999, every_s=2),
    "crowding.density": [Thing("person", at(-3.5 + i % 8, 11 + 1.2 * (i // 8))) for i in range(24)],
    "littering.dropped_object": [Thing("bag", at(0, 12))],
    "traffic.carriageway_intrusion": [Thing("person", at(0, 12))],
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


def test_without_a_confirm_window_only_measuring_limits_the_rate() -> None:
    for kind, lowest in (("crowding.density", 0.0), ("traffic.wrong_way", 0.2)):
        rule = RULES[kind]
        assert min_fps(rule, rule.Parameters(confirm_s=0.0)) == pytest.approx(lowest)
