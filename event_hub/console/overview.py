"""The first page: where what is going on, the worst of it, and which cameras do not see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from event_hub.console.camera_marks import (
    CameraMark,
    OpenIncidents,
    camera_mark,
    open_incidents,
)
from event_hub.console.case_view import case_states
from event_hub.console.incidents import best_keyframe
from event_hub.console.markup import camera_name, incident_url, markup
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.console.place_map import HEIGHT, WIDTH, MapMark, place_map
from event_hub.console.situation import DAY
from event_hub.incidents import IncidentFilter, incident_page
from event_hub.incidents.counts import incident_counts
from event_hub.map_tiles import MapTiles

WORST: Final = 8
BLIND_SHOWN: Final = 30

LABEL_CHARS: Final = 18
HALF_CHAR: Final = 6.8
"""Half the width of a wide character in a name."""

NAMED_MAX: Final = 16
"""With more cameras on the plan, only those with something to say have their name beside them."""


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

    def __init__(self, map_tiles: MapTiles | None = None) -> None:
        """`map_tiles` lie behind the plan; nothing does without them."""
        self._tiles = map_tiles

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
        open_at = open_incidents(reading.connection, reading.sees)
        plan = place_map(situation.cameras, self._tiles)
        marks = _on_plan(plan.marks, open_at)
        groups: dict[str, list[CameraMark]] = defaultdict(list)
        for camera in plan.elsewhere:
            group = camera.camera.place.division or camera.city
            groups[group].append(camera_mark(camera, open_at))
        parts = {
            "tiles": render("overview_tiles.html", situation=situation),
            "plan": render(
                "overview_map.html",
                plan=plan,
                marks=marks,
                size=(WIDTH, HEIGHT),
                attribution=self._tiles.attribution if self._tiles else "",
            ),
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
            "kinds": render("overview_kinds.html", kinds=_kinds(reading, visit)),
        }
        return Content(visit.language.text("Overview"), parts, {"worst": rows})


def _kinds(reading: CityReading, visit: Visit) -> list[tuple[str, int]]:
    """How many incidents of each kind were opened in the last 24 hours, the most first."""
    opened = IncidentFilter(since=reading.situation.read_at - DAY, sees=reading.sees)
    kinds = incident_counts(reading.connection, opened).kinds
    return sorted(kinds.items(), key=lambda one: (-one[1], one[0]))


def _on_plan(placed: tuple[MapMark, ...], open_at: OpenIncidents) -> list[CameraMark]:
    """Marks in the order in which they are drawn: those with incidents last, above the others."""
    marks = []
    for spot in placed:
        mark = camera_mark(spot.camera, open_at)
        is_named = len(placed) <= NAMED_MAX or bool(mark.open)
        half = min(LABEL_CHARS, len(camera_name(spot.camera.camera))) * HALF_CHAR
        label_x = min(WIDTH - half, max(half, spot.x))
        marks.append(replace(mark, x=spot.x, y=spot.y, is_named=is_named, label_x=label_x))
    return sorted(marks, key=lambda one: (one.open > 0, camera_name(one.status.camera)))
