"""The page of cameras: what each does, since when and why, and how much it was able to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from event_hub.answers import CameraStatus
from event_hub.console.camera_marks import camera_mark, open_incidents
from event_hub.console.coverage import camera_coverage
from event_hub.console.markup import camera_name, markup
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.incident_words import plain

ROWS: Final = 200


class CamerasPage:
    """See `event_hub.console.page.Page`."""

    name = "cameras"
    paths: tuple[str, ...] = ("/cameras",)
    slots: Mapping[str, tuple[Slot, ...]] = {
        "all": (
            Slot("camera-head", "form"),
            Slot("cameras", "ol", rows="li"),
            Slot("camera-more"),
        )
    }

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """The cameras that fit, those that do not watch first."""
        render = markup(visit.language).render
        situation = reading.situation
        shown = [one for one in situation.cameras if _fits(one, visit.query)]
        shown.sort(key=_blind_first)
        open_at = open_incidents(reading.connection, reading.sees)
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
            ),
            "camera-more": render(
                "camera_more.html",
                hidden=len(shown) - ROWS,
                is_empty=not shown,
                is_filtered=bool(visit.query),
            ),
        }
        return Content(visit.language.text("Cameras"), parts, {"cameras": rows})


def _fits(status: CameraStatus, query: Mapping[str, str]) -> bool:
    if query.get("show") == "blind" and status.state == "online":
        return False
    camera = status.camera
    words = plain(f"{camera.id} {camera.name} {camera.place.division} {status.city}")
    return all(one in words for one in plain(query.get("text", "")).split())


def _blind_first(status: CameraStatus) -> tuple[bool, str, str]:
    return status.state == "online", status.city, camera_name(status.camera)
