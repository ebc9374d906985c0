"""A dashboard of Grafana: rows of panels, each with its queries, in as few words as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

COLUMNS: Final = 24
HEIGHT: Final = 8
STAT_HEIGHT: Final = 4
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
SCHEMA: Final = 39
"""Of Grafana 10.4; later versions raise it by themselves."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: What it shows.
        queries: Queries in PromQL, each with the legend of its series.
        unit: As Grafana calls it: `short`, `s`, `bytes`, `percentunit`, `ops`, `decbytes`.
        kind: `timeseries`, `stat` or `table`.
        bad: From which value on a number is shown red; None where none is bad.
        says: What a reader has to know beside the title.
    """

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    bad: float | None = None
    says: str = ""

    def as_json(self, number: int, x: int, y: int, width: int, height: int) -> dict[str, Any]:
        """As Grafana keeps it, `width` x `height` cells at column `x` and line `y`."""
        targets = [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
                "instant": self.kind != "timeseries",
                "format": "table" if self.kind == "table" else "time_series",
            }
            for index, (query, legend) in enumerate(self.queries)
        ]
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if self.bad is not None:
            steps.append({"color": "red", "value": self.bad})
        defaults = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.says,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": {},
        }


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; each row of panels is as wide as the page.

    Attributes:
        uid: Names it for links; also the name of its file.
    """

    uid: str
    title: str
    rows: Sequence[Sequence[Panel]]

    def as_json(self) -> dict[str, Any]:
        """As Grafana imports it. The source is chosen on the page."""
        panels: list[dict[str, Any]] = []
        y = 0
        for row in self.rows:
            height = STAT_HEIGHT if all(one.kind == "stat" for one in row) else HEIGHT
            width = COLUMNS // len(row)
            for column, panel in enumerate(row):
                number = len(panels) + 1
                panels.append(panel.as_json(number, column * width, y, width, height))
            y += height
        source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"}
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["cityeye"],
            "schemaVersion": SCHEMA,
            "editable": True,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [source]},
            "panels": panels,
        }
