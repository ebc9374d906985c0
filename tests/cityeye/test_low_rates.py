"""Every version of every rule is taken at a rate at which it works, and refused below it."""

from __future__ import annotations

import pytest
import yaml

from cityeye.config import ConfigurationError
from pipelines.rules import describe_rules, find_rule, min_fps

RATES = (0.05, 0.07, 0.1, 0.11, 0.2, 0.21, 0.5, 1.0)
GROUND = [[0.25, 0.5, 0, 40], [0.75, 0.5, 14, 40], [0.95, 0.95, 14, 0], [0.05, 0.95, 0, 0]]


def city(task: str, kind: str, version: str, fps: float) -> str:
    rule = {"fps": fps, "model": task, "zones": ["all"], "lines": ["line"]}
    camera = {
        "id": "gate",
        "source": "rtsp://10.0.0.5/live",
        "ground": GROUND,
        "zones": {"all": [[0.1, 0.6], [0.9, 0.6], [0.9, 0.9], [0.1, 0.9]]},
        "directions": {"all": [[0.5, 0.6], [0.5, 0.9]]},
        "lines": {"line": [[0.1, 0.8], [0.9, 0.8]]},
        "tasks": {task: {**rule, "rules": {kind: {"version": version}}}},
    }
    return yaml.safe_dump({"cameras": [camera], "hub": {}})


def adaptive(rates: dict[str, float], kind: str = "traffic.zone_traffic") -> str:
    document = yaml.safe_load(city("traffic", kind, "1", 5.0))
    document["cameras"][0]["tasks"]["traffic"]["adaptive_fps"] = rates
    return yaml.safe_dump(document)


def test_rates_that_follow_the_scene_are_part_of_the_plan(load_city):
    (plan,) = load_city(adaptive({"idle": 2.0, "near": 10.0})).plans
    (task,) = plan.tasks
    assert (task.least_fps, task.fps, task.most_fps) == (2.0, 5.0, 10.0)
    assert (plan.camera.fps, plan.camera.most_fps) == (5.0, 10.0)
    (plan,) = load_city(adaptive({})).plans
    assert not plan.is_adaptive


def test_check_refuses_a_rate_near_edges_where_there_are_none(load_city):
    document = yaml.safe_load(adaptive({"near": 10.0}, "traffic.congestion"))
    task = document["cameras"][0]["tasks"]["traffic"]
    del task["zones"], task["lines"]
    with pytest.raises(ConfigurationError) as caught:
        load_city(yaml.safe_dump(document))
    assert "neither zones nor lines" in " ".join(str(one) for one in caught.value.problems)


@pytest.mark.parametrize(
    ("rates", "key", "says"),
    [
        ({"idle": 1.5}, "idle", "at `1.5` frames per second the rule traffic.zone_traffic 1 could"),
        ({"idle": 5.0}, "idle", "`5` is not below the usual rate, `5` frames per second"),
        ({"near": 4.0}, "near", "`4` is not above the usual rate, `5` frames per second"),
    ],
)
def test_check_refuses_rates_that_make_no_sense(load_city, rates, key, says):
    with pytest.raises(ConfigurationError) as caught:
        load_city(adaptive(rates))
    (problem,) = caught.value.problems
    assert problem.key == f"cameras[0].tasks.traffic.adaptive_fps.{key}"
    assert says in problem.what


@pytest.mark.parametrize(
    ("task", "kind", "version"), [(one.task, one.kind, one.version) for one in describe_rules()]
)
def test_check_refuses_a_rate_and_names_the_rule_and_the_least_rate(load_city, task, kind, version):
    rule = find_rule(kind, version)
    assert rule is not None
    least_fps = min_fps(rule, rule.Parameters())
    for fps in RATES:
        if fps > least_fps:
            (plan,) = load_city(city(task, kind, version, fps)).plans
            assert [one.version for one in plan.tasks[0].rules] == [version]
            continue
        with pytest.raises(ConfigurationError) as caught:
            load_city(city(task, kind, version, fps))
        (problem,) = caught.value.problems
        assert problem.key == f"cameras[0].tasks.{task}.fps"
        assert f"at `{fps:g}` frames per second the rule {kind} {version}" in problem.what
        assert f"Give more than {least_fps:g}" in problem.remedy
