"""A city keeps the rules that it began with, whatever the program has besides by then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cityeye.cli import main
from cityeye.config import ConfigurationError, KeptRulesError, load_config
from pipelines.rules import RULES, default_set
from pipelines.rules.sets import newest_set
from tests.camera_adapters.clips import write_clip
from tests.cityeye.newer_program import NewerProgram, written
from tests.serving.packages import brightness_package

NEWER_RULE = """

from dataclasses import replace

_EAGER = replace(RULES["crowding.density"], version="99")
RULES = {**RULES, "crowding.density": _EAGER}
_BY_VERSION = {**_BY_VERSION, ("crowding.density", "99"): _EAGER}
"""
NEWER_SET = """

RULE_SETS = {**RULE_SETS, "crowding/99": (
    PinnedRule("crowding.density", "99", {"min_persons": 1, "confirm_s": 0.5}),
)}
"""


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A city that finds a crowd by the rules of its set alone."""
    brightness_package(tmp_path / "packages")
    return write(tmp_path / "city.yaml", {})


def write(path: Path, more: dict[str, Any]) -> Path:
    tasks = {"crowding": {"model": "brightness", "fps": 5, **more}}
    document = {
        "cameras": [{"id": "gate", "source": "rtsp://192.0.2.1/live", "tasks": tasks}],
        "models": {"path": str(path.parent / "packages")},
        "hub": {},
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def start(path: Path) -> None:
    """What a city does with its rules when it starts."""
    load_config(path, {}).keep_rules()


def kept(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((path.parent / "var" / "rules.json").read_text("utf-8"))
    return content


def versions(path: Path) -> list[tuple[str, str]]:
    (plan,) = load_config(path, {}).plans
    return [(rule.kind, rule.version) for task in plan.tasks for rule in task.rules]


def test_a_new_version_of_the_program_does_not_change_what_a_running_city_reports(city, tmp_path):
    clip = write_clip(tmp_path / "yard.mp4", width=640, height=480).path
    start(city)
    before, after, taken = (tmp_path / f"{name}.jsonl" for name in ("before", "after", "taken"))
    replay = ["replay", str(clip), "--camera"]
    assert main([*replay, f"{city}#gate", "--json", str(before)]) == 0
    newer = write(tmp_path / "newer.yaml", {"rule_set": "crowding/99"})
    program = NewerProgram(
        tmp_path / "program",
        {
            "__init__.py": written("__init__.py") + NEWER_RULE,
            "sets.py": written("sets.py") + NEWER_SET,
        },
    )
    said = program.run(
        ["check", str(city)],
        [*replay, f"{city}#gate", "--json", str(after)],
        ["check", str(newer)],
        [*replay, f"{newer}#gate", "--json", str(taken)],
    )
    assert [status for status, _ in said] == [0, 0, 0, 0], said
    own = default_set("crowding")
    assert f"Rule sets: {own} (kept)." in said[0][1]
    assert (
        f"crowding/99 (crowding.density 99) is there; {own} stays until a task says "
        "`rule_set: crowding/99`.\n"
    ) in said[0][1]
    assert after.read_bytes() == before.read_bytes()
    assert "crowding/99 (named)" in said[2][1]
    assert "is there" not in said[2][1]
    found = [json.loads(line) for line in taken.read_text("utf-8").splitlines()]
    assert "crowding.density/99" in {one["rule"] for one in found if one["type"] == "incident"}


def test_a_city_gets_the_newest_rules_at_its_first_start_and_no_file_before(city, capsys):
    assert main(["check", str(city)]) == 0
    newest = newest_set("crowding")
    said = f"Rule sets: {newest} (the newest, kept from the next start on)."
    assert said in capsys.readouterr().out
    assert not (city.parent / "var").exists()
    start(city)
    assert kept(city) == {"schema_version": 1, "sets": {"crowding": newest}, "versions": {}}
    before = (city.parent / "var" / "rules.json").stat()
    start(city)
    after = (city.parent / "var" / "rules.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_rule_that_is_named_without_version_is_kept_in_its_own(city):
    write(city, {"rules": {"crowding.density": {"min_persons": 3}}})
    start(city)
    newest = RULES["crowding.density"].version
    assert kept(city)["versions"] == {"crowding.density": newest}
    file = city.parent / "var" / "rules.json"
    file.write_text(json.dumps({"sets": {}, "versions": {"crowding.density": "1"}}), "utf-8")
    assert versions(city) == [("crowding.density", "1")]
    write(city, {"rules": {"crowding.density": {"version": newest}}})
    assert versions(city) == [("crowding.density", newest)]


def test_a_city_of_a_program_before_has_the_first_version_of_everything(city):
    outbox = city.parent / "var" / "worker-1" / "outbox.db"
    outbox.parent.mkdir(parents=True)
    outbox.touch()
    assert versions(city) == [("crowding.density", "1")]
    write(city, {"rules": {"crowding.density": None}})
    assert versions(city) == [("crowding.density", "1")]
    start(city)
    assert kept(city)["sets"]["crowding"] == "crowding/1"
    assert kept(city)["versions"]["crowding.density"] == "1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read: it is damaged. Put it back from a backup"),
        ('{"sets": {"crowding": 1}, "versions": {}}', "cannot be read: it is damaged"),
        ('{"sets": {"crowding": "crowding/98"}, "versions": {}}', "does not know the rule set"),
        ("x" * 2**21, "is too large"),
    ],
)
def test_what_cannot_be_known_is_an_error_and_no_other_set_of_rules(city, content, said, capsys):
    start(city)
    (city.parent / "var" / "rules.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said):
        load_config(city, {})
    assert main(["check", str(city)]) == 1
    assert said in capsys.readouterr().out


def test_a_city_does_not_start_where_its_rules_cannot_be_kept(city):
    config = load_config(city, {})
    (city.parent / "var" / "rules.json").mkdir(parents=True)
    with pytest.raises(KeptRulesError, match="cannot be written"):
        config.keep_rules()
