"""The first page: where what is going on, the worst of it, and which cameras do not see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import func, select

from event_hub.answers import CameraStatus
from event_hub.console.case_view import case_states
from event_hub.console.incidents import best_keyframe, camera_choice
from event_hub.console.markup import camera_name, incident_url, markup, query_url
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.console.place_map import HEIGHT, WIDTH, MapMark, place_map
from event_hub.console.situation import DAY
from event_hub.console.words import SEVERITIES
from event_hub.incidents import IncidentFilter, incident_page
from event_hub.incidents.counts import incident_counts
from event_hub.tables import INCIDENTS

WORST: Final = 8
BLIND_SHOWN: Final = 30
WORST_FIRST: Final = tuple(SEVERITIES)

CityCamera = tuple[str, str]
"""City and camera."""

NAMED_MAX: Final = 16
"""With more cameras on the plan, only those with something to say have their name beside them."""


@dataclass(frozen=True, slots=True)
class CameraMark:
    """A camera on the plan or in a group, with what is going on there.

    Attributes:
        open: How many incidents are open there.
        worst: The worst severity of them; empty without any.
        url: Where to see them, or the camera.
    """

    status: CameraStatus
    open: int
    worst: str
    url: str
    x: float = 0.0
    y: float = 0.0
    is_named: bool = True


class OverviewPage:
    """See `event_hub.console.page.Page`."""

    name = "overview"
    paths: tuple[str, ...] = ("/",)
    slots: Mapping[str, tuple[Slot, ...]] = {
        "numbers": (Slot("tiles", "section"),),
        "map": (Slot("plan", "section"), Slot("places", "section")),
        "aside": (
            Slot("worst-head"),
            Slot("worst", "ol", rows="li"),
            Slot("worst-more"),
            Slot("blind", "section"),
            Slot("kinds", "section"),
        ),
    }

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """The city now, and its last 24 hours."""
        render = markup(visit.language).render
        situation = reading.situation
        worst = incident_page(
            reading.connection, IncidentFilter("open", sees=reading.sees), WORST, order="worst"
        )
        states = case_states(reading.connection, worst.incidents)
        rows = {
            f"{one.city} {one.incident_id}": render(
                "incident_row.html",
                incident=one,
                keyframe=best_keyframe(one),
                url=incident_url(one.city, one.incident_id),
                case_state=states.get((one.city, one.incident_id), ""),
                is_selected=False,
                with_city=situation.has_cities,
            )
            for one in worst.incidents
        }
        open_at = _open_at(reading)
        plan = place_map(situation.cameras)
        marks = _on_plan(plan.marks, open_at)
        groups: dict[str, list[CameraMark]] = defaultdict(list)
        for camera in plan.elsewhere:
            group = camera.camera.place.division or camera.city
            groups[group].append(_mark(camera, open_at))
        parts = {
            "tiles": render("overview_tiles.html", situation=situation),
            "plan": render("overview_map.html", plan=plan, marks=marks, size=(WIDTH, HEIGHT)),
            "places": render("overview_places.html", groups=groups, has_plan=bool(marks)),
            "worst-head": render("overview_worst.html", situation=situation),
            "worst-more": render(
                "overview_more.html", hidden=situation.open - len(worst.incidents)
            ),
            "blind": render(
                "overview_blind.html",
                cameras=situation.blind[:BLIND_SHOWN],
                hidden=len(situation.blind) - BLIND_SHOWN,
                with_city=situation.has_cities,
            ),
            "kinds": render("overview_kinds.html", kinds=_kinds(reading)),
        }
        return Content(visit.language.text("Overview"), parts, {"worst": rows})


def _open_at(reading: CityReading) -> dict[CityCamera, dict[str, int]]:
    """How many incidents are open at each camera, by severity."""
    columns = (INCIDENTS.c.city, INCIDENTS.c.camera, INCIDENTS.c.severity)
    meant = (INCIDENTS.c.is_open == 1, reading.sees.of(INCIDENTS))
    rows = reading.connection.execute(
        select(*columns, func.count()).where(*meant).group_by(*columns)
    )
    found: dict[CityCamera, dict[str, int]] = defaultdict(dict)
    for city, camera, severity, number in rows:
        found[city, camera][severity] = number
    return found


def _kinds(reading: CityReading) -> list[tuple[str, int]]:
    """How many incidents of each kind were opened in the last 24 hours, the most first."""
    opened = IncidentFilter(since=reading.situation.read_at - DAY, sees=reading.sees)
    kinds = incident_counts(reading.connection, opened).kinds
    return sorted(kinds.items(), key=lambda one: (-one[1], one[0]))


def _mark(camera: CameraStatus, open_at: Mapping[CityCamera, Mapping[str, int]]) -> CameraMark:
    # Incidents that name no city are those of the one city that has the camera, see docs/events.md.
    place = (camera.city, camera.camera.id)
    if place not in open_at:
        place = ("", camera.camera.id)
    there = open_at.get(place, {})
    worst = next((name for name in WORST_FIRST if there.get(name)), "")
    url = "/incidents" + query_url({"camera": camera_choice(*place)})
    return CameraMark(camera, sum(there.values()), worst, url)


def _on_plan(
    placed: tuple[MapMark, ...], open_at: Mapping[CityCamera, Mapping[str, int]]
) -> list[CameraMark]:
    """Marks in the order in which they are drawn: those with incidents last, above the others."""
    marks = []
    for spot in placed:
        mark = _mark(spot.camera, open_at)
        is_named = len(placed) <= NAMED_MAX or bool(mark.open)
        marks.append(replace(mark, x=spot.x, y=spot.y, is_named=is_named))
    return sorted(marks, key=lambda one: (one.open > 0, camera_name(one.status.camera)))
