"""The page of reports: a day or a week, to read, to print and to save."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from event_hub.console.markup import markup, query_url
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.console.report_document import report_html
from event_hub.people.visible import Visible
from event_hub.reports.answers import CityReport
from event_hub.reports.period import DAYS, ReportPeriod, report_period
from event_hub.reports.report import city_report
from event_hub.subscriptions.wanted import WantedEvents

TIME_ZONE: Final[str] = WantedEvents.model_fields["time_zone"].default
NEW_EVERY_S: Final = 15.0
"""A report counts a whole week, so that it is not made anew with every event."""

KEPT_MAX: Final = 50


class ReportsPage:
    """See `event_hub.console.page.Page`."""

    name = "reports"
    paths: tuple[str, ...] = ("/reports",)
    slots: Mapping[str, tuple[Slot, ...]] = {
        "all": (Slot("report-head", "form"), Slot("report", "article"))
    }

    def __init__(self) -> None:
        self._kept: dict[tuple[ReportPeriod, Visible], tuple[float, CityReport]] = {}

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """The report that the query asks for, else that of yesterday."""
        period, problem = _asked(reading, visit)
        report = self._report(reading, period)
        query = {
            "period": period.name,
            "date": period.first.isoformat(),
            "time_zone": period.zone.key,
            "language": visit.language.code,
        }
        parts = {
            "report-head": markup(visit.language).render(
                "report_head.html",
                period=period,
                periods=list(DAYS),
                problem=problem,
                address="/api/report.html" + query_url(query),
            ),
            "report": report_html(report, visit.language),
        }
        return Content(visit.language.text("Reports"), parts)

    def _report(self, reading: CityReading, period: ReportPeriod) -> CityReport:
        now_s, key = time.monotonic(), (period, reading.sees)
        made_s, report = self._kept.get(key, (now_s, None))
        if report is None or now_s - made_s > NEW_EVERY_S:
            situation = reading.situation
            report = city_report(
                reading.connection, period, situation.cameras, situation.read_at, reading.sees
            )
            if len(self._kept) >= KEPT_MAX:
                self._kept = {}
            self._kept[key] = now_s, report
        return report


def _asked(reading: CityReading, visit: Visit) -> tuple[ReportPeriod, bool]:
    """The period that the address names, and whether it names none that there is."""
    query, now = visit.query, reading.situation.read_at
    name = query.get("period", "day")
    try:
        zone = ZoneInfo(query.get("time_zone") or TIME_ZONE)
        day = date.fromisoformat(query["date"]) if query.get("date") else None
        if name not in DAYS:
            raise ValueError(name)
        return report_period(name, day, zone, now), False
    except (ValueError, OSError, KeyError):
        return report_period("day", None, ZoneInfo(TIME_ZONE), now), True
