from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detections import Box
from pipelines.incident import EndReason, Phase, Severity, Subject
from pipelines.rules.rule import Identity, Moment, RuleParameters
from pipelines.rules.situation import Reading, Situation
from pipelines.track import Track
from tests.pipelines.synthetic import START, moment, seconds, times

PARAMETERS = RuleParameters(confirm_s=4, expire_s=4, cooldown_s=0, update_every_s=10)
TRACK = Track(7, "car", Box(0.1, 0.1, 0.2, 0.2), 0.9, 0.0, 0.0)
SUBJECT = Subject(7, "car", TRACK.box, 0.9)


def situation(parameters=PARAMETERS, incarnation="e1", camera="c1", zone="z"):
    return Situation(Identity("traffic.congestion", camera, zone, incarnation), parameters)


def held(severity=Severity.LOW, **detail):
    return Reading(True, severity, (TRACK,), detail)


def live(readings, until_s, place=None, fps=5.0):
    place = place or situation()
    return [step for t in times(until_s, fps) for step in place.observe(readings(t), moment(t))]


def test_an_incident_from_beginning_to_end():
    steps = live(lambda t: held(cars=t // 1) if 10 <= t < 33 else Reading(False), 50)
    phases = [step.phase for step in steps]
    assert phases == [Phase.STARTED, Phase.UPDATED, Phase.ENDED]
    started, updated, ended = (step.incident for step in steps)
    assert {started.id, updated.id, ended.id} == {started.id}
    assert [started.kind, started.camera, started.zone] == ["traffic.congestion", "c1", "z"]
    assert seconds(started.opened_at) == pytest.approx(10, abs=0.3)
    assert seconds(started.updated_at) == pytest.approx(14, abs=0.5)
    assert started.ended_at is None
    assert started.subjects == (SUBJECT,)
    assert seconds(updated.updated_at) == pytest.approx(24, abs=0.5)
    assert seconds(ended.ended_at) == pytest.approx(33, abs=0.3)
    assert ended.end_reason is EndReason.CLEARED
    assert ended.detail == {"cars": 32}


def test_regular_updates_keep_their_distance():
    steps = live(lambda t: held(), 60)
    updated = [seconds(step.incident.updated_at) for step in steps]
    assert [b - a for a, b in pairwise(updated)] == pytest.approx([10] * 5, abs=0.3)


def test_a_worse_severity_is_published_at_once_and_never_taken_back():
    def reading(t):
        return held(Severity.HIGH if 12 <= t < 18 else Severity.LOW)

    steps = live(reading, 40)
    updated = [(round(seconds(s.incident.updated_at)), s.incident.severity) for s in steps]
    assert updated[:2] == [(4, Severity.LOW), (14, Severity.HIGH)]
    assert {severity for at_s, severity in updated if at_s > 13} == {Severity.HIGH}


def test_one_odd_frame_does_not_raise_the_severity():
    steps = live(lambda t: held(Severity.HIGH if 8 <= t < 8.3 else Severity.LOW), 30)
    assert {step.incident.severity for step in steps} == {Severity.LOW}


def test_close_ends_what_is_open_and_says_why():
    place = situation()
    (started,) = live(lambda t: held(cars=9), 6, place)
    (ended,) = place.close(EndReason.STREAM_LOST, moment(20))
    assert ended.phase is Phase.ENDED
    assert ended.incident.end_reason is EndReason.STREAM_LOST
    assert seconds(ended.incident.ended_at) == pytest.approx(20)
    assert ended.incident.id == started.incident.id
    assert ended.incident.detail == {"cars": 9}
    assert place.close(EndReason.SHUTDOWN, moment(21)) == []


def test_close_knows_when_the_condition_ceased_before():
    place = situation()
    live(lambda t: held() if t < 10 else Reading(False), 12, place)
    (ended,) = place.close(EndReason.SHUTDOWN, moment(12))
    assert seconds(ended.incident.ended_at) == pytest.approx(10, abs=0.3)
    assert seconds(ended.incident.updated_at) == pytest.approx(12, abs=0.3)


def test_after_close_the_next_incident_needs_its_own_confirmation_and_id():
    place = situation()
    (first,) = live(lambda t: held(), 6, place)
    place.close(EndReason.STREAM_LOST, moment(6))
    steps = [s for t in times(20, start_s=7) for s in place.observe(held(), moment(t))]
    assert steps[0].phase is Phase.STARTED
    assert seconds(steps[0].incident.opened_at) == pytest.approx(7)
    assert steps[0].incident.id != first.incident.id


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0, -1.0])
def test_a_step_of_the_wall_clock_changes_neither_length_nor_order(step_s):
    place, steps = situation(), []
    for t in times(60):
        now = moment(t, lambda t: step_s if t >= 20 else 0.0)
        steps += place.observe(held() if 5 <= t < 40 else Reading(False), now)
    ended = steps[-1].incident
    assert ended.ended_at is not None
    assert (ended.ended_at - ended.opened_at).total_seconds() == pytest.approx(35, abs=0.5)
    updated = [step.incident.updated_at for step in steps]
    assert updated == sorted(updated)


def test_ids_are_the_same_in_the_same_run_and_differ_between_runs_cameras_and_zones():
    def first(**names):
        return live(lambda t: held(), 6, situation(**names))[0].incident.id

    assert first() == first()
    others = {first(incarnation="e2"), first(camera="c2"), first(zone="y"), first(camera="c1\x1f")}
    assert len({first(), *others}) == 5


