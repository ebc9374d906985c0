"""What is said of rules to people is complete: summaries, units, limits, measurements."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pipelines.rules import RULE_SETS, RULES, describe_rules, find_rule, versions_of
from pipelines.rules.description import NUMBERS

RULE_IDS = [f"{rule.kind}/{rule.version}" for rule in describe_rules()]


def test_every_version_of_every_kind_is_described_once():
    assert sorted(RULE_IDS) == sorted(
        f"{kind}/{version}" for kind in RULES for version in versions_of(kind)
    )
    newest = [rule.kind for rule in describe_rules() if rule.is_newest]
    assert sorted(newest) == sorted(RULES)


@pytest.mark.parametrize("rule", describe_rules(), ids=RULE_IDS)
def test_a_rule_says_what_it_finds_and_its_numbers_have_units_and_limits(rule):
    assert re.fullmatch(r"[A-Z][^\n]*\.", rule.summary)
    for one in rule.parameters:
        assert one.description, one.name
        if one.type in NUMBERS:
            assert one.unit, f"{one.name} needs a unit; see pipelines.rules.description.UNITS"
            assert {word[-7:].lower() for word in one.bounds} == {"minimum", "maximum"}, one.name


def test_units_are_those_that_the_numbers_have():
    units = {(r.kind, p.name): p.unit for r in describe_rules() for p in r.parameters}
    assert units["traffic.wrong_way", "min_speed_kmh"] == "km/h"
    assert units["traffic.wrong_way", "min_speed_share"] == "1/s"
    assert units["traffic.wrong_way", "labels"] == ""
    assert units["crowding.density", "max_per_m2"] == "1/m2"
    assert units["crowding.density", "confirm_s"] == "s"
    assert units["crowding.density", "min_persons"] == "1"


def test_a_description_says_in_which_sets_a_version_stands():
    said = {(rule.kind, rule.version): rule.sets for rule in describe_rules()}
    for name, rules in RULE_SETS.items():
        for rule in rules:
            assert name in said[rule.kind, rule.version]


def test_a_rule_that_measures_says_what():
    """Cameras choose measurements by these names."""
    for described in describe_rules():
        rule = find_rule(described.kind, described.version)
        assert rule is not None
        file = sys.modules[rule.Parameters.__module__].__file__
        text = Path(file or "").read_text(encoding="utf-8")
        if "Measurement(" in text:
            assert rule.measures, f"{rule.kind} publishes measurements; name them in `measures`"
        for kind in rule.measures:
            assert f'"{kind}"' in text, kind
