"""The page of one camera: its live image, and what is drawn on it.

The image and the drawing belong to the browser (`assets/live.js`, `assets/editor.js`): their parts
of the page never change by themselves. Changes go from the browser to the API of the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from event_hub.answers import CameraStatus
from event_hub.console.camera_marks import camera_mark, open_incidents
from event_hub.console.markup import camera_api, camera_name, markup
from event_hub.console.page import NO_CITY, CityReading, Content, Slot, Visit
from pipelines.access import Scope


class CameraPage:
    """See `event_hub.console.page.Page`."""

    name = "camera"
    paths: tuple[str, ...] = ("/cameras/{city}/{camera:path}",)
    slots: Mapping[str, tuple[Slot, ...]] = {
        "one": (Slot("camera-title"), Slot("camera-stage", "section"), Slot("camera-editor")),
    }

    def __init__(self, live_city: str | None = None) -> None:
        """`live_city` is the one whose cameras can be watched and changed; None where none can."""
        self._live_city = live_city

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """The camera that the address names."""
        render = markup(visit.language).render
        status = _found(reading, visit.route)
        title = visit.language.text("Camera") if status is None else camera_name(status.camera)
        mark = None
        if status is not None:
            mark = camera_mark(status, open_incidents(reading.connection, reading.sees))
        is_live = status is not None and status.city == self._live_city
        parts = {
            "camera-title": render("camera_title.html", mark=mark, is_live=is_live),
            "camera-stage": "",
            "camera-editor": "",
        }
        if is_live and status is not None:
            given = {
                "title": title,
                "api": camera_api(status.city, status.camera.id),
                "city": quote(status.city, safe=""),
                "may_change": visit.scope.allows(Scope.ENGINEER),
                "may_undo": not visit.groups,
            }
            parts["camera-stage"] = render("camera_stage.html", **given)
            parts["camera-editor"] = render("camera_editor.html", **given)
        return Content(title, parts)


def _found(reading: CityReading, route: Mapping[str, str]) -> CameraStatus | None:
    city = route["city"] if route["city"] != NO_CITY else ""
    cameras = reading.situation.cameras
    return next((c for c in cameras if (c.city, c.camera.id) == (city, route["camera"])), None)
