"""Rules are armed by the clock on the wall; outside of it they learn, measure and open nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models.detections import Box
from pipelines.incident import EndReason, Phase, Transition
from pipelines.rules import ArmedSpan, ArmingSchedule, RulePlan, ScheduleError, Zone, build_rule
from pipelines.rules.rule import Moment, Rule
from pipelines.track import Track

CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
BEGIN = datetime(2026, 6, 1, 6, 59, tzinfo=ZoneInfo("Europe/Vienna"))
"""A Monday."""


def schedule(*spans: str, zone: str = "Europe/Vienna") -> ArmingSchedule:
    return ArmingSchedule(tuple(map(ArmedSpan.parse, spans)), zone)


def armed(times: ArmingSchedule, local: str) -> bool:
    return times.armed(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(times.time_zone)))


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        (
            "07:00-19:00",
            ["2026-06-06T07:00", "2026-06-01T18:59"],
            ["2026-06-01T06:59", "2026-06-01T19:00"],
        ),
        ("mon-fri 07:00-19:00", ["2026-06-05T12:00"], ["2026-06-06T12:00", "2026-06-07T12:00"]),
        ("sat-mon 08:00-9:00", ["2026-06-01T08:30", "2026-06-06T08:30"], ["2026-06-02T08:30"]),
        (
            "FRI,sun 22:00-06:00",
            ["2026-06-05T23:00", "2026-06-06T05:59", "2026-06-08T01:00"],
            ["2026-06-05T01:00", "2026-06-06T06:00", "2026-06-06T23:00"],
        ),
        ("wed 00:00-24:00", ["2026-06-03T00:00", "2026-06-03T23:59"], ["2026-06-04T00:00"]),
        ("mon 18:00-00:00", ["2026-06-01T23:59"], ["2026-06-02T00:00", "2026-06-01T00:00"]),
    ],
)
def test_a_span_holds_on_its_days_between_its_times(span, inside, outside):
    assert [armed(schedule(span), at) for at in inside] == [True] * len(inside)
    assert [armed(schedule(span), at) for at in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "07:00",
        "7-19",
        "07:60-08:00",
        "25:00-26:00",
        "24:00-06:00",
        "08:00-08:00",
        "monday 07:00-08:00",
        "mon- 07:00-08:00",
        "mon,,tue 07:00-08:00",
        "07:00-08:00 mon",
    ],
)
def test_what_is_no_span_is_refused(text):
    with pytest.raises(ScheduleError):
        ArmedSpan.parse(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_when_clocks_change_what_they_show_counts():
    """Vienna: on 29 March 02:00 to 03:00 is missing, on 25 October it comes twice."""
    night = schedule("01:30-02:30")
    minutes = [utc("2026-03-29T00:00") + timedelta(minutes=one) for one in range(120)]
    assert sum(map(night.armed, minutes)) == 30, "01:30 to 02:00, and then it is 03:00"
    minutes = [utc("2026-10-24T23:00") + timedelta(minutes=one) for one in range(240)]
    assert sum(map(night.armed, minutes)) == 90, "02:00 to 02:30 comes twice"
    # The same hour of the wall, another hour of UTC.
    day = schedule("08:00-09:00")
    assert day.armed(utc("2026-01-15T07:30"))
    assert not day.armed(utc("2026-07-15T07:30"))
    assert day.armed(utc("2026-07-15T06:30"))


def crowd(at_s: float) -> list[Track]:
    """As many persons as make a crowd."""
    boxes = [Box(0.1 * i, 0.4, 0.1 * i + 0.05, 0.6) for i in range(9)]
    return [Track(i + 1, "person", box, 0.9, 0.0, at_s) for i, box in enumerate(boxes)]


def density(*spans: str) -> Rule:
    times = schedule(*spans) if spans else None
    zones = (Zone("square", CORNERS),)
    plan = RulePlan("crowding.density", zones, {"confirm_s": 5}, version="1", schedule=times)
    return build_rule(plan, "gate", "e1")


def observed(rule: Rule, seconds: Sequence[float]) -> list[tuple[float, Transition]]:
    found = []
    for at_s in seconds:
        at = Moment((BEGIN + timedelta(seconds=at_s)).astimezone(UTC), at_s)
        found += [(at_s, step) for step in rule.observe(crowd(at_s), at).transitions]
    return found


def test_nothing_opens_before_a_rule_is_armed_and_it_confirms_anew_from_then_on():
    (at_s, step), *_ = observed(density("07:00-08:00"), range(120))
    assert step.phase is Phase.STARTED
    assert 65 <= at_s <= 66, "armed at 60 s, and 5 s to confirm"
    assert step.incident.opened_at >= (BEGIN + timedelta(seconds=60)).astimezone(UTC)


def test_an_open_incident_ends_as_disarmed_once_and_a_new_one_opens_next_time():
    rule = density("06:59-07:00", "07:02-08:00")
    found = observed(rule, range(300))
    ended = [(at_s, step.incident) for at_s, step in found if step.phase is Phase.ENDED]
    ((at_s, incident),) = ended
    assert (at_s, incident.end_reason) == (60, EndReason.DISARMED)
    assert incident.ended_at == (BEGIN + timedelta(seconds=60)).astimezone(UTC)
    started = [at_s for at_s, step in found if step.phase is Phase.STARTED]
    assert len(started) == 2
    assert started[0] < 10
    assert 180 < started[1] < 190


def test_whoever_asks_is_told_that_a_rule_is_not_armed():
    rule = density("07:00-08:00")
    observed(rule, range(30))
    said = rule.account(Moment((BEGIN + timedelta(seconds=29)).astimezone(UTC), 29.0))
    assert not said.armed
    assert said.schedule == "07:00-08:00 Europe/Vienna"
    assert density().account(Moment(BEGIN, 0.0)).armed
