"""The files of this folder that are made of others, so that nothing has to be written twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import yaml

from k8s.monitoring.boards import BOARDS

FOLDER: Final = Path(__file__).parent
RULE_HEAD: Final = """\
# The groups of alerts.yaml for the Prometheus operator, written by `python -m k8s.monitoring`.
"""


def generated() -> dict[Path, str]:
    """Every generated file with its content."""
    boards = {
        FOLDER / "dashboards" / f"{board.uid}.json": json.dumps(board.as_json(), indent=2) + "\n"
        for board in BOARDS
    }
    return {**boards, FOLDER / "prometheus-rule.yaml": RULE_HEAD + _prometheus_rule()}


def _prometheus_rule() -> str:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "cityeye"},
        "spec": {"groups": groups},
    }
    return yaml.safe_dump(rule, sort_keys=False, width=120)
