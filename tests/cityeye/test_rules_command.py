"""`cityeye rules`: what there is, for people and as JSON."""

from __future__ import annotations

import json

from cityeye.cli import main
from pipelines.rules import RULE_SETS, RULES, versions_of


def test_the_list_has_every_kind_and_every_set(capsys):
    assert main(["rules", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines.keys() == {*RULES, *RULE_SETS}
    versions = ", ".join(reversed(versions_of("crowding.density")))
    assert f" versions {versions}; " in lines["crowding.density"]
    assert "crowding.density 1" in lines["crowding/1"]


def test_a_rule_is_shown_with_units_and_limits(capsys):
    assert main(["rules", "show", "crowding.density", "--version", "1"]) == 0
    out = capsys.readouterr().out
    assert "works at zones\n" in out
    assert "in the sets: crowding/1\n" in out
    assert "  confirm_s: seconds it must go on until it is an incident\n" in out
    assert "    number, default 5 s, at least 0 s, at most 3600 s\n" in out
    assert main(["rules", "show", "crowding.density", "--json"]) == 0
    (rule,) = json.loads(capsys.readouterr().out)
    assert rule["version"] == RULES["crowding.density"].version


def test_what_there_is_not_is_an_error_with_a_choice(capsys):
    assert main(["rules", "show", "crowding.desnity"]) == 1
    assert "choose from crowding.density" in capsys.readouterr().err
    assert main(["rules", "show", "crowding.density", "--version", "77"]) == 1
    assert "has no version 77; it has " in capsys.readouterr().err
