"""Stamps that are missing, lie, pause, repeat or step back: time is right all the same."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.recording_time import MAX_PAUSE_S, Placed, RecordingTimeline, Stamp

STEP_S = 0.1
"""What the header of a recording says."""

RUN = [number * STEP_S for number in range(100)]
LONG = RUN[-1] + STEP_S


def placed(
    stamps: Sequence[float | Stamp | None], step_s: float = STEP_S, *, keeps_pauses: bool = True
) -> tuple[list[float], list[int]]:
    """The time of every image, and which ones lie behind a pause."""
    timeline = RecordingTimeline[int](step_s, keeps_pauses=keeps_pauses)
    found: list[Placed[int]] = []
    for number, one in enumerate(stamps):
        found += timeline.place(number, one if isinstance(one, Stamp) else Stamp(one))
    found += timeline.finish()
    assert [one.item for one in found] == list(range(len(stamps))), "none is lost, all in order"
    return [one.media_s for one in found], [one.item for one in found if one.cut]


def later(by_s: float) -> list[float]:
    return [one + by_s for one in RUN]


def numbered(*order: int) -> list[float]:
    return [one * STEP_S for one in order]


@pytest.mark.parametrize(
    ("stamps", "end_s"),
    [
        pytest.param(RUN, 9.9, id="right"),
        pytest.param([None] * 100, 9.9, id="missing"),
        pytest.param([7.0] * 100, 9.9, id="always the same"),
        pytest.param([one if i % 5 == 0 else None for i, one in enumerate(RUN)], 9.9, id="few"),
        pytest.param([one for one in RUN for _ in range(2)], 9.9, id="in pairs"),
        pytest.param([float(int(one)) for one in RUN], 9.9, id="whole seconds"),
        pytest.param([10 - one for one in RUN], 9.9, id="backwards"),
        pytest.param([*RUN[:50], 9e6, *RUN[51:]], 9.9, id="one in a hundred years"),
        pytest.param([*RUN[:50], 3600.0, *RUN[51:]], 9.9, id="one in an hour"),
        pytest.param([*RUN[:50], -3600.0, *RUN[51:]], 9.9, id="one an hour ago"),
        pytest.param([*RUN[:50], 1e4, 1e4 + 0.1, *RUN[52:]], 1e4 + 4.9, id="two in three hours"),
        pytest.param([*RUN[:50], 10.0, 10.1, *RUN[52:90]], 14.1, id="two in five seconds"),
        pytest.param([*later(3600), *RUN], 19.9, id="set back by an hour"),
        pytest.param([*RUN, *RUN], 19.9, id="twice the same"),
        pytest.param([*RUN[:5], *RUN], 10.4, id="begins anew at once"),
        pytest.param([*RUN, *later(LONG - 1.2)], 19.9, id="set back by a second"),
        pytest.param([*RUN, *later(LONG - 0.5)], 19.9, id="set back by half a second"),
        pytest.param([*RUN, *later(LONG + 8)], 27.9, id="eight seconds left out"),
        pytest.param([*RUN, *later(LONG + 55)], 74.9, id="a minute left out"),
        pytest.param([*RUN, *later(LONG + 8 * 3600)], 8 * 3600 + 19.9, id="a night left out"),
        pytest.param([*RUN, *later(1.7e9)], 19.9, id="from then on with dates"),
        pytest.param([15.0 * one for one in range(20)], 285, id="a time lapse"),
    ],
)
def test_recordings_are_as_long_as_they_are(stamps: Sequence[float | None], end_s: float):
    times_s, _ = placed(stamps)
    assert times_s[-1] == pytest.approx(end_s, abs=0.12)
    assert times_s == sorted(times_s)


@pytest.mark.parametrize("step_s", [0.001, 0.04, 1.0, 60.0])
def test_a_header_that_lies_about_the_rate_is_corrected_by_the_stamps(step_s: float):
    sparse = [one if i % 5 == 0 else None for i, one in enumerate([*RUN, *later(LONG)])]
    times_s, _ = placed(RUN, step_s)
    assert times_s == pytest.approx(RUN)
    times_s, _ = placed([*later(3600), *RUN], step_s)
    assert times_s[-1] == pytest.approx(19.9), "the step after it was set back is a usual one"
    times_s, _ = placed(sparse, min(step_s, STEP_S))
    assert times_s[-1] == pytest.approx(19.9, abs=0.5)


@pytest.mark.parametrize("fps", [10, 25])
def test_images_between_stamps_of_whole_seconds_are_spread_out(fps: int):
    times_s, _ = placed([float(one // fps) for one in range(20 * fps)])
    assert times_s[-1] == pytest.approx(20, abs=0.3)
    assert max(np.diff(times_s[fps:])) <= 3.5 / fps


def test_without_stamps_a_stream_may_say_how_long_an_image_is_shown():
    times_s, _ = placed([Stamp(None, None, 0.5)] * 5)
    assert times_s == [0.0, 0.5, 1.0, 1.5, 2.0]
    times_s, _ = placed([Stamp(None, None, 0.001)] * 5)
    assert times_s == pytest.approx(RUN[:5]), "no camera is as fast as that"


ORDERS = {
    "one B-frame": [one for group in range(0, 96, 2) for one in (group + 2, group + 1)],
    "two B-frames": [one for at in range(0, 96, 3) for one in (at + 3, at + 1, at + 2)],
    "a pyramid": [at + one for at in range(0, 96, 8) for one in (8, 4, 2, 1, 3, 6, 5, 7)],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_no_step_back_counts_twice_where_stamps_come_in_another_order(order: list[int]):
    times_s, _ = placed(numbered(0, *order))
    assert times_s[-1] == pytest.approx(max(order) * STEP_S, abs=0.5)
    # What steps back in one kind of stamps may be right in the other: every image has its place.
    both = [Stamp(shown_s, at * STEP_S) for at, shown_s in enumerate(numbered(0, *order))]
    times_s, _ = placed(both)
    assert times_s[-1] == pytest.approx(max(order) * STEP_S, abs=0.7)
    assert np.diff(times_s[20:]) == pytest.approx(STEP_S)


@pytest.mark.parametrize("jitter_s", [0.02, 0.08, 0.3])
def test_jitter_does_not_run_away(jitter_s: float):
    chance = random.Random(4)
    stamps = [one * STEP_S + chance.uniform(-jitter_s, jitter_s) for one in range(600)]
    times_s, _ = placed(stamps)
    assert times_s[-1] == pytest.approx(59.9, abs=2.5 * jitter_s + 0.3)


def test_a_pause_is_a_cut_and_the_rhythm_of_a_time_lapse_is_none():
    assert placed([*RUN, *later(LONG + 8)])[1] == []
    assert placed([*RUN, *later(LONG + 55)])[1] == [100]
    assert placed([15.0 * one for one in range(20)])[1] == [1], "until its rhythm is known"


def test_a_pause_may_be_left_out():
    stamps = [*RUN, *later(LONG + 55), *later(LONG + 9000)]
    times_s, cuts = placed(stamps, keeps_pauses=False)
    assert times_s[-1] == pytest.approx(29.9)
    assert cuts == [100, 200]
    times_s, _ = placed([15.0 * one for one in range(20)], keeps_pauses=False)
    assert times_s[-1] == pytest.approx(18 * 15, abs=1), "a time lapse keeps its rhythm"


def test_a_longer_pause_than_any_recorder_makes_is_a_defect():
    for more_s, end_s in ((-20.0, MAX_PAUSE_S - 0.1), (20.0, 19.9)):
        times_s, cuts = placed([*RUN, *later(MAX_PAUSE_S + more_s)])
        assert (times_s[-1], cuts) == (pytest.approx(end_s, abs=11), [100])


def test_time_goes_on_when_a_recording_begins_again():
    timeline = RecordingTimeline[str](STEP_S)
    times_s: list[float] = []
    for _ in range(3):
        for stamp_s in (50.0, 50.1, 50.3):
            times_s += [one.media_s for one in timeline.place("", Stamp(stamp_s))]
        times_s += [one.media_s for one in timeline.finish()]
    assert times_s[:4] == pytest.approx([0.0, 0.1, 0.3, 0.45])
    assert times_s == sorted(times_s)


seconds = st.none() | st.floats(-1e12, 1e12)


@given(st.lists(st.tuples(seconds, seconds)), st.booleans())
def test_time_never_runs_backwards_and_no_image_is_lost(stamps, keeps_pauses):
    times_s, _ = placed([Stamp(*one) for one in stamps], keeps_pauses=keeps_pauses)
    assert times_s == sorted(times_s)
    assert times_s[:1] in ([], [0.0])
