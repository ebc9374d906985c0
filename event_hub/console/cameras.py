"""The page of cameras: what each does, since when and why, and how much it was able to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from event_hub.answers import CameraStatus
from event_hub.console.camera_marks import camera_mark, open_incidents
from event_hub.console.coverage import camera_coverage
from event_hub.console.markup import camera_api, camera_name, markup, query_url
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.console.script_texts import task_names
from event_hub.incident_words import plain
from pipelines.access import Scope

ROWS: Final = 200
LIVE_WIDTH: Final = 640
EXAMPLE: Final = "rtsp://10.0.0.12/stream1"


class CamerasPage:
    """See `event_hub.console.page.Page`."""

    name = "cameras"
    paths: tuple[str, ...] = ("/cameras",)
    slots: Mapping[str, tuple[Slot, ...]] = {
        "all": (
            Slot("camera-head", "form"),
            Slot("camera-adding"),
            Slot("cameras", "ol", rows="li"),
            Slot("camera-more"),
        )
    }

    def __init__(self, live_city: str | None = None) -> None:
        """`live_city` is the one whose cameras give live images; None where none does."""
        self._live_city = live_city

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """The cameras that fit, those that do not watch first."""
        render = markup(visit.language).render
        situation = reading.situation
        shown = [one for one in situation.cameras if _fits(one, visit.query)]
        shown.sort(key=_blind_first)
        open_at = open_incidents(reading.connection, reading.sees)
        is_wall = self._live_city is not None and visit.query.get("view") == "live"
        if is_wall:
            shown = [one for one in shown if one.city == self._live_city]
            rows = {
                f"{one.city} {one.camera.id}": render(
                    "camera_card.html", mark=camera_mark(one, open_at), live=_live_url(one)
                )
                for one in shown[:ROWS]
            }
        else:
            coverage = camera_coverage(reading.connection, situation.read_at, reading.sees)
            rows = {
                f"{one.city} {one.camera.id}": render(
                    "camera_row.html",
                    mark=camera_mark(one, open_at),
                    coverage=coverage.get((one.city, one.camera.id)),
                    with_city=situation.has_cities,
                )
                for one in shown[:ROWS]
            }
        parts = {
            "camera-head": render(
                "camera_head.html",
                text=visit.query.get("text", ""),
                only_blind=visit.query.get("show") == "blind",
                situation=situation,
                has_wall=self._live_city is not None,
                is_wall=is_wall,
                other_view=_other_view(visit.query, is_wall),
            ),
            "camera-adding": self._adding(visit),
            "camera-more": render(
                "camera_more.html",
                hidden=len(shown) - ROWS,
                is_empty=not shown,
                is_filtered=bool(visit.query),
            ),
        }
        return Content(visit.language.text("Cameras"), parts, {"cameras": rows})

    def _adding(self, visit: Visit) -> str:
        """Forms to add cameras, for who may; whoever is limited to groups may not."""
        if self._live_city is None or visit.groups or not visit.scope.allows(Scope.ENGINEER):
            return ""
        return markup(visit.language).render(
            "camera_adding.html",
            api=camera_api(self._live_city),
            tasks=task_names(visit.language),
            transports=("tcp", "udp"),
            example=EXAMPLE,
        )


def _live_url(status: CameraStatus) -> str:
    return f"{camera_api(status.city, status.camera.id)}/frame.jpg?width={LIVE_WIDTH}"


def _other_view(query: Mapping[str, str], is_wall: bool) -> str:
    kept = {name: query.get(name, "") for name in ("text", "show")}
    return "/cameras" + query_url({**kept, "view": "" if is_wall else "live"})


def _fits(status: CameraStatus, query: Mapping[str, str]) -> bool:
    if query.get("show") == "blind" and status.state == "online":
        return False
    camera = status.camera
    words = plain(f"{camera.id} {camera.name} {camera.place.division} {status.city}")
    return all(one in words for one in plain(query.get("text", "")).split())


def _blind_first(status: CameraStatus) -> tuple[bool, str, str]:
    return status.state == "online", status.city, camera_name(status.camera)
