"""Schedules, masks and measurements of a configuration: mistakes are said, the rest is planned."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.cityeye.small_city import CITY, problem_of

ZONED = "city: {time_zone: Asia/Shanghai}\n" + CITY
RULED = "        rules: {traffic.congestion: {min_vehicles: 3, %s}}\nhub: {}"


def ruled(options: str, city: str = ZONED) -> str:
    return city.replace("hub: {}", RULED % options)


def rules_of(config):
    return config.plans[0].tasks[0].rules


def test_a_rule_has_its_own_schedule_or_that_of_its_task(load_city):
    text = ruled("schedule: [mon-fri 07:00-19:00]").replace(
        "fps: 5", "fps: 5\n        schedule: [22:00-06:00]"
    )
    text = text.replace("}}\nhub", "}, traffic.wrong_way: null}\n        zones: [a]\nhub").replace(
        "    tasks:",
        "    zones: {a: [[0, 0], [1, 0], [1, 1]]}\n    directions: {a: [[0, 0], [1, 1]]}\n"
        "    tasks:",
    )
    own, other = rules_of(load_city(text))
    noon = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
    assert str(own.schedule) == "mon-fri 07:00-19:00 Asia/Shanghai"
    assert own.schedule.armed(noon)
    assert not other.schedule.armed(noon)
    assert rules_of(load_city(CITY))[0].schedule is None


def test_masks_of_a_camera_count_for_all_rules_and_those_of_a_rule_for_it(load_city):
    text = ruled("masks: {door: [[0, 0], [0.1, 0], [0.1, 0.1]]}").replace(
        "    tasks:", "    masks: {tree: [[0.5, 0.5], [1, 0.5], [1, 1]]}\n    tasks:"
    )
    (rule,) = rules_of(load_city(text))
    assert [mask.name for mask in rule.masks] == ["tree", "door"]


@pytest.mark.parametrize(
    ("options", "key", "said"),
    [
        ("schedule: [mon-fry 07:00-19:00]", "schedule", "`mon-fry` is no day or span of days"),
        ("schedule: []", "schedule", "nothing is given"),
        ("schedule: 07:00-19:00", "schedule", "is not a list"),
        ("masks: {tree: [[0, 0], [2, 0], [1, 1]]}", "masks.tree", "lies outside the image"),
        ("masks: {tree: [[0, 0], [1, 1], [1, 0], [0, 1]]}", "masks.tree", "cross"),
        ("masks: {}", "masks", "nothing is given"),
        ("schedules: [07:00-19:00]", "schedules", "the key is unknown"),
    ],
)
def test_a_mistake_beside_the_parameters_of_a_rule_is_said_at_its_key(
    load_city, options, key, said
):
    problem = problem_of(load_city, ruled(options))
    assert problem.key == f"cameras[0].tasks.traffic.rules.traffic.congestion.{key}"
    assert said in problem.what


def test_a_schedule_needs_to_know_by_which_clock(load_city):
    problem = problem_of(load_city, ruled("schedule: [07:00-19:00]", CITY))
    assert (problem.what, problem.line) == ("the schedule has no time zone", 8)
    problem = problem_of(load_city, CITY.replace("fps: 5", "schedule: [07:00-19:00]"))
    assert problem.key == "cameras[0].tasks.traffic.schedule"
    problem = problem_of(load_city, ZONED.replace("Asia/Shanghai", "Asia/Chengdu"))
    assert "the time zone `Asia/Chengdu` is unknown" in problem.what


def test_measurements_are_all_none_or_some(load_city):
    for written, kinds in (("true", None), ("false", frozenset())):
        text = CITY.replace("    tasks:", f"    measurements: {written}\n    tasks:")
        assert load_city(text).plans[0].measurements == kinds
    assert load_city(CITY).plans[0].measurements is None
    text = CITY.replace("    tasks:", "    measurements: [traffic.weather]\n    tasks:")
    problem = problem_of(load_city, text)
    assert problem.key == "cameras[0].measurements[0]"
    assert "the measurement `traffic.weather` is unknown" in problem.what
