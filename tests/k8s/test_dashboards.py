"""Dashboards: the files are what they are made of, and ask for what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.monitoring.boards import BOARDS
from k8s.monitoring.files import generated
from tests.k8s.prometheus import ALERTS, FOLDER, faults

FILES = sorted((FOLDER / "dashboards").glob("*.json"))


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["panels"]
    return found


def test_files_are_what_they_are_made_of() -> None:
    assert {path.stem for path in FILES} == {board.uid for board in BOARDS}
    for path, text in generated().items():
        assert path.read_text("utf-8") == text, f"{path.name}: run `python -m k8s.monitoring`"


def test_the_operator_of_prometheus_gets_the_same_alerts() -> None:
    rule = yaml.safe_load((FOLDER / "prometheus-rule.yaml").read_text("utf-8"))
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_query_asks_for_what_the_table_has(path: Path) -> None:
    for panel in panels(path):
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert list(faults(target["expr"])) == [], panel["title"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_lie_beside_each_other(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(path):
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in panels(path)]
    assert len(set(numbers)) == len(numbers)
