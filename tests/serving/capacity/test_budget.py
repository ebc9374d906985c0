"""How many cameras fit, who is left out, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from camera_adapters.geometry import Size
from serving.capacity.budget import FULL, CityBudget, ReadingCost
from serving.capacity.cost import BASE_CORES, BITS_PER_PIXEL, ModelCost
from tests.serving.capacity.costs import COSTS, plan

HD = Size(1280, 720)
EACH = 0.06 + 0.001 + 5 * (0.0012 + 0.006)
"""Cores of a camera of `READINGS`."""

READINGS = {f"old-{number}": ReadingCost(0.06, HD) for number in range(40)}
BUDGET = CityBudget(COSTS, READINGS)
ROOM = int((FULL * 2 - BASE_CORES) / EACH)


def cameras(count: int, **given):
    return [plan(f"old-{number}", **given) for number in range(count)]


def test_a_city_needs_what_its_cameras_need_and_its_base():
    state = BUDGET.state(cameras(10))
    assert state.needed_cores == pytest.approx(BASE_CORES + 10 * EACH, abs=0.001)
    assert (state.cameras, state.fitting, state.assumed) == (10, 10, 0)
    assert state.more == ROOM - 10
    assert not state.is_full
    assert str(state) == (
        f"10 cameras need {state.needed_cores:.2f} of 2 cores, give or take 3%; "
        f"{ROOM - 10} more like them fit"
    )


def test_of_too_many_the_first_ones_fit():
    state = BUDGET.state(cameras(ROOM + 3))
    assert (state.fitting, state.more, state.is_full) == (ROOM, 0, True)
    assert str(state).endswith(f"; {ROOM} of them fit")


@pytest.mark.parametrize("extra", [0, 1, 2, 5])
def test_a_camera_too_many_is_refused_with_the_number_that_fits(extra):
    running = cameras(ROOM - 2)
    wanted = [*running, *(plan(f"new-{number}") for number in range(2 + extra))]
    refusal = BUDGET.refusal(running, wanted)
    if not extra:
        assert refusal == ""
        return
    assert f"of the {2 + extra} new ones 2 fit (new-0, new-1)" in refusal
    assert f"{len(wanted)} cameras would need" in refusal
    assert "`capacity: share`" in refusal
    taken = wanted[: len(running) + 2]
    assert BUDGET.refusal(running, taken) == ""


def test_of_new_cameras_those_of_the_highest_priority_are_taken_first():
    running = cameras(ROOM - 1)
    new = [plan("low", priority="low"), plan("normal"), plan("high", priority="high")]
    assert "of the 3 new ones 1 fit (high)" in BUDGET.refusal(running, [*new, *running])


def test_nothing_is_refused_on_a_full_machine_that_asks_for_no_more():
    running = cameras(ROOM + 5)
    assert BUDGET.refusal(running, running) == ""
    assert BUDGET.refusal(running, running[1:]) == ""
    assert BUDGET.refusal(running, [plan("old-0", fps=1.0), *running[1:]]) == ""


def test_a_rate_that_does_not_fit_is_refused_too():
    running = cameras(ROOM)
    refusal = BUDGET.refusal(running, cameras(ROOM, fps=10.0))
    assert "no room for that" in refusal
    assert "new ones" not in refusal


def test_an_unknown_camera_counts_as_the_mean_of_those_that_ran():
    assert BUDGET.camera(plan("new")).cores == pytest.approx(EACH)
    refusal = BUDGET.refusal(cameras(ROOM), [*cameras(ROOM), plan("new")])
    assert "the streams of 1 are not known yet and count as the mean of those that ran" in refusal


def test_where_nothing_ran_a_camera_counts_as_a_usual_one():
    budget = CityBudget(COSTS)
    state = budget.state([plan("a"), plan("b")])
    assert state.assumed == 2
    assert "(the streams of 2 are not known yet)" in str(state)
    refusal = budget.refusal([plan("a")], [plan(f"{number}") for number in range(99)])
    assert "count as 1920x1080 at 25 images/s in h264" in refusal


def test_a_full_gpu_refuses_too():
    costs = replace(COSTS, cores=64.0, models={"traffic/1": ModelCost(0.0001, 1 / 101)})
    budget = CityBudget(costs, READINGS)
    running = cameras(18)
    assert budget.refusal(running, cameras(19)) == ""
    refusal = budget.refusal(running, cameras(20))
    assert "99% of the GPUs" in refusal
    assert "of the 2 new ones 1 fit (old-18)" in refusal


def test_a_model_that_was_not_measured_is_named():
    costs = replace(COSTS, models={})
    assert CityBudget(costs).unmeasured([plan("a")]) == ["traffic/1"]


def test_a_camera_with_two_streams_is_taken_for_one_that_decodes_the_smaller():
    gate = plan("gate")
    both = replace(gate, camera=replace(gate.camera, main_source="rtsp://10.0.0.1/main"))
    budget = CityBudget(COSTS)
    one, two = budget.camera(gate).cores, budget.camera(both).cores
    # Of the smaller stream and of 4 Mbit/s that are received.
    decoding = 15 * COSTS.video["h264"].of(0.2304, 0.2304 * BITS_PER_PIXEL) + 15 * 0.0001
    receiving = 4 * 0.001 + 25 * 0.0001
    analysing = 0.001 + 5 * (0.001 + 0.0001 + 0.006)
    assert two == pytest.approx(decoding + receiving + analysing)
    assert two < one
    many = [replace(both, camera=replace(both.camera, id=f"c-{n}")) for n in range(200)]
    assert "a smaller one beside it as 640x360 at 15 images/s" in budget.refusal([], many)
