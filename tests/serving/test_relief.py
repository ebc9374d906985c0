"""Which worker goes to another machine: one whose cameras get too little, where there is room."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.nodes import CameraNode, PlacedShare
from serving.relief import LIMITED_S, SETTLE_S, PlacedLoad, Relief

OLD = CameraNode("a", "old", 2.0, labels={"network": "field"})
NEW = CameraNode("b", "new", 2.0, labels={"network": "field"})
OTHER = CameraNode("c", "other", 8.0)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def worker(node: str, room: float = 1.0, cameras: int = 2, **labels: str) -> PlacedLoad:
    return PlacedLoad(PlacedShare(cameras, labels, node), room)


def asked_for(
    relief: Relief, clock: Clock, workers: Mapping[str, PlacedLoad], *nodes: CameraNode, s: float
) -> tuple[str, str] | None:
    """Asks once a second; the first worker that is to go, and where."""
    until_s = clock.now_s + s
    while clock.now_s <= until_s:
        if found := relief.next(workers, nodes):
            return found[0], found[1].id
        clock.now_s += 1.0
    return None


def test_the_worker_that_gets_least_goes_to_the_machine_that_came(clock: Clock) -> None:
    relief = Relief(clock)
    workers = {f"well-{number}": worker("a") for number in range(2)}
    workers |= {"short": worker("a", 0.8), "shortest": worker("a", 0.5)}
    assert asked_for(relief, clock, workers, OLD, s=2 * LIMITED_S) is None, "there is no other"
    assert asked_for(relief, clock, workers, OLD, NEW, s=1) == ("shortest", "b")
    workers["shortest"] = worker("b")
    began_s = clock.now_s
    assert asked_for(relief, clock, workers, OLD, NEW, s=600) == ("short", "b")
    assert clock.now_s - began_s >= max(LIMITED_S, SETTLE_S)
    workers["short"] = worker("b", 0.9)
    assert asked_for(relief, clock, workers, OLD, NEW, s=600) is None, "both are as full"


def test_what_is_short_for_a_moment_stays(clock: Clock) -> None:
    relief = Relief(clock)
    for _ in range(20):
        short = {"worker-0": worker("a", 0.3)}
        assert asked_for(relief, clock, short, OLD, NEW, s=LIMITED_S - 2) is None
        assert relief.next({"worker-0": worker("a")}, (OLD, NEW)) is None
        clock.now_s += 1.0


def test_what_runs_well_stays_however_empty_the_other_machine_is(clock: Clock) -> None:
    workers = {f"worker-{number}": worker("a") for number in range(9)}
    assert asked_for(Relief(clock), clock, workers, OLD, NEW, s=600) is None


def test_nothing_goes_where_cameras_get_too_little_too(clock: Clock) -> None:
    workers = {"a": worker("a", 0.5, 8), "b": worker("b", 0.9, 1)}
    assert asked_for(Relief(clock), clock, workers, OLD, NEW, s=600) is None


def test_labels_count(clock: Clock) -> None:
    workers = {f"worker-{number}": worker("a", 0.5, network="field") for number in range(4)}
    assert asked_for(Relief(clock), clock, workers, OLD, OTHER, s=600) is None
    assert asked_for(Relief(clock), clock, workers, OLD, OTHER, NEW, s=600) == ("worker-0", "b")


def test_one_worker_alone_goes_to_a_larger_machine_only(clock: Clock) -> None:
    workers = {"worker-0": worker("a", 0.5)}
    assert asked_for(Relief(clock), clock, workers, OLD, NEW, s=600) is None
    assert asked_for(Relief(clock), clock, workers, OLD, OTHER, s=600) == ("worker-0", "c")


@given(
    st.lists(st.tuples(st.integers(1, 8), st.sampled_from("abc")), min_size=1, max_size=12),
    st.integers(0, 1000),
)
def test_moves_come_to_an_end(drawn: list[tuple[int, str]], seed: int) -> None:
    """Whatever is short when, each move makes the fullest machine of the two less full."""
    clock, chance = Clock(), random.Random(seed)
    relief = Relief(clock)
    nodes = (OLD, NEW, OTHER)
    workers = {f"w{i}": worker(node, 1.0, cameras) for i, (cameras, node) in enumerate(drawn)}
    places = []
    for _ in range(60):
        short = chance.choice("abc")
        now = {
            name: PlacedLoad(one.share, 0.5 if one.share.node == short else 1.0)
            for name, one in workers.items()
        }
        if found := asked_for(relief, clock, now, *nodes, s=SETTLE_S + LIMITED_S + 1):
            name, node = found
            workers[name] = worker(node, 1.0, workers[name].share.cameras)
            places.append(tuple(one.share.node for one in workers.values()))
    assert len(places) == len(set(places)), "no arrangement comes twice"
