"""A report as HTML: a part of the console's page, and a document that needs nothing else."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime

from event_hub.cases.precision import PrecisionRow
from event_hub.console.language import Language
from event_hub.console.markup import markup
from event_hub.reports.answers import CityReport

ASSETS: Final = Path(__file__).parent / "assets"
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

    return markup(language).render(
        "report.html",
        report=report,
        local=local,
        day=day,
        most=ROWS,
        rows=_named(report),
        bars=max((one.count for one in report.kinds), default=0),
    )


def report_document(report: CityReport, language: Language) -> str:
    """The same as one file, with its style inside and no script."""
    return markup(language).render(
        "report_document.html",
        report=report,
        body=report_html(report, language),
        style="\n".join(_style(name) for name in STYLES),
    )


def _named(report: CityReport) -> list[tuple[str, PrecisionRow]]:
    names = {(one.city, one.camera): one.name for one in report.cameras}
    rows = sorted(report.precision, key=lambda one: (-one.false_alarms, -one.real))
    return [(names.get((one.city, one.camera), one.camera), one) for one in rows]


@cache
def _style(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
