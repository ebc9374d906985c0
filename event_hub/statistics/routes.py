"""The routes of the hub for statistics; each answers from a bounded number of rows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends

from event_hub import queries
from event_hub.answers import described
from event_hub.incidents import WantedIncidents
from event_hub.statistics.answers import (
    GroupedIncidents,
    IncidentTimeline,
    MeasuredStatistics,
    PlaceList,
)
from event_hub.statistics.incidents import Shared, groups, heat, timeline
from event_hub.statistics.measured import MeasuredWish, TooManyPointsError, measured
from event_hub.statistics.spans import ClockStep, TimeRange, time_range
from event_hub.store import EventStore
from event_hub.time_zone import UTC_NAME, TimeZoneName
from pipelines.http_api import RequestProblem


def add_statistics(router: APIRouter, store: EventStore) -> None:
    """Adds the routes."""
    _add_incidents(router, store)
    _add_measurements(router, store)


def _add_incidents(router: APIRouter, store: EventStore) -> None:
    @router.get(
        "/api/statistics/timeline",
        **described("statistics", "Incidents by hour or day of their opening", 422, 503),
    )
    def get_timeline(
        wanted: WantedIncidents, step: ClockStep = "hour", time_zone: TimeZoneName = UTC_NAME
    ) -> IncidentTimeline:
        """By the clock of `time_zone`, from `since` to `until`: at most 32 days of hours, or 400.

        Without `until` up to now; without `since` one day of hours, or 30 days.
        """
        zone = ZoneInfo(time_zone)
        within = _time_range(step, wanted.since, wanted.until)
        with store.database.read() as connection:
            return timeline(connection, wanted, within, step, zone)

    @router.get(
        "/api/statistics/incidents",
        **described("statistics", "Incidents by what they have in common", 422, 503),
    )
    def get_groups(wanted: WantedIncidents, by: Shared = "kind") -> GroupedIncidents:
        """By kind, by camera, by zone of a camera, or by model and version."""
        with store.database.read() as connection:
            return groups(connection, wanted, by)

    @router.get("/api/statistics/places", **described("statistics", "Incidents by place", 422, 503))
    def get_places(wanted: WantedIncidents) -> PlaceList:
        """For a heat map: how many incidents each camera saw, and where it stands."""
        with store.database.read() as connection:
            known = queries.camera_list(connection, store.heard).cameras
            cameras = [(one.city, one.camera) for one in known]
            return heat(connection, wanted, cameras)


def _add_measurements(router: APIRouter, store: EventStore) -> None:
    @router.get(
        "/api/statistics/measurements",
        **described("statistics", "Measurements by hour or day", 422, 503),
    )
    def get_measured(
        wish: Annotated[MeasuredWish, Depends()],
        step: ClockStep = "hour",
        time_zone: TimeZoneName = UTC_NAME,
    ) -> MeasuredStatistics:
        """Of one `kind`: `traffic.flow`, `traffic.count`, `crowding.count`, `coverage`, ...

        A series for each camera, task, zone and line, at most 20,000 hours or days in all. Hours
        stay when retention has deleted their measurements. `time_zone` must be ahead of UTC by
        whole hours.
        """
        clock = ZoneInfo(time_zone)
        within = _time_range(step, wish.since, wish.until)
        try:
            with store.database.read() as connection:
                return measured(connection, wish, within, step, clock)
        except TooManyPointsError as error:
            sentence = f"{error}: name a camera or a shorter time"
            raise RequestProblem(422, sentence, parameter="since") from None
        except ValueError as error:
            raise RequestProblem(422, str(error), parameter="time_zone") from None


def _time_range(step: ClockStep, since: datetime | None, until: datetime | None) -> TimeRange:
    try:
        return time_range(step, since, until)
    except ValueError as error:
        raise RequestProblem(422, str(error), parameter="since") from None
