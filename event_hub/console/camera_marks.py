"""Cameras with what is going on at each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from event_hub.answers import CameraStatus
from event_hub.console.incidents import camera_choice
from event_hub.console.markup import query_url
from event_hub.console.words import SEVERITIES
from event_hub.people.visible import Visible
from event_hub.tables import INCIDENTS

WORST_FIRST: Final = tuple(SEVERITIES)

CityCamera = tuple[str, str]
"""City and camera."""

OpenIncidents = Mapping[CityCamera, Mapping[str, int]]
"""How many are open at each camera, by severity."""


@dataclass(frozen=True, slots=True)
class CameraMark:
    """A camera with what is going on there.

    Attributes:
        open: How many incidents are open there.
        worst: The worst severity of them; empty without any.
        url: Where to see them.
        x: Where it stands on the plan, as in `place_map`.
        is_named: Whether its name stands beside it.
        label_x: Where the middle of its name is, so that it lies on the plan.
    """

    status: CameraStatus
    open: int
    worst: str
    url: str
    x: float = 0.0
    y: float = 0.0
    is_named: bool = True
    label_x: float = 0.0


def open_incidents(connection: Connection, sees: Visible) -> OpenIncidents:
    """Counts of those that go on."""
    columns = (INCIDENTS.c.city, INCIDENTS.c.camera, INCIDENTS.c.severity)
    rows = connection.execute(
        select(*columns, func.count())
        .where(INCIDENTS.c.is_open == 1, sees.of(INCIDENTS))
        .group_by(*columns)
    )
    found: dict[CityCamera, dict[str, int]] = defaultdict(dict)
    for city, camera, severity, number in rows:
        found[city, camera][severity] = number
    return found


def camera_mark(camera: CameraStatus, open_at: OpenIncidents) -> CameraMark:
    """A camera, without its place on the plan."""
    # Incidents that name no city are those of the one city that has the camera, see docs/events.md.
    place = (camera.city, camera.camera.id)
    if place not in open_at:
        place = ("", camera.camera.id)
    there = open_at.get(place, {})
    worst = next((name for name in WORST_FIRST if there.get(name)), "")
    url = "/incidents" + query_url({"camera": camera_choice(*place)})
    return CameraMark(camera, sum(there.values()), worst, url)
