"""Alerts, dashboards and Prometheus itself, as the tests of this package use them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.metrics_table import MetricRow, table

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "k8s" / "monitoring"
ALERTS: Final = FOLDER / "alerts.yaml"
SUFFIXES: Final = {
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}
SELECTOR: Final = re.compile(r"\b((?:cityeye|process)_\w+|up)\b(?:\{([^}]*)\})?")
GROUPING: Final = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
TARGET_LABELS: Final = frozenset({"job", "instance"})


def installed(program: str) -> str:
    """The path of `prometheus` or `promtool`; skips the test where it may be missing."""
    found = shutil.which(program)
    if found is None:
        reason = f"{program}, which comes with Debian's prometheus, is not installed here"
        if os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1":
            pytest.fail(f"{reason}; install .ci/apt-packages.txt")
        pytest.skip(reason)
    return found


def alerts() -> list[dict[str, Any]]:
    """All rules."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def series_names() -> dict[str, MetricRow]:
    """What a query may name, from the table: histograms and summaries by their parts."""
    names = {"up": MetricRow("gauge", TARGET_LABELS)}
    for job in ("cityeye", "cityeye-hub"):
        for name, row in table(job).items():
            parts = [name + suffix for suffix in SUFFIXES.get(row.type, ("",))]
            extra = {"le"} if row.type == "histogram" else set()
            for part in parts:
                names[part] = MetricRow(row.type, row.labels | TARGET_LABELS | extra)
    return names


def faults(query: str) -> Iterator[str]:
    """What of a query is not in the table."""
    known = series_names()
    labels: set[str] = set()
    for name, matchers in SELECTOR.findall(query):
        if name not in known:
            yield f"there is no metric {name}"
            continue
        labels |= known[name].labels
        for label in re.findall(r"(\w+)\s*[=!]", matchers):
            if label not in known[name].labels:
                yield f"{name} has no label {label}"
    for names in GROUPING.findall(query):
        for label in filter(None, (one.strip() for one in names.split(","))):
            if label not in labels:
                yield f"none of its metrics has a label {label}"
