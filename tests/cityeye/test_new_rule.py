"""A rule that is added as docs/rules.md says is known everywhere, and switched on nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.camera_adapters.clips import write_clip
from tests.cityeye.newer_program import NewerProgram, written
from tests.serving.packages import brightness_package

MODULE = '''"""`crowding.visitor`: somebody is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from pipelines.incident import EndReason
from pipelines.rules.condition import Condition, Explanation
from pipelines.rules.rule import (
    FrameSignals, Identity, Moment, RuleParameters, RuleResult, RuleType,
)
from pipelines.rules.situation import Reading, Situation
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import Track


class VisitorParameters(RuleParameters):
    """When somebody is a visitor."""

    min_height_share: float = Field(default=0.1, gt=0, le=1, description="least height")


class _VisitorWatch:
    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: VisitorParameters
    ) -> None:
        self._least = parameters.min_height_share
        self._situation = Situation(identity, parameters)

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        height = max((track.box.y2 - track.box.y1 for track in tracks), default=None)
        tall = Condition("height", height, self._least)
        reading = Reading(tall.holds, tracks=tracks, conditions=(tall,))
        return RuleResult(self._situation.observe(reading, at))

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        return RuleResult(self._situation.close(reason, at))

    def explain(self, at: Moment) -> Sequence[Explanation]:
        return (self._situation.explain(at),)


VISITOR: Final = RuleType(
    kind="crowding.visitor",
    version="1",
    task="crowding",
    Parameters=VisitorParameters,
    zone=_VisitorWatch,
)
'''
FIRST_IMPORT = "from pipelines.rules.rule import"
IMPORT = "from pipelines.rules.visitor import VISITOR"
IN_THE_REGISTRY = "        for rule in (\n"
OTHERS = """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving.api.rules import router
from tests.pipelines.rules import test_docs
app = FastAPI()
app.include_router(router)
(rule,) = [one for one in TestClient(app).get("/rules").json()["rules"] if "visitor" in one["kind"]]
try:
    test_docs.test_the_page_knows_no_other_rules_and_all_sets()
except AssertionError:
    rule["missing"] = True
import json
print(json.dumps(rule))
"""


@pytest.fixture
def program(tmp_path: Path) -> NewerProgram:
    """This program with one more file, and its name in the registry."""
    registry = written("__init__.py")
    assert IN_THE_REGISTRY in registry
    registry = registry.replace(IN_THE_REGISTRY, f"{IN_THE_REGISTRY}            VISITOR,\n", 1)
    registry = registry.replace(FIRST_IMPORT, f"{IMPORT}\n{FIRST_IMPORT}", 1)
    return NewerProgram(tmp_path / "program", {"__init__.py": registry, "visitor.py": MODULE})


def city(path: Path, rules: object) -> Path:
    brightness_package(path.parent / "packages")
    task = {"model": "brightness", "fps": 5, **({"rules": rules} if rules else {})}
    camera = {"id": "gate", "source": "rtsp://192.0.2.1/live", "tasks": {"crowding": task}}
    models = {"path": str(path.parent / "packages")}
    path.write_text(yaml.safe_dump({"cameras": [camera], "models": models, "hub": {}}), "utf-8")
    return path


@pytest.mark.slow
def test_check_replay_command_line_api_and_docs_know_a_rule_of_one_more_file(program, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    named = city(tmp_path / "a" / "named.yaml", {"crowding.visitor": {"confirm_s": 0.4}})
    wrong = city(tmp_path / "b" / "wrong.yaml", {"crowding.visitor": {"min_height_share": 2}})
    clip, out = write_clip(tmp_path / "yard.mp4", width=640, height=480).path, tmp_path / "o.jsonl"
    replay = ["replay", str(clip), "--camera", f"{named}#gate", "--why", "picture@2"]
    checked, refused, replayed, shown = program.run(
        ["check", str(named)],
        ["check", str(wrong)],
        [*replay, "--json", str(out)],
        ["rules", "show", "crowding.visitor"],
    )
    assert checked[0] == 0
    assert "Rules: crowding.visitor 1 (the newest, kept from the next start on)." in checked[1]
    assert refused[0] == 1
    assert "crowding.visitor.min_height_share: `2` is above 1. Give least height" in refused[1]
    assert replayed[0] == 0, replayed[1]
    assert "crowding.visitor 1: fired; open" in replayed[1]
    assert "must be at least 0.1: yes" in replayed[1]
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {one["rule"] for one in lines if one["type"] == "incident"} == {"crowding.visitor/1"}
    assert "Somebody is there." in shown[1]
    assert "number, default 0.1, above 0, at most 1" in shown[1]
    rule = json.loads(program.evaluate(OTHERS))
    assert rule.get("missing"), "the test of the page asks for its section"
    assert (rule["version"], rule["sets"]) == ("1", [])
    (own,) = [one for one in rule["parameters"] if one["name"] == "min_height_share"]
    assert (own["unit"], own["bounds"]) == ("1", {"exclusiveMinimum": 0.0, "maximum": 1.0})
