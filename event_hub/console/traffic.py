"""The page of traffic and crowds: what was measured, hour by hour, at each place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from event_hub.console.chart import HOUR, HourChart, HourValue, hour_chart
from event_hub.console.coverage import KIND as COVERAGE
from event_hub.console.incidents import camera_choice, camera_of
from event_hub.console.markup import camera_name, markup
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.console.words import MEASUREMENTS
from event_hub.people.visible import Visible
from event_hub.statistics.answers import MeasuredSeries
from event_hub.statistics.measured import MeasuredWish, TooManyPointsError, measured
from event_hub.statistics.spans import TimeRange
from event_hub.tables import MEASURED_SERIES

CHARTS: Final = 24
HOURS: Final = {"24h": 24, "7d": 168}
EVERY: Final = {24: 6, 168: 24}
"""Hours between two times below a chart."""

SUMMED: Final = frozenset({"traffic.count"})
"""Of these the sum of an hour says something; of others the mean."""

CLOCK: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class PlaceChart:
    """What was measured at one place.

    Attributes:
        place: Zone or line.
        latest: The newest value.
        mean: Over all hours.
        most: The greatest single measurement; of sums the greatest hour.
    """

    camera: str
    place: str
    unit: str
    chart: HourChart
    values: tuple[HourValue, ...]
    latest: float | None
    mean: float | None
    most: float


class TrafficPage:
    """See `event_hub.console.page.Page`."""

    name = "traffic"
    paths: tuple[str, ...] = ("/traffic",)
    slots: Mapping[str, tuple[Slot, ...]] = {
        "all": (
            Slot("traffic-head", "form"),
            Slot("charts", "ol", rows="li"),
            Slot("traffic-more"),
        )
    }

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """The charts of the kind, camera and time that the query asks for."""
        render = markup(visit.language).render
        kinds = _kinds(reading.connection, reading.sees)
        kind = visit.query.get("kind", "")
        kind = kind if kind in kinds else next(iter(kinds), "")
        hours = HOURS.get(visit.query.get("since", ""), 24)
        places = _places(reading, visit, kind, hours) if kind else []
        rows = {
            "\0".join((one.city, one.camera, one.task, one.zone, one.line)): render(
                "chart.html", one=_chart(reading, one, hours, kind), kind=kind, hours=hours
            )
            for one in (places or [])[:CHARTS]
        }
        parts = {
            "traffic-head": render(
                "traffic_head.html",
                choices=_choices(reading, visit, kinds),
                chosen={**visit.query, "kind": kind, "since": "7d" if hours > 24 else "24h"},  # noqa: PLR2004
            ),
            "traffic-more": render(
                "traffic_more.html",
                hidden=len(places or ()) - CHARTS,
                is_empty=not places,
                is_too_much=places is None,
            ),
        }
        return Content(visit.language.text("Traffic and crowd"), parts, {"charts": rows})


def _kinds(connection: Connection, sees: Visible) -> list[str]:
    """Kinds that anything was measured of, in the order of the words for them."""
    kind = MEASURED_SERIES.c.kind
    query = select(kind).where(kind != COVERAGE, sees.of(MEASURED_SERIES)).distinct()
    order = list(MEASUREMENTS)
    found = connection.scalars(query).all()
    return sorted(found, key=lambda one: (order.index(one) if one in order else len(order), one))


def _places(
    reading: CityReading, visit: Visit, kind: str, hours: int
) -> list[MeasuredSeries] | None:
    """The series to show; None where they are too many for one page."""
    city, camera = camera_of(visit.query.get("camera", ""))
    wish = MeasuredWish(
        kind, city=city if camera else None, camera=camera or None, sees=reading.sees
    )
    now = reading.situation.read_at
    try:
        found = measured(
            reading.connection, wish, TimeRange(now - hours * HOUR, now), "hour", CLOCK
        )
    except TooManyPointsError:
        return None
    return found.series


def _chart(reading: CityReading, one: MeasuredSeries, hours: int, kind: str) -> PlaceChart:
    is_sum = kind in SUMMED
    values = tuple(
        HourValue(point.begins_at, point.total if is_sum else point.mean, point.most)
        for point in one.points
    )
    known = [value.value for value in values if value.value is not None]
    watched_s = sum(point.watched_s for point in one.points)
    weighted = sum((point.mean or 0.0) * point.watched_s for point in one.points)
    mean = weighted / watched_s if watched_s else None
    return PlaceChart(
        camera=_called(reading, one),
        place=one.zone or one.line,
        unit=_unit(kind, one.unit),
        chart=hour_chart(values, _first(reading.situation.read_at, hours), hours, EVERY[hours]),
        values=values,
        latest=known[-1] if known else None,
        mean=sum(known) / len(known) if is_sum and known else mean,
        most=max(known, default=0.0) if is_sum else max((one.most for one in values), default=0.0),
    )


def _called(reading: CityReading, one: MeasuredSeries) -> str:
    for camera in reading.situation.cameras:
        if (camera.city, camera.camera.id) == (one.city, one.camera):
            return camera_name(camera.camera)
    return one.camera


def _first(now: datetime, hours: int) -> datetime:
    whole = now.replace(minute=0, second=0, microsecond=0)
    return whole - timedelta(hours=hours - 1)


def _unit(kind: str, unit: str) -> str:
    """What the numbers of a series are of, as `CodeWords.unit` knows it."""
    if kind in SUMMED:
        return "1/h"
    return f"{kind} {unit}" if unit == "1" else unit


def _choices(
    reading: CityReading, visit: Visit, kinds: Sequence[str]
) -> dict[str, tuple[str, dict[str, str]]]:
    text, words = visit.language.text, markup(visit.language).words
    cameras = {
        camera_choice(one.city, one.camera.id): camera_name(one.camera)
        for one in reading.situation.cameras
    }
    return {
        "kind": (text("Measurement"), {one: words.measurement(one) for one in kinds}),
        "camera": (text("Camera"), {"": text("Any camera"), **cameras}),
        "since": (text("Time"), {"24h": text("Last 24 hours"), "7d": text("Last 7 days")}),
    }
