from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules.hysteresis import Edge, Hysteresis

WINDOWS = (6.0, 8.0)


def watch(windows, observations):
    """Edges with the time at which they come, from (time, holds) observations."""
    hysteresis = Hysteresis(*windows)
    return [(t, edge) for t, holds in observations if (edge := hysteresis.observe(holds, t))]


def every(step_s, until_s, holds, start_s=0.0):
    count = round((until_s - start_s) / step_s)
    times = [start_s + index * step_s for index in range(count)]
    return [(t, holds(t)) for t in times]


def spans(*held):
    return lambda t: any(start <= t < end for start, end in held)


@pytest.mark.parametrize("step_s", [0.04, 0.2, 0.5, 2.0, 4.0])
def test_it_opens_after_it_held_and_ends_after_it_did_not_at_any_frame_rate(step_s):
    edges = watch(WINDOWS, every(step_s, 100.0, spans((20.0, 60.0))))
    (opened_at, opened), (ended_at, ended) = edges
    assert opened == Edge(opened=True, since_s=pytest.approx(20.0, abs=step_s))
    assert 26.0 - 1e-6 <= opened_at <= 26.0 + 2 * step_s
    assert ended == Edge(opened=False, since_s=pytest.approx(60.0, abs=step_s))
    assert 68.0 - 1e-6 <= ended_at <= 68.0 + 2 * step_s


@pytest.mark.parametrize(
    ("scenario", "holds", "expected"),
    [
        ("never", spans(), []),
        ("shorter than the confirmation", spans((10, 15.8)), []),
        (
            "one odd observation while it holds",
            lambda t: 10 <= t < 40 and round(t, 1) != 12.0,
            [10, 40],
        ),
        ("one odd observation while it does not", lambda t: round(t, 1) in {10.0, 20.0}, []),
        (
            "every fourth observation missed",
            lambda t: 10 <= t < 40 and round(t * 5) % 4 != 0,
            [10, 40],
        ),
        ("every second observation missed", lambda t: 10 <= t < 40 and round(t * 5) % 2 == 0, []),
        ("a false start", spans((10, 12), (16, 40)), [16, 40]),
        ("an interruption shorter than the expiry", spans((10, 30), (36, 50)), [10, 50]),
        ("rare observations that hold do not keep it open", spans((10, 30), (34, 34.1)), [10, 30]),
        ("twice", spans((10, 20), (40, 50)), [10, 20, 40, 50]),
    ],
)
def test_flicker(scenario, holds, expected):
    edges = watch(WINDOWS, every(0.2, 80.0, holds))
    assert [edge.since_s for _, edge in edges] == pytest.approx(expected, abs=1.0), scenario
    assert [edge.opened for _, edge in edges] == [index % 2 == 0 for index in range(len(edges))]


def test_a_gap_in_observation_does_not_count_as_held():
    observations = every(0.2, 14.0, spans((10, 60))) + every(
        0.2, 60.0, spans((10, 60)), start_s=40.0
    )
    ((opened_at, opened),) = watch(WINDOWS, observations)
    assert opened.since_s == pytest.approx(40.0)
    assert opened_at == pytest.approx(46.0)


def test_a_gap_in_observation_does_not_count_as_not_held():
    observations = [
        *every(0.2, 20.0, spans((0, 20))),
        *every(0.2, 26.0, spans(), start_s=20.0),
        *every(0.2, 80.0, spans((70, 80)), start_s=70.0),
    ]
    edges = watch(WINDOWS, observations)
    assert [edge.opened for _, edge in edges] == [True]


def test_observations_that_are_unknown_are_left_out_of_the_count():
    def holds(t):
        return None if 13.0 <= t < 16.0 else t >= 10.0

    ((opened_at, opened),) = watch(WINDOWS, every(0.2, 30.0, holds))
    assert opened.since_s == pytest.approx(10.0)
    assert opened_at == pytest.approx(19.0, abs=0.3)


def test_within_the_cool_down_it_opens_no_more_and_after_it_with_its_true_beginning():
    edges = watch((2.0, 2.0, 30.0), every(0.2, 80.0, spans((5, 10), (14, 18), (30, 70))))
    assert [edge.since_s for _, edge in edges] == pytest.approx([5, 10, 30, 70], abs=0.1)
    assert edges[2][0] == pytest.approx(40.0, abs=0.3)


def test_only_the_newest_seconds_decide_however_long_it_held_before():
    edges = watch((6.0, 2.0, 40.0), every(0.2, 70.0, spans((0, 8), (12, 45), (50, 50.6))))
    assert [edge.since_s for _, edge in edges] == pytest.approx([0, 8], abs=0.1)


def test_a_clock_that_runs_backwards_is_taken_for_a_gap():
    observations = every(0.2, 5.0, spans((0, 99))) + every(0.2, 5.0, spans((0, 99)))
    assert watch(WINDOWS, observations) == []


observations_strategy = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.04, 0.2, 0.2, 0.2, 1.0, 3.0, 30.0]),
        st.sampled_from([True, True, False, None]),
        st.integers(1, 40),
    ),
    max_size=30,
)


def timeline(blocks):
    t, observations = 100.0, []
    for step_s, holds, count in blocks:
        for _ in range(count):
            t += step_s
            observations.append((t, holds))
    return observations


@settings(deadline=None, max_examples=80)
@given(observations_strategy, st.floats(0, 10), st.floats(0, 10), st.floats(0, 20))
def test_openings_and_endings_alternate_and_lie_in_order(blocks, confirm_s, expire_s, cooldown_s):
    observations = timeline(blocks)
    edges = watch((confirm_s, expire_s, cooldown_s), observations)
    assert [edge.opened for _, edge in edges] == [index % 2 == 0 for index in range(len(edges))]
    since = [edge.since_s for _, edge in edges]
    assert since == sorted(since)
    for edge_s, edge in edges:
        assert edge.since_s <= edge_s
        assert (edge_s, edge.opened) in observations
        needed_s = confirm_s if edge.opened else expire_s
        assert edge_s - edge.since_s >= needed_s - 1e-3


@settings(deadline=None, max_examples=50)
@given(observations_strategy)
def test_nothing_opens_that_never_holds(blocks):
    observations = [(t, holds and None) for t, holds in timeline(blocks)]
    assert watch((0.0, 0.0), observations) == []
