"""One place for all `models` commands; the list with accuracy; versions that go unless needed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import cityeye.cli
from cityeye.cli import main
from cityeye.model_place import models_folder
from serving.rollout import Rollout
from serving.rollout.rollouts import save_rollouts
from tests.cityeye.conftest import write_package

CITY = """\
cameras: [{{id: gate, source: rtsp://10.0.0.5/live, tasks: {{traffic: {{model: {model}}}}}}}]
hub: {{}}
models: {{path: own}}
"""


@pytest.fixture
def folder(tmp_path, packages, monkeypatch) -> Path:
    """An empty folder to be in, and `packages` to take copies of."""
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CITYEYE_MODELS", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def said(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main(["models", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def where(capsys) -> str:
    status, _, err = said(capsys, "list")
    assert status == 0
    return err.strip().removeprefix("in ")


def test_all_commands_mean_the_same_place(folder, packages, capsys, monkeypatch):
    assert where(capsys).endswith("models/builtin")
    assert models_folder(None, {}) == Path("packages")
    shutil.copytree(packages, folder / "packages")
    assert where(capsys) == "packages"
    shutil.copytree(packages, folder / "own")
    (folder / "city.yaml").write_text(CITY.format(model="traffic"))
    assert where(capsys) == str(folder / "own")
    assert models_folder(None, {}) == folder / "own"
    monkeypatch.setenv("CITYEYE_MODELS", str(folder / "packages"))
    assert where(capsys) == str(folder / "packages")
    assert said(capsys, "list", "--path", str(packages))[2].strip() == f"in {packages}"


def test_a_configuration_with_built_in_models_names_no_other_place(folder, packages, capsys):
    (folder / "city.yaml").write_text(
        CITY.format(model="traffic").replace("models: {path: own}", "")
    )
    assert where(capsys).endswith("models/builtin")


def test_the_list_is_short_and_has_the_accuracy(folder, capsys):
    status, out, _ = said(capsys, "list")
    assert status == 0
    head, *rows = out.splitlines()
    assert head.split() == ["model", "tasks", "input", "labels", "accuracy", "state"]
    assert {row.split()[0] for row in rows} >= {"traffic/1", "crowding/1", "littering/1"}
    assert any("AP50 0.79" in row and "when it was built" in row for row in rows)
    assert max(map(len, rows)) < 140


@pytest.fixture
def own(folder, packages) -> Path:
    shutil.copytree(packages, folder / "own")
    write_package(folder / "own" / "traffic" / "3")
    return folder / "own" / "traffic"


def test_a_version_goes_for_good(own, capsys):
    status, out, _ = said(capsys, "rm", "traffic/3", "--path", "own")
    assert (status, out) == (0, "traffic/3 is removed from own\n")
    assert sorted(one.name for one in own.iterdir()) == ["1", "2"]
    status, _, err = said(capsys, "rm", "traffic/3", "--path", "own")
    assert (status, "model traffic/3: not in" in err) == (1, True)
    assert said(capsys, "rm", "littering/1", "--path", "own")[0] == 0
    assert not (own.parent / "littering").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["rm", "traffic", "--path", "own"], "name the version too"),
        (["rm", "traffic/1"], "the built-in packages stay"),
        (["rm", "pond/1", "--path", "own"], "model pond/1: not in"),
    ],
)
def test_what_stays_says_why(own, capsys, arguments, why):
    status, _, err = said(capsys, *arguments)
    assert (status, why in err) == (1, True), err


def test_what_a_city_needs_stays(own, folder, capsys):
    (folder / "city.yaml").write_text(CITY.format(model="traffic/1"))
    status, _, err = said(capsys, "rm", "traffic/1")
    assert (status, "camera gate of city.yaml names this version" in err) == (1, True)
    table = Rollout(model="traffic", stable="2", previous="1", shadow="")
    save_rollouts(folder / "var", {"traffic": table})
    (folder / "city.yaml").write_text(CITY.format(model="traffic"))
    status, _, err = said(capsys, "rm", "traffic/1")
    assert (status, "it is the version to go back to in the city of city.yaml" in err) == (1, True)
    status, _, err = said(capsys, "rm", "traffic/2")
    assert (status, "it is stable in the city of city.yaml" in err) == (1, True)
    assert said(capsys, "rm", "traffic/3")[0] == 0
    (folder / "city.yaml").write_text("cameras: [")
    status, _, err = said(capsys, "rm", "traffic/1", "--path", "own")
    assert (status, "is not known; `cityeye check city.yaml`" in err) == (1, True)
    assert (own / "1").is_dir()
