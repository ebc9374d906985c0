"""What a report holds."""

from __future__ import annotations

from datetime import date, datetime

from event_hub.answers import HubAnswer
from event_hub.cases.precision import PrecisionRow
from event_hub.reports.period import PeriodName


class CountedIncidents(HubAnswer):
    """Incidents of one severity or kind that opened in the period, and in the one before it."""

    code: str
    count: int
    before: int


class CountedCamera(HubAnswer):
    """Incidents of one camera, likewise."""

    city: str
    camera: str
    name: str
    count: int
    before: int


class CaseNumbers(HubAnswer):
    """What people have made of the incidents that opened in a period, as of now.

    `confirmed` counts those that were dispatched or resolved too, `undecided` the rest beside the
    false alarms. `first_action_s` is the median of the seconds from the opening of a case to the
    first thing that a person did with it; null where nobody did anything. `limits_passed` counts
    the cases of which a time limit passed in the period.
    """

    confirmed: int
    dispatched: int
    resolved: int
    false_alarms: int
    undecided: int
    first_action_s: float | None
    limits_passed: int


class BlindCamera(HubAnswer):
    """A camera that was not able to see for a part of what it was asked to watch.

    Of its tasks the one that missed most counts. `blind_s` is what coverage says; in the hours of
    `unheard_s`, since the camera was first heard of, nothing at all arrived of its coverage.
    """

    city: str
    camera: str
    name: str
    blind_s: float
    unheard_s: float
    requested_s: float


class CityReport(HubAnswer):
    """A day or a week of all cameras that the caller sees.

    `until` is when the period is over; where `is_over` is false it counts up to `made_at`.
    `kept_from` is when the oldest event arrived that the hub still has: what opened before it may
    be missing. `precision` is of the incidents of the period.
    """

    period: PeriodName
    first_day: date
    last_day: date
    time_zone: str
    since: datetime
    until: datetime
    made_at: datetime
    is_over: bool
    kept_from: datetime | None
    before_since: datetime
    total: int
    total_before: int
    severities: list[CountedIncidents]
    kinds: list[CountedIncidents]
    cameras: list[CountedCamera]
    cases: CaseNumbers
    cases_before: CaseNumbers
    blind: list[BlindCamera]
    precision: list[PrecisionRow]
