"""The rate governor: workers of unequal size come to the same share, and priorities give way."""

from __future__ import annotations

import pytest

from pipelines.load import PriorityLoad
from pipelines.plan import Priority
from serving.governor import LEAST_SHARE, MARGIN, Loads, RateGovernor


def load(asked: float, given: float, priority: Priority = "normal") -> Loads:
    return {priority: PriorityLoad(asked, given, given)}


class Machine:
    """Workers on a machine that infers so many frames per second in all.

    Like the scheduler of the system, it gives every worker the same, whatever it asks for, and
    what a worker leaves goes to the others.
    """

    def __init__(self, capacity: float, *asked: float) -> None:
        self.capacity = capacity
        self.asked = asked
        self.governor = RateGovernor()

    def second(self) -> list[float]:
        share = self.governor.shares["normal"]
        given = [0.0] * len(self.asked)
        left, hungry = self.capacity, set(range(len(self.asked)))
        while hungry and left > 1e-9:
            part, left = left / len(hungry), 0.0
            for worker in tuple(hungry):
                more = min(part, self.asked[worker] * share - given[worker])
                given[worker] += more
                left += part - more
                if more < part:
                    hungry.discard(worker)
        loads = [load(asked, own) for asked, own in zip(self.asked, given, strict=True)]
        self.governor.update(loads)
        return given


def test_nothing_is_reduced_while_all_that_is_asked_for_is_given() -> None:
    machine = Machine(100.0, 40.0, 10.0)
    for _ in range(5):
        assert machine.second() == pytest.approx([40.0, 10.0])
    assert not machine.governor.limits


@pytest.mark.parametrize("capacity", [75.0, 50.0, 25.0, 95.0])
def test_workers_of_unequal_size_come_to_the_same_share_and_nothing_idles(capacity: float) -> None:
    machine = Machine(capacity, 80.0, 20.0)
    for _ in range(30):
        large, small = machine.second()
    assert large + small == pytest.approx(capacity, rel=0.01)
    assert small / 20.0 == pytest.approx(large / 80.0, rel=2 * (MARGIN - 1))


def test_rates_come_back_when_there_is_room_again() -> None:
    machine = Machine(50.0, 80.0, 20.0)
    for _ in range(20):
        machine.second()
    assert machine.governor.limits
    machine.capacity = 200.0
    for _ in range(20):
        given = machine.second()
    assert given == pytest.approx([80.0, 20.0])
    assert not machine.governor.limits


def test_one_worker_needs_no_governor() -> None:
    governor = RateGovernor()
    assert not governor.update([load(100.0, 50.0)])
    assert not governor.limits


def test_a_lower_priority_gives_way_step_by_step_and_never_to_nothing() -> None:
    governor = RateGovernor()
    high, low = load(50.0, 40.0, "high"), load(50.0, 40.0, "low")
    shares = []
    for _ in range(30):
        governor.update([high, low])
        shares.append(governor.shares["low"])
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == LEAST_SHARE
    for _ in range(60):
        governor.update([load(50.0, 50.0, "high"), load(50.0, 50.0, "low")])
    assert governor.shares["low"] == 1.0


def test_workers_without_cameras_that_send_change_nothing() -> None:
    governor = RateGovernor()
    assert not governor.update([load(0.0, 0.0), load(0.0, 0.0)])
    assert not governor.update([])
