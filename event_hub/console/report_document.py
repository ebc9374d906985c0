"""A report as HTML: a part of the console's page, and a document that needs nothing else."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime

from event_hub.console.language import Language
from event_hub.console.markup import asset, markup
from event_hub.console.precision_table import precision_rows
from event_hub.reports.answers import CityReport

STYLES: Final = ("base.css", "cards.css", "reports.css", "document.css", "print.css")
ROWS: Final = 50


def report_html(report: CityReport, language: Language) -> str:
    """The report itself. Its times are those of its own time zone, in words."""
    zone = ZoneInfo(report.time_zone)

    def local(moment: datetime) -> str:
        here = moment.astimezone(zone)
        return format_datetime(here, "yyyy-MM-dd HH:mm", locale=language.locale)

    def day(one: date) -> str:
        return format_date(one, "full", locale=language.locale)

    names = {(one.city, one.camera): one.name for one in report.cameras}
    return markup(language).render(
        "report.html",
        report=report,
        local=local,
        day=day,
        most=ROWS,
        rows=precision_rows(report.precision, names),
        bars=max((one.count for one in report.kinds), default=0),
    )


def report_document(report: CityReport, language: Language) -> str:
    """The same as one file, with its style inside and no script."""
    return markup(language).render(
        "report_document.html",
        report=report,
        body=report_html(report, language),
        style="\n".join(asset(name) for name in STYLES),
    )
