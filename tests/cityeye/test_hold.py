"""`cityeye hold`: evidence that is kept, from the command line."""

from __future__ import annotations

import pytest

from cityeye.cli import main
from pipelines.delivery.holds import Holds


def test_an_incident_is_held_listed_and_released(tmp_path, capsys):
    state = ["--state", str(tmp_path)]
    assert main(["hold", "add", "i-1", "--reason", "accident", *state]) == 0
    assert [one.incident for one in Holds(tmp_path).all()] == ["i-1"]
    assert main(["hold", "list", *state]) == 0
    assert "accident" in capsys.readouterr().out
    assert main(["hold", "release", "i-1", *state]) == 0
    assert Holds(tmp_path).all() == []
    assert main(["hold", "release", "i-1", *state]) == 1
    assert "i-1 is not held" in capsys.readouterr().err


def test_a_hold_needs_a_city_and_an_id(tmp_path, capsys):
    assert main(["hold", "add", "i-1", "--reason", "x", "--state", str(tmp_path / "no")]) == 1
    assert "start the city once, or name its file" in capsys.readouterr().err
    assert main(["hold", "add", " ", "--reason", "x", "--state", str(tmp_path)]) == 1
    assert "no incident id" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["add", "list", "release"])
def test_the_help_says_what_it_does(command, capsys):
    assert main(["hold", command, "--help"]) == 0
    assert "incident" in capsys.readouterr().out
