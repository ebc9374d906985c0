"""The table of all metrics in `docs/metrics.md`, and what servers export in the same terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

PAGE: Final = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text("utf-8")
SECTIONS: Final = {"cityeye": ("Control API", "Both"), "cityeye-hub": ("Event hub", "Both")}
"""Sections of the page by job."""
HIDDEN: Final = frozenset({"le", "quantile"})


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric: its type and its labels."""

    type: str
    labels: frozenset[str]


def table(job: str) -> dict[str, MetricRow]:
    """The metrics that a job exports according to the page, by name."""
    rows = {}
    for section in SECTIONS[job]:
        text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
        for line in text.splitlines():
            if line.startswith("| `"):
                name, kind, labels = (cell.strip() for cell in line.split("|")[1:4])
                found = frozenset(label.strip(" `") for label in labels.split(",") if label)
                rows[name.strip("`")] = MetricRow(kind, found)
    return rows


def exported(text: str) -> dict[str, MetricRow]:
    """The metrics of an exposition that have samples, by name."""
    rows = {}
    for family in text_string_to_metric_families(text):
        labels = {label for sample in family.samples for label in sample.labels}
        if not family.samples or _is_created(family.name):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows[name] = MetricRow(family.type, frozenset(labels - HIDDEN))
    return rows


def series(text: str) -> Mapping[str, list[Mapping[str, str]]]:
    """The labels of every series of an exposition, by name of the family."""
    return {
        family.name: [sample.labels for sample in family.samples]
        for family in text_string_to_metric_families(text)
        if not _is_created(family.name)
    }


def _is_created(name: str) -> bool:
    return name.endswith("_created")
