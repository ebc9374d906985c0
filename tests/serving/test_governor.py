"""The rate governor: workers of unequal size come to the same share, and priorities give way."""

from __future__ import annotations

from collections import deque

import pytest

from pipelines.load import LOAD_WINDOW_S, PriorityLoad
from pipelines.plan import Priority
from serving.governor import LEAST_SHARE, MARGIN, Loads, NodeGovernors, RateGovernor


def load(asked: float, given: float, priority: Priority = "normal") -> Loads:
    return {priority: PriorityLoad(asked, given, given)}


def named(*loads: Loads) -> dict[str, Loads]:
    return {f"worker-{number}": one for number, one in enumerate(loads)}


class Machine:
    """Workers on a machine that infers so many frames per second in all.

    Like the scheduler of the system, it gives every worker the same, whatever it asks for, and
    what a worker leaves goes to the others. Loads are averages over the last seconds, of whole
    frames. A worker in `stuck` gets no more than that, whatever others leave it.
    """

    def __init__(self, capacity: float, *asked: float) -> None:
        self.capacity = capacity
        self.asked = asked
        self.stuck: dict[int, float] = {}
        self.governor = RateGovernor()
        self._owed = [0.0] * len(asked)
        self._past: deque[list[int]] = deque(maxlen=round(LOAD_WINDOW_S))

    def second(self) -> list[float]:
        """What each worker got, as an average of the last seconds."""
        share = self.governor.shares["normal"]
        given = [0.0] * len(self.asked)
        left, hungry = self.capacity, set(range(len(self.asked)))
        while hungry and left > 1e-9:
            part, left = left / len(hungry), 0.0
            for worker in tuple(hungry):
                wanted = min(self.asked[worker] * share, self.stuck.get(worker, float("inf")))
                more = min(part, wanted - given[worker])
                given[worker] += more
                left += part - more
                if more < part:
                    hungry.discard(worker)
        self._owed = [owed + more for owed, more in zip(self._owed, given, strict=True)]
        whole = [int(owed) for owed in self._owed]
        self._owed = [owed - one for owed, one in zip(self._owed, whole, strict=True)]
        self._past.append(whole)
        lately = [sum(own) / len(self._past) for own in zip(*self._past, strict=True)]
        loads = [load(asked, own) for asked, own in zip(self.asked, lately, strict=True)]
        self.governor.update(named(*loads))
        return lately

    def seconds(self, count: int) -> list[float]:
        """What each worker got on average."""
        got = [self.second() for _ in range(count)]
        return [sum(own) / count for own in zip(*got, strict=True)]


def test_nothing_is_reduced_while_all_that_is_asked_for_is_given() -> None:
    machine = Machine(100.0, 40.0, 10.0)
    for _ in range(5):
        assert machine.second() == pytest.approx([40.0, 10.0])
    assert not machine.governor.limits


@pytest.mark.parametrize("capacity", [75.0, 50.0, 25.0, 95.0])
def test_workers_of_unequal_size_come_to_the_same_share_and_nothing_idles(capacity: float) -> None:
    machine = Machine(capacity, 80.0, 20.0)
    machine.seconds(30)
    large, small = machine.seconds(60)
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


@pytest.mark.parametrize("asked", [(6.0, 3.0), (80.0, 20.0), (2.0, 1.0, 1.0)])
def test_a_time_without_any_result_leaves_nothing_reduced(asked: tuple[float, ...]) -> None:
    machine = Machine(2 * sum(asked), *asked)
    machine.seconds(20)
    machine.capacity = 0.0
    machine.seconds(30)
    machine.capacity = 2 * sum(asked)
    machine.seconds(2 * round(LOAD_WINDOW_S))
    assert machine.seconds(20) == pytest.approx(asked, rel=0.05)


@pytest.mark.parametrize("asked", [(6.0, 3.0), (80.0, 20.0)])
@pytest.mark.parametrize("gets", [0.0, 0.1, 0.4])
def test_a_worker_that_cannot_use_what_others_leave_holds_nobody_back(
    asked: tuple[float, float], gets: float
) -> None:
    machine = Machine(200.0, *asked)
    machine.stuck = {0: gets * asked[0]}
    machine.seconds(120)
    _, other = machine.seconds(600)
    assert other > 0.9 * asked[1]
    machine.stuck = {}
    machine.seconds(20)
    assert machine.seconds(20) == pytest.approx(asked, rel=0.05)


def test_a_machine_that_is_full_again_after_a_worker_was_stuck_comes_to_even_shares() -> None:
    machine = Machine(50.0, 80.0, 20.0)
    machine.stuck = {0: 1.0}
    machine.seconds(60)
    machine.stuck = {}
    machine.seconds(600)
    large, small = machine.seconds(60)
    assert small / 20.0 == pytest.approx(large / 80.0, rel=2 * (MARGIN - 1))


def test_a_lower_priority_gives_way_for_short_where_that_helps_nobody() -> None:
    governor = RateGovernor()
    got = []
    for _ in range(600):
        low = 50.0 * governor.shares["low"]
        governor.update(named(load(50.0, 0.0, "high"), load(50.0, low, "low")))
        got.append(low)
    assert sum(got[120:]) / len(got[120:]) > 0.9 * 50.0


def test_one_worker_needs_no_governor() -> None:
    governor = RateGovernor()
    assert not governor.update(named(load(100.0, 50.0)))
    assert not governor.limits


def test_a_lower_priority_gives_way_step_by_step_and_never_to_nothing() -> None:
    governor = RateGovernor()
    shares = []
    for _ in range(60):
        low = min(22.5, 50.0 * governor.shares["low"])
        governor.update(named(load(50.0, 45.0 - low, "high"), load(50.0, low, "low")))
        shares.append(governor.shares["low"])
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == LEAST_SHARE
    for _ in range(60):
        governor.update(named(load(50.0, 50.0, "high"), load(50.0, 50.0, "low")))
    assert governor.shares["low"] == 1.0


def test_workers_without_cameras_that_send_change_nothing() -> None:
    governor = RateGovernor()
    assert not governor.update(named(load(0.0, 0.0), load(0.0, 0.0)))
    assert not governor.update(named())


@pytest.mark.parametrize("by_node", [True, False])
def test_what_is_short_on_one_machine_costs_another_nothing(by_node: bool) -> None:
    """Where models run in the workers; detectors that all share are another matter."""
    governors = NodeGovernors(by_node=by_node)
    workers = {
        "worker-0": ("full", load(10.0, 2.0)),
        "worker-1": ("full", load(10.0, 6.0)),
        "worker-2": ("free", load(10.0, 10.0)),
        "worker-3": ("free", load(10.0, 10.0)),
    }
    reduced: set[str] = set()
    for _ in range(5):
        shares = governors.update(workers)
        reduced |= {name for name, own in shares.items() if own["normal"] < 1.0}
    assert reduced == ({"worker-0", "worker-1"} if by_node else workers.keys())
    assert (governors.of("free").shares["normal"] == 1.0) is by_node
