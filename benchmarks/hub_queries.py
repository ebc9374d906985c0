"""What people ask of a hub, by name: each a path, with other values each time that it is asked."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlencode

from benchmarks.hub_events import CAMERAS, END, KINDS, MEASURED, ZONES, camera

HubQuery = Callable[[random.Random, "KnownIncidents"], str]


class KnownIncidents:
    """Ids of incidents and ends of pages that a hub has named."""

    def __init__(self, ids: list[str], page_ends: list[str]) -> None:
        self.ids = ids
        self.page_ends = page_ends


def _incidents(**query: str) -> str:
    return f"/api/incidents?{urlencode(query)}"


def _camera(chance: random.Random) -> str:
    return camera(chance.randrange(CAMERAS)).id


def _since(days: float) -> dict[str, str]:
    return {"since": (END - timedelta(days=days)).isoformat(), "until": END.isoformat()}


def _statistics(path: str, **query: str) -> str:
    return f"/api/statistics/{path}?{urlencode({'time_zone': 'Asia/Shanghai', **query})}"


QUERIES: Final[dict[str, HubQuery]] = {
    "list: newest": lambda *_: _incidents(),
    "list: open, worst first": lambda *_: _incidents(state="open", order="worst", limit="200"),
    "list: all, worst first": lambda *_: _incidents(order="worst"),
    "list: a page far on": lambda chance, known: _incidents(before=chance.choice(known.page_ends)),
    "filter: kind and camera": lambda chance, _: _incidents(
        kind=chance.choice(KINDS), camera=_camera(chance)
    ),
    "filter: severity, zone, time": lambda chance, _: _incidents(
        severity="critical", zone=chance.choice(ZONES), **_since(chance.uniform(1, 50))
    ),
    "filter: model version, worst first": lambda chance, _: _incidents(
        model="street", model_version=str(chance.randrange(5)), order="worst"
    ),
    "filter: text": lambda chance, _: _incidents(
        text=f"{chance.choice(ZONES)} queue_m {chance.randrange(200)}"
    ),
    "filter: text that is nowhere": lambda *_: _incidents(text="nothing of the sort"),
    "count: all": lambda *_: "/api/incident-counts",
    "count: camera and severity": lambda chance, _: (
        "/api/incident-counts?" + urlencode({"camera": _camera(chance), "severity": "high"})
    ),
    "detail: an incident": lambda chance, known: (
        f"/api/incidents/{quote(chance.choice(known.ids))}"
    ),
    "statistics: days of a month": lambda *_: _statistics("timeline", step="day", **_since(30)),
    "statistics: hours of a week": lambda *_: _statistics("timeline", **_since(7)),
    "statistics: by zone": lambda *_: "/api/statistics/incidents?by=zone",
    "statistics: places of a month": lambda *_: "/api/statistics/places?" + urlencode(_since(30)),
    "statistics: flow of a camera": lambda chance, _: _statistics(
        "measurements", kind="traffic.flow", camera=_camera(chance), **_since(1)
    ),
    "statistics: flow of all cameras": lambda *_: _statistics(
        "measurements", kind="traffic.flow", **_since(1)
    ),
    "measurements: of a camera": lambda chance, _: (
        "/api/measurements?"
        + urlencode({"kind": chance.choice(MEASURED)[0], "camera": _camera(chance)})
    ),
    "cameras": lambda *_: "/api/cameras",
}