readings = st.lists(
    st.tuples(
        st.sampled_from([0.04, 0.2, 0.2, 0.5, 1.0, 8.0, 60.0]),
        st.sampled_from([True, True, False, None]),
        st.sampled_from(tuple(Severity)),
        st.integers(1, 30),
        st.sampled_from([0.0, 0.0, 0.0, -30.0, 3600.0]),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(readings, st.integers(0, 6), st.integers(0, 6), st.integers(0, 10), st.booleans())
def test_every_incident_ends_exactly_once_whatever_happens(blocks, confirm, expire, cool, closing):
    parameters = RuleParameters(
        confirm_s=confirm, expire_s=expire, cooldown_s=cool, update_every_s=1
    )
    place, steps, mono_s, drift_s = situation(parameters), [], 50.0, 0.0
    for step_s, holds, severity, count, jump_s in blocks:
        drift_s += jump_s
        for _ in range(count):
            mono_s += step_s
            now = Moment(START + timedelta(seconds=mono_s + drift_s), mono_s)
            steps += place.observe(Reading(holds, severity), now)
        if closing:
            steps += place.close(EndReason.STREAM_LOST, now)
    steps += place.close(EndReason.SHUTDOWN, Moment(START, mono_s + 1))
    assert not place.is_open

    by_id: dict[str, list] = {}
    for step in steps:
        by_id.setdefault(step.incident.id, []).append(step)
    for life in by_id.values():
        phases = [step.phase for step in life]
        assert phases[0] is Phase.STARTED
        assert phases[-1] is Phase.ENDED
        assert set(phases[1:-1]) <= {Phase.UPDATED}
        ranks = [tuple(Severity).index(step.incident.severity) for step in life]
        assert ranks == sorted(ranks)
        updated = [step.incident.updated_at for step in life]
        assert updated == sorted(updated)
        assert {step.incident.opened_at for step in life} == {life[0].incident.opened_at}
        ended = life[-1].incident
        assert ended.ended_at is not None
        assert ended.opened_at <= ended.ended_at <= ended.updated_at
    if not any(holds for _, holds, *_ in blocks):
        assert steps == []


def crowd(persons, severity=Severity.LOW):
    return Reading(True, severity, (TRACK,), {"persons": persons}, size=persons)


def peaks(steps):
    """Per step: what it is, how many there are in its detail, and at its peak."""
    return [
        (one.phase, one.incident.detail["persons"], one.incident.peak and one.incident.peak.size)
        for one in steps
    ]


LONG = RuleParameters(confirm_s=4, expire_s=4, cooldown_s=0, update_every_s=3600)


def test_an_ended_incident_has_the_figures_of_its_peak():
    sizes = [(0, 8), (10, 20), (13, 31), (13.2, 12), (40, None)]

    def reading(t):
        size = [size for since_s, size in sizes if t >= since_s][-1]
        return Reading(False) if size is None else crowd(size)

    place = situation(LONG)
    steps = live(reading, 50, place)
    assert peaks(steps) == [
        (Phase.STARTED, 8, 8),
        (Phase.UPDATED, 12, 31),
        (Phase.ENDED, 31, 31),
    ]
    updated, ended = steps[1].incident, steps[2].incident
    assert seconds(updated.updated_at) == pytest.approx(14, abs=0.3), "10 s after the opening"
    assert seconds(ended.peak.at) == pytest.approx(13, abs=0.1)
    assert ended.peak.subjects == (SUBJECT,)


def test_what_only_grows_brings_few_updates_and_ends_at_its_peak():
    steps = live(lambda t: crowd(t) if t < 1000 else Reading(False), 1010, situation(LONG), fps=2)
    assert 10 < len(steps) < 40
    assert steps[-1].incident.peak.size == pytest.approx(999.5)
    updated = [seconds(step.incident.updated_at) for step in steps[:-1]]
    assert min(b - a for a, b in pairwise(updated)) >= 10


def test_a_severity_that_has_lasted_makes_a_peak_and_one_odd_frame_does_not():
    def reading(t):
        odd = 8 <= t < 8.3
        return crowd(12, Severity.CRITICAL if odd or 20 <= t < 23 else Severity.LOW)

    last = live(reading, 30, situation(LONG))[-1].incident
    assert (last.severity, last.peak.severity) == (Severity.CRITICAL, Severity.CRITICAL)
    assert seconds(last.peak.at) == pytest.approx(22, abs=0.3)


def test_a_peak_is_published_also_while_the_condition_does_not_hold_any_more():
    steps = live(
        lambda t: crowd(9 if 9 <= t < 9.5 else 5) if t < 12 else Reading(None), 16, situation(LONG)
    )
    assert peaks(steps) == [(Phase.STARTED, 5, 5), (Phase.UPDATED, 5, 9)]


def test_what_has_no_size_has_no_peak_and_brings_no_updates_for_it():
    steps = live(lambda t: held(resting_s=t) if t < 300 else Reading(False), 310, situation(LONG))
    assert [step.phase for step in steps] == [Phase.STARTED, Phase.ENDED]
    assert steps[-1].incident.peak is None
    assert steps[-1].incident.detail["resting_s"] == pytest.approx(299.8, abs=0.5)
