"""The route that lists what rules there are, as the registry has them."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines.rules import RULE_SETS, describe_rules
from serving.api import rules


def test_the_route_lists_all_rules_with_parameters_and_all_sets():
    app = FastAPI()
    app.include_router(rules.router)
    answer = TestClient(app).get("/rules").json()
    known = describe_rules()
    assert [(one["kind"], one["version"]) for one in answer["rules"]] == [
        (rule.kind, rule.version) for rule in known
    ]
    (density,) = (
        one
        for one in answer["rules"]
        if one["kind"] == "crowding.density" and one["version"] == "1"
    )
    assert density["sets"] == ["crowding/1"]
    (crowded,) = (one for one in density["parameters"] if one["name"] == "max_per_m2")
    assert crowded == {
        "name": "max_per_m2",
        "type": "number",
        "default": 0.3,
        "unit": "1/m2",
        "bounds": {"exclusiveMinimum": 0.0, "maximum": 10.0},
        "choices": [],
        "description": "persons per square metre from which on it is crowded (calibrated cameras)",
    }
    assert answer["sets"].keys() == RULE_SETS.keys()
    assert answer["sets"]["crowding/1"] == [
        {"kind": "crowding.density", "version": "1", "parameters": {}}
    ]
