"""A run says which promises were broken: one offence after the other, and none in a good run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from benchmarks.chaos.combined import combined
from benchmarks.chaos.drawn_truth import DrawnIncident
from benchmarks.chaos.kinds import FREEZE
from benchmarks.chaos.records import FaultRecord, Recording
from benchmarks.chaos.report import ChaosOutcome
from benchmarks.result import RunStart
from tests.benchmarks.chaos.recordings import (
    GOOD,
    IMAGE,
    KEYFRAME,
    SINK,
    arrived,
    changed,
    committed,
    event,
    frames,
    good_run,
    reading,
)

START = RunStart()
WATCHED_S = 100.0


@dataclass
class Afterwards:
    """A street whose city has stopped."""

    stored: dict[str, bytes]
    exit_status: int | None = 0
    shown: DrawnIncident | None = None
    left: tuple[str, ...] = ()

    def keyframe(self, key: str) -> bytes | None:
        return self.stored.get(key)

    def drawn(self) -> dict[str, DrawnIncident]:
        return {"east": self.shown} if self.shown else {}


def outcome(recording: Recording, street: Afterwards | None = None, **given) -> ChaosOutcome:
    facts: dict[str, Any] = {"not_reached": {}, "settled": True} | given
    after = street or Afterwards({KEYFRAME.key: IMAGE})
    return ChaosOutcome.of(START, 1, recording, after, **facts)


def test_a_good_run_keeps_every_promise():
    assert outcome(good_run()).broken == ()


FROZEN = changed(good_run(100.0), frames={"east": frames((0.0, 10.0))})
OFFENCES = {
    "lost": changed(good_run(), arrivals={SINK: arrived(GOOD[1:])}),
    "never committed": changed(good_run(), committed=committed(GOOD[1:])),
    "out of order": changed(good_run(), arrivals={SINK: arrived([GOOD[1], GOOD[0], *GOOD[2:]])}),
    "incidents not ended": changed(
        good_run(), committed=committed(GOOD[:3]), arrivals={SINK: arrived(GOOD[:3])}
    ),
    "watched for 50.1 s": changed(good_run(), frames={"east": frames((0.0, 10.0))}),
    "not well again after #3": changed(
        good_run(), faults=[FaultRecord(3, "store: down", "the store", 5.0, 6.0)]
    ),
}


@pytest.mark.parametrize("words", OFFENCES)
def test_a_broken_promise_is_said(words):
    (sentence,) = outcome(OFFENCES[words]).broken
    assert words in sentence


def test_a_wrong_keyframe_is_said():
    (sentence,) = outcome(good_run(), Afterwards({})).broken
    assert f"{KEYFRAME.key} is not in the store" in sentence


@pytest.mark.parametrize(("target", "is_kept"), [("east", False), ("west", False)])
def test_a_frozen_image_may_be_called_watched_for_a_minute(target, is_kept):
    fault = FaultRecord(0, FREEZE, target, 9.0, 99.0, 1.0)
    assert (outcome(changed(FROZEN, faults=[fault])).broken == ()) is is_kept
    shorter = changed(FROZEN, faults=[fault], frames={"east": frames((0.0, 45.0))})
    assert (outcome(shorter).broken == ()) is (target == "east")


def test_a_process_that_was_left_is_said():
    street = Afterwards({KEYFRAME.key: IMAGE}, left=("process 7",))
    assert outcome(good_run(), street).broken == ("process 7 outlived its main process",)


def test_an_end_in_bad_order_is_said():
    found = outcome(good_run(), Afterwards({KEYFRAME.key: IMAGE}, None), settled=False).broken
    assert len(found) == 2


def test_kinds_that_were_not_reached_are_listed_and_break_no_promise():
    found = outcome(good_run(), not_reached={"store: down": 2})
    assert not found.broken
    (table,) = [one for one in found.result.tables if one.title == "Not reached"]
    assert table.rows == (("store: down", 2),)


def test_a_fault_that_hit_nothing_does_not_count():
    faults = [
        FaultRecord(0, "kill -9 hub", "hub 9", 5.0, 5.0, 3.0),
        FaultRecord(1, "kill -9 hub", "hub 9", 9.0, 9.0, 5.0),
        FaultRecord(2, "kill -9 hub", "", 12.0),
    ]
    found = outcome(changed(good_run(), faults=faults))
    (table,) = [one for one in found.result.tables if one.title == "Faults"]
    assert table.rows[0][:5] == ("kill -9 hub", 2, 4.0, 5.0, 0)
    assert found.result.metric("chaos.recovery_s[kill -9 hub]").samples == (3.0, 5.0)


SHOWN = DrawnIncident("crowding.density", first=200, last=400)
QUIET = changed(
    good_run(),
    committed=committed([event(2)]),
    arrivals={SINK: arrived([event(2)])},
)


def test_a_situation_that_was_seen_and_not_reported_is_said():
    (sentence,) = outcome(QUIET, Afterwards({}, shown=SHOWN)).broken
    assert sentence == "east: no crowding.density for a situation it saw"


@pytest.mark.parametrize(
    ("kind", "target"), [("store: down", "the store"), ("camera is off", "west")]
)
def test_a_fault_elsewhere_is_no_excuse(kind, target):
    elsewhere = changed(QUIET, faults=[FaultRecord(0, kind, target, 25.0, 26.0, 1.0)])
    assert len(outcome(elsewhere, Afterwards({}, shown=SHOWN)).broken) == 1


def test_a_situation_that_was_reported_is_none():
    reported = changed(good_run(), wall_offset_s=80.0)
    assert not outcome(reported, Afterwards({KEYFRAME.key: IMAGE}, shown=SHOWN)).broken


@pytest.mark.parametrize(
    "disturbed",
    [
        changed(QUIET, faults=[FaultRecord(0, "kill -9 worker", "worker 7", 25.0, 25.0, 1.0)]),
        changed(QUIET, faults=[FaultRecord(0, "camera is off", "east", 25.0, 26.0, 1.0)]),
        changed(QUIET, reading=reading(["east"], 60.0, stopped=(25.0, 30.0))),
        replace(QUIET, frames={"east": frames((0.0, 30.0))}),
    ],
    ids=["a process", "the camera", "nobody read", "the camera ended"],
)
def test_what_could_not_be_seen_undisturbed_is_not_asked_for(disturbed):
    found = outcome(disturbed, Afterwards({}, shown=SHOWN))
    assert not [one for one in found.broken if "a situation it saw" in one]


def test_several_runs_are_added_up():
    hub = FaultRecord(0, "kill -9 hub", "hub 9", 5.0, 5.0, 3.0)
    later = FaultRecord(1, "kill -9 hub", "hub 9", 5.0, 5.0, 6.0)
    runs = [
        outcome(changed(good_run(), faults=[hub, later])).result,
        outcome(changed(OFFENCES["lost"], faults=[replace(hub, recovered_s=12.0)])).result,
    ]
    kinds, sinks, broken = combined(runs)
    assert kinds.rows[0][:5] == ("kill -9 hub", 3, 6.0, 12.0, 0)
    assert sinks.rows == ((SINK, 8, 7, 1, 0, 0, 0),)
    assert "1 lost" in str(broken.rows)
    assert len(combined(runs[:1])) == 2
