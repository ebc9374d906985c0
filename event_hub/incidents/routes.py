"""The routes of the hub for many incidents: pages, counts and files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from event_hub.answers import IncidentCounts, IncidentPage, described
from event_hub.database import Database
from event_hub.incidents.counts import incident_counts
from event_hub.incidents.export import ROWS_MAX, csv_of, geojson_of
from event_hub.incidents.filter import IncidentFilter, WantedIncidents
from event_hub.incidents.order import IncidentOrder
from event_hub.incidents.pages import incident_page
from event_hub.time_zone import UTC_NAME, TimeZoneName
from pipelines.http_api import RequestProblem

PAGE_MAX: Final = 200
END_CHARS: Final = 4096
EXPORTS_MAX: Final = 2
"""Files that are written at a time; each takes a thread for as long as it is downloaded."""
BUSY: Final = {"Retry-After": "5"}

Export = Callable[[Database, IncidentFilter, ZoneInfo], Iterator[bytes]]


def add_incident_lists(router: APIRouter, database: Database) -> None:
    """Adds the routes."""

    @router.get("/api/incidents", **described("incidents", "List incidents", 422, 503))
    def get_incidents(
        wanted: WantedIncidents,
        order: IncidentOrder = "newest",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        before: Annotated[str | None, Query(max_length=END_CHARS)] = None,
    ) -> IncidentPage:
        """Each incident in its newest state, `newest` or `worst` first.

        The worst are those that go on, by severity, the oldest of each first. `before` takes the
        `next_before` of a page of the same order.
        """
        with database.read() as connection:
            try:
                return incident_page(connection, wanted, limit, before, order)
            except ValueError:
                sentence = "parameter 'before' is not a next_before of a page in this order"
                raise RequestProblem(422, sentence, parameter="before") from None

    @router.get("/api/incident-counts", **described("incidents", "Count incidents", 422, 503))
    def get_counts(wanted: WantedIncidents) -> IncidentCounts:
        """Of the incidents that are meant: all, those that go on, by severity and kind."""
        with database.read() as connection:
            return incident_counts(connection, wanted)

    _add_exports(router, database)


def _add_exports(router: APIRouter, database: Database) -> None:
    room = threading.BoundedSemaphore(EXPORTS_MAX)

    def file(
        export: Export, wanted: IncidentFilter, zone: str, media_type: str, ending: str
    ) -> StreamingResponse:
        _check_size(database, wanted)
        if not room.acquire(blocking=False):
            sentence = f"{EXPORTS_MAX} files are being written; try again"
            raise RequestProblem(503, sentence, headers=BUSY)
        headers = {"Content-Disposition": f'attachment; filename="incidents.{ending}"'}
        content = export(database, wanted, ZoneInfo(zone))
        return _Download(room, content, headers=headers, media_type=media_type)

    @router.get(
        "/api/incidents.csv",
        response_class=StreamingResponse,
        **_file("The same as a table for spreadsheets", "text/csv"),
    )
    def get_csv(wanted: WantedIncidents, time_zone: TimeZoneName = UTC_NAME) -> StreamingResponse:
        """UTF-8 with a byte order mark, newest first, at most 50,000 lines: 422 for more."""
        return file(csv_of, wanted, time_zone, "text/csv; charset=utf-8", "csv")

    @router.get(
        "/api/incidents.geojson",
        response_class=StreamingResponse,
        **_file("The same as points on a map", "application/geo+json"),
    )
    def get_geojson(
        wanted: WantedIncidents, time_zone: TimeZoneName = UTC_NAME
    ) -> StreamingResponse:
        """RFC 7946: where the cameras stand; at most 50,000 points: 422 for more."""
        return file(geojson_of, wanted, time_zone, "application/geo+json", "geojson")


def _file(summary: str, media_type: str) -> dict[str, Any]:
    how = described("incidents", summary, 422, 503)
    how["responses"][200] = {"content": {media_type: {}}}
    return how


def _check_size(database: Database, wanted: IncidentFilter) -> None:
    with database.read() as connection:
        total = incident_counts(connection, wanted).total
    if total > ROWS_MAX:
        sentence = f"that are {total} incidents; name a shorter time, at most {ROWS_MAX} fit a file"
        raise RequestProblem(422, sentence, parameter="since")


class _Download(StreamingResponse):
    """A file that gives its room back when it is sent, or when nobody wants it any more."""

    def __init__(
        self, room: threading.BoundedSemaphore, content: Iterator[bytes], **how: Any
    ) -> None:
        super().__init__(content, **how)
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._room.release()
