"""The oracle notices each way in which deliveries can go wrong, and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.chaos.oracle import compare, wrong_links
from benchmarks.chaos.records import CommittedEvent, read_event
from tests.benchmarks.chaos.recordings import GOOD, IMAGE, KEYFRAME, SINK, arrived, committed, event


def test_a_run_in_which_all_arrived_once_in_order_is_kept():
    found = compare(SINK, committed(GOOD), arrived(GOOD))
    assert found.is_kept
    assert (found.committed, found.arrived, found.duplicates) == (4, 4, 0)


def test_an_event_that_did_not_arrive_is_lost():
    found = compare(SINK, committed(GOOD), arrived([GOOD[0], *GOOD[2:]]))
    assert found.lost == (GOOD[1].id,)
    assert not found.is_kept


def test_an_event_that_was_never_committed_is_a_phantom():
    found = compare(SINK, committed(GOOD[1:]), arrived(GOOD))
    assert found.phantoms == (GOOD[0].id,)
    assert not found.is_kept


def test_an_event_that_arrives_with_other_bytes_is_a_phantom():
    altered = replace(GOOD[1], digest="another")
    found = compare(SINK, committed(GOOD), arrived([GOOD[0], altered, *GOOD[2:]]))
    assert found.phantoms == (altered.id,)


def test_bytes_that_were_not_final_when_they_were_read_are_not_compared():
    known = committed(GOOD) | {GOOD[1].id: CommittedEvent(GOOD[1], 1.0, sealed=False)}
    altered = replace(GOOD[1], digest="another")
    assert compare(SINK, known, arrived([GOOD[0], altered, *GOOD[2:]])).is_kept


def test_an_event_after_a_later_one_of_its_camera_is_out_of_order():
    found = compare(SINK, committed(GOOD), arrived([GOOD[1], GOOD[0], *GOOD[2:]]))
    assert found.disordered == (GOOD[0].id,)
    assert not found.is_kept


def test_a_later_incarnation_comes_after_all_of_an_earlier_one():
    first, second = event(7, incarnation=1), event(2, incarnation=2)
    assert compare(SINK, committed([first, second]), arrived([first, second])).is_kept
    assert compare(SINK, committed([first, second]), arrived([second, first])).disordered


def test_order_is_that_of_one_camera():
    here, there = event(2), event(1, source="cityeye/c/west")
    assert compare(SINK, committed([here, there]), arrived([here, there])).is_kept


def test_a_repeated_event_is_a_duplicate_and_no_disorder():
    found = compare(SINK, committed(GOOD), arrived([*GOOD[:2], GOOD[0], GOOD[1], *GOOD[2:]]))
    assert found.is_kept
    assert found.duplicates == 2
    assert found.duplicate_share == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    ("here", "there"),
    [(GOOD[:3], GOOD[:3]), (GOOD, GOOD[:3]), (GOOD, GOOD[1:2])],
    ids=["open in both places", "open at the sink", "unknown to the sink"],
)
def test_an_incident_that_has_not_ended_in_both_places_is_unended(here, there):
    assert compare(SINK, committed(here), arrived(there)).unended == ("i1",)


def test_the_newest_event_says_whether_an_incident_ended():
    again = event(5, "updated")
    assert compare(SINK, committed([*GOOD, again]), arrived([*GOOD, again])).unended == ("i1",)


def test_a_keyframe_that_is_what_its_event_says_is_no_problem():
    assert not wrong_links(arrived(GOOD), {KEYFRAME.key: IMAGE}.get)


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ({}, "is not in the store"),
        ({KEYFRAME.key: IMAGE + b"!"}, "has 9 bytes, not 8"),
        ({KEYFRAME.key: IMAGE[::-1]}, "has another sha256"),
    ],
)
def test_a_wrong_keyframe_is_named(stored, problem):
    assert wrong_links(arrived(GOOD), stored.get) == (f"{KEYFRAME.key} {problem}",)


def test_a_keyframe_may_be_pending_as_long_as_a_later_event_calls_it_stored():
    pending = replace(KEYFRAME, stored=False)
    first = event(1, "started", keyframes=(pending,))
    later = event(2, "ended", keyframes=(KEYFRAME,))
    stored = {KEYFRAME.key: IMAGE}
    assert not wrong_links(arrived([first, later]), stored.get)
    assert wrong_links(arrived([first]), stored.get) == (f"{KEYFRAME.key} is still pending",)


def test_a_heartbeat_had_not_to_arrive_and_what_is_no_event_is_refused():
    assert read_event(b'{"type": "cityeye.worker.heartbeat"}') is None
    with pytest.raises(ValueError, match="no event"):
        read_event(b'{"type": "cityeye.camera.state"}')
