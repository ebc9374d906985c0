"""The routes of reports: as numbers for programs, and as a page of HTML to keep or to send."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from event_hub import queries
from event_hub.answers import described
from event_hub.console.language import chosen_language
from event_hub.console.report_document import report_document
from event_hub.people.visible import Sees, Visible
from event_hub.reports.answers import CityReport
from event_hub.reports.period import PeriodName, report_period
from event_hub.reports.report import city_report
from event_hub.store import EventStore
from event_hub.time_zone import UTC_NAME, TimeZoneName
from pipelines.http_api import RequestProblem

ReportDay = Annotated[date | None, Query(description="a day in the period; the last one without")]


def reports_router(store: EventStore) -> APIRouter:
    """Both routes."""
    router = APIRouter()

    def report_of(name: PeriodName, day: date | None, time_zone: str, sees: Visible) -> CityReport:
        now = datetime.now(UTC)
        try:
            period = report_period(name, day, ZoneInfo(time_zone), now)
        except ValueError as error:
            raise RequestProblem(422, str(error), parameter="date") from None
        with store.database.read() as connection:
            known = queries.camera_list(connection, store.heard, queries.CameraFilter(sees=sees))
            return city_report(connection, period, known.cameras, now, sees)

    @router.get("/api/report", **described("reports", "The report of a day or a week", 422, 503))
    def get_report(
        sees: Sees,
        period: PeriodName = "day",
        date: ReportDay = None,
        time_zone: TimeZoneName = UTC_NAME,
    ) -> CityReport:
        """Without a `date` the last day or week that is over. Weeks begin on Monday."""
        return report_of(period, date, time_zone, sees)

    how = described("reports", "The same to print, to keep or to send", 422, 503)
    how["responses"][200] = {"content": {"text/html": {}}}

    @router.get("/api/report.html", response_class=Response, **how)
    def get_report_page(
        sees: Sees,
        request: Request,
        period: PeriodName = "day",
        date: ReportDay = None,
        time_zone: TimeZoneName = UTC_NAME,
        language: Literal["zh", "en"] | None = None,
    ) -> Response:
        """One file that needs nothing else. Without a `language` that of `Accept-Language`."""
        report = report_of(period, date, time_zone, sees)
        wanted = request.headers.get("accept-language", "")
        html = report_document(report, chosen_language(wanted, language or ""))
        name = f"cityeye-{report.period}-{report.first_day}.html"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(html, media_type="text/html", headers=headers)

    return router
