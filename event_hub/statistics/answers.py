"""What the hub answers to who asks for statistics."""

from __future__ import annotations

from datetime import datetime

from event_hub.answers import HubAnswer


class IncidentBucket(HubAnswer):
    """Incidents that opened in one hour or day, also where there were none."""

    begins_at: datetime
    total: int
    severities: dict[str, int]
    kinds: dict[str, int]


class IncidentTimeline(HubAnswer):
    """Hours or days by the clock of a time zone, oldest first."""

    time_zone: str
    buckets: list[IncidentBucket]


class IncidentGroup(HubAnswer):
    """Incidents that have something in common; what they do not share is null."""

    city: str | None = None
    camera: str | None = None
    zone: str | None = None
    kind: str | None = None
    model: str | None = None
    model_version: str | None = None
    total: int
    open: int
    severities: dict[str, int]


class GroupedIncidents(HubAnswer):
    """The largest groups first, at most 500; `total` counts the incidents of all groups."""

    total: int
    groups: list[IncidentGroup]


class MeasuredPoint(HubAnswer):
    """The measurements of an hour or day.

    `mean` is weighted by the seconds that were watched; null where nothing was. `total` is the sum
    of the values, `requested_s` the time for which somebody asked.
    """

    begins_at: datetime
    measurements: int
    mean: float | None
    total: float
    least: float
    most: float
    watched_s: float
    able_s: float
    requested_s: float


class MeasuredSeries(HubAnswer):
    """The measurements of one kind at one place, oldest first; hours without any are left out."""

    city: str
    camera: str
    task: str
    zone: str
    line: str
    unit: str
    points: list[MeasuredPoint]


class MeasuredStatistics(HubAnswer):
    """Every series of a kind, by city, camera, task and place."""

    kind: str
    time_zone: str
    series: list[MeasuredSeries]


class PlaceHeat(HubAnswer):
    """A camera and the incidents that it saw; `lon` and `lat` (WGS 84) are null where not known."""

    city: str
    camera: str
    name: str
    lon: float | None
    lat: float | None
    total: int
    open: int
    severities: dict[str, int]


class PlaceList(HubAnswer):
    """Cameras with incidents, those with most first."""

    places: list[PlaceHeat]
