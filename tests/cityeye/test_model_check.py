"""`cityeye models check`, `list` and `show`: the result, its measurements, and what may serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cityeye.cli
from cityeye.cli import main
from tests.model_tools.hostile_packages import describe, good_package, network_package, write


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """The process's logging belongs to pytest."""
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)


@pytest.fixture
def repository(tmp_path) -> Path:
    network_package(tmp_path, "street")
    describe(good_package(tmp_path, "broken"), sha256="0" * 64)
    write(good_package(tmp_path, "sloppy"), "labels.txt", "person\ncar\n")
    good_package(tmp_path, "fresh")
    return tmp_path


def test_a_good_version_is_checked_listed_and_shown(capsys, repository, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    json_file = repository / "report.json"
    arguments = ["--path", str(repository), "--provider", "cpu", "--json", str(json_file)]
    assert main(["models", "check", "street", *arguments]) == 0
    said = capsys.readouterr().out
    assert said.startswith("  reading the files …\n  comparing checksums …\n")
    assert "\nstreet/1 is admitted\n  ran on cpu (asked for cpu) with 1 thread, " in said
    assert "\n  batch of 4: " in said
    kept = json.loads((repository / "street" / "1" / "admission.json").read_text())
    assert json.loads(json_file.read_text()) == kept
    assert main(["models", "check", "sloppy/1", *arguments[:4]]) == 1
    assert main(["models", "check", "broken/1", *arguments[:4]]) == 1
    said = capsys.readouterr().out
    assert "sloppy/1 is refused: gives class 2, labels.txt names 2 classes\n" in said
    assert "broken/1 is refused: " in said
    assert "the manifest says 000000000000…" in said

    assert main(["models", "list", "--path", str(repository)]) == 0
    states = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert states["street/1"].rstrip().endswith(" admitted")
    assert states["fresh/1"].rstrip().endswith(" not admitted")
    assert states["sloppy/1"].rstrip().endswith(" refused")
    assert "unusable: model broken/1: " in states["broken/1"]

    assert main(["models", "show", "street/1", "--path", str(repository)]) == 0
    shown = capsys.readouterr().out
    manifest, report, card = (shown.index(one) for one in ("name: street", "admitted", "# Tiny"))
    assert manifest < report < card
    assert "  agreement      passed  the golden rows within 0.01 px and 0.001\n" in shown
    assert main(["models", "show", "sloppy", "--path", str(repository)]) == 0
    assert "\nsloppy/1 is refused: gives class 2" in capsys.readouterr().out
    assert main(["models", "show", "fresh", "--path", str(repository)]) == 0
    assert "fresh/1 is not admitted: unchecked; run `cityeye models" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["../escape", "fresh/../../x", "fresh/9", "/etc/passwd", "fresh\n"]
)
def test_a_name_cannot_leave_the_repository(capsys, repository, name):
    before = sorted(repository.rglob("*"))
    assert main(["models", "check", name, "--path", str(repository)]) == 1
    assert "not in the model repository" in capsys.readouterr().err
    assert sorted(repository.rglob("*")) == before


def test_a_card_cannot_steer_the_terminal(capsys, repository):
    write(repository / "fresh" / "1", "CARD.md", "# \x1b[2J\x1b]0;title\x07 card\n")
    assert main(["models", "show", "fresh", "--path", str(repository)]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "# ?[2J?]0;title? card" in said


@pytest.mark.slow
def test_a_check_from_anywhere_writes_nothing_but_the_report(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    before = set(repository.rglob("*"))
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-B", "-m", "cityeye", "models", "check", "fresh", "--path", repository],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root, "HOME": str(folder), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fresh/1 is admitted" in done.stdout
    assert list(folder.iterdir()) == []
    assert {one.name for one in set(repository.rglob("*")) - before} == {"admission.json"}
