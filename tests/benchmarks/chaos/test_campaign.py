"""Faults are applied, taken away and waited for in the order of the schedule."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from benchmarks.chaos import campaign
from benchmarks.chaos.campaign import ChaosCampaign
from benchmarks.chaos.kinds import ChaosKind, HitTarget
from benchmarks.chaos.schedule import PlannedFault
from simulation.rtsp_server import Fault

pytestmark = pytest.mark.slow

END = "camera ends its stream"
STEADY_S = 0.2


@dataclass
class StubCamera:
    name: str
    faults: list[Fault | None] = field(default_factory=list)

    def set_fault(self, fault: Fault | None) -> None:
        self.faults.append(fault)


@dataclass
class StubStreet:
    """A street that is well again some seconds after the last fault was taken away."""

    back_after_s: float
    cameras: dict[str, StubCamera] = field(
        default_factory=lambda: {name: StubCamera(name) for name in ("east", "west")}
    )
    healed_s: float | None = None

    def is_well(self) -> bool:
        if all(not camera.faults or camera.faults[-1] is None for camera in self.cameras.values()):
            self.healed_s = self.healed_s or time.monotonic()
            return time.monotonic() - self.healed_s >= self.back_after_s
        return False


def planned(index: int, *, draw: float = 0.0, together: bool = False) -> PlannedFault:
    return PlannedFault(index, END, draw, hold=0.0, gap_s=0.0, together=together)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "STEADY_S", STEADY_S)
    monkeypatch.setattr(campaign, "ROUND_S", 0.02)
    monkeypatch.setattr(campaign, "RECOVERED_WITHIN_S", 1.0)


def suffered(street: StubStreet, *faults: PlannedFault, minutes: float | None = None) -> Any:
    said: list[str] = []
    one = ChaosCampaign(cast(Any, street), said.append)
    one.suffer(faults, float("inf") if minutes is None else 60 * minutes)
    assert len(said) == len(one.records)
    return one.records


def test_recovery_counts_until_all_is_well_and_stays_so():
    (record,) = suffered(street := StubStreet(0.3), planned(0))
    assert record.target == "east"
    assert record.healed_s - record.applied_s == pytest.approx(0.5, abs=0.2)
    assert record.recovered_s == pytest.approx(0.3, abs=0.15)
    assert [fault is None for fault in street.cameras["east"].faults] == [False, True]


def test_a_city_that_never_suffers_from_a_stopped_process_is_well_at_once(monkeypatch):
    stop = ChaosKind("process", (0.6, 0.6), lambda _street, _draw: HitTarget("hub 9", list))
    monkeypatch.setattr(campaign, "FAULT_KINDS", {END: stop})
    (record,) = suffered(StubStreet(0.0), planned(0))
    assert record.healed_s - record.applied_s == pytest.approx(0.6, abs=0.2)
    assert record.recovered_s == pytest.approx(0.0, abs=0.1)


def test_a_city_that_recovers_while_a_process_is_stopped_is_not_waited_for(monkeypatch):
    stop = ChaosKind("process", (0.9, 0.9), lambda _street, _draw: HitTarget("hub 9", list))
    monkeypatch.setattr(campaign, "FAULT_KINDS", {END: stop})
    (record,) = suffered(StubStreet(0.4), planned(0))
    assert record.recovered_s == pytest.approx(0.4, abs=0.2)


def test_what_does_not_become_well_is_not_recovered():
    (record,) = suffered(StubStreet(30.0), planned(0))
    assert record.recovered_s is None


def test_two_faults_together_are_there_at_the_same_time():
    street = StubStreet(0.0)
    first, second = suffered(street, planned(0), planned(1, draw=0.9, together=True))
    assert (first.target, second.target) == ("east", "west")
    assert second.applied_s < first.healed_s
    assert first.together
    assert second.together


def test_no_fault_begins_after_the_minutes_that_were_given():
    assert not suffered(StubStreet(0.0), planned(0), minutes=0.0)
