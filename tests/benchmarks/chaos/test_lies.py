"""How long a surface called a camera watched while no new frame was decoded."""

from __future__ import annotations

import pytest

from benchmarks.chaos.lies import lies_in, longest_by_kind
from benchmarks.chaos.records import FaultRecord, Recording, SurfaceClaim
from tests.benchmarks.chaos.recordings import changed, claims, frames, good_run, reading

POLL_S = 0.5


def longest_s(recording: Recording, surface: str = "hub") -> float:
    return max((one.lasted_s for one in lies_in(recording) if one.surface == surface), default=0.0)


def test_a_camera_that_gives_frames_is_watched():
    assert longest_s(good_run()) < POLL_S


def test_a_surface_lies_from_the_last_frame_to_its_last_claim():
    silent = changed(
        good_run(),
        frames={"east": frames((0.0, 20.0), (50.0, 60.0))},
        claims=claims("hub", ["east"], 0.0, 40.0),
    )
    assert longest_s(silent) == pytest.approx(20.0, abs=POLL_S)


def test_a_surface_that_begins_to_claim_later_lies_from_then_on():
    silent = changed(
        good_run(),
        frames={"east": frames((0.0, 20.0))},
        claims=[*claims("hub", [], 0.0, 30.0), *claims("hub", ["east"], 30.5, 40.0)],
    )
    assert longest_s(silent) == pytest.approx(9.5, abs=POLL_S)


def test_frames_that_no_running_process_takes_do_not_count():
    stopped = changed(good_run(), reading=reading(["east"], 60.0, stopped=(10.0, 35.0)))
    assert longest_s(stopped) == pytest.approx(25.0, abs=2 * POLL_S)


def test_a_surface_that_does_not_answer_does_not_lie():
    gone = [SurfaceClaim("hub", 20.0 + step, frozenset()) for step in range(30)]
    silent = changed(
        good_run(),
        frames={"east": frames((0.0, 20.0))},
        claims=[*claims("hub", ["east"], 0.0, 20.0), *gone],
    )
    assert longest_s(silent) < 2 * POLL_S


def test_nothing_is_claimed_while_nobody_asks():
    silent = changed(
        good_run(),
        frames={"east": frames((0.0, 20.0))},
        claims=[*claims("hub", ["east"], 0.0, 20.0), *claims("hub", ["east"], 50.0, 53.0)],
    )
    assert longest_s(silent) == pytest.approx(3.0)


@pytest.mark.parametrize(("count", "lies"), [(2, True), (1, False)])
def test_a_count_is_a_lie_where_fewer_cameras_give_frames(count, lies):
    one_of_two = changed(
        good_run(),
        frames={"east": frames((0.0, 60.0)), "west": frames((0.0, 10.0))},
        reading=reading(["east", "west"], 60.0),
        claims=[SurfaceClaim("/metrics", step / 2, count=count) for step in range(100)],
    )
    found = longest_s(one_of_two, "/metrics")
    assert found == pytest.approx(39.5, abs=POLL_S) if lies else found < 2 * POLL_S


def test_the_longest_lie_is_known_by_surface_and_kind_of_fault():
    fault = FaultRecord(0, "kill -9 worker", "worker 7", 19.0, 19.0, 25.0)
    later = FaultRecord(1, "store: down", "the store", 55.0, 56.0, 1.0)
    silent = changed(good_run(), frames={"east": frames((0.0, 20.0), (40.0, 60.0))})
    longest = longest_by_kind(lies_in(silent), [fault, later])
    assert longest["hub", "kill -9 worker"] == pytest.approx(20.0, abs=2 * POLL_S)
    assert longest.get(("hub", "store: down"), 0.0) < 2 * POLL_S
