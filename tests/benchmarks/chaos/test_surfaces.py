"""What a surface says is read as a person reads it."""

from __future__ import annotations

import pytest

from benchmarks.chaos.surfaces import TerminalReader, watched_by

CAMERAS = frozenset({"cam-east", "cam-west"})
BOTH = ["   9.1 s  camera cam-east is online", "   9.1 s  camera cam-west is online"]


def watched_after(*lines: str) -> set[str]:
    reader = TerminalReader()
    for line in lines:
        reader.read(line)
    return set(reader.watched)


def test_the_terminal_calls_those_watched_whom_it_last_called_online():
    assert watched_after(*BOTH) == CAMERAS
    gone = "  20.0 s  camera cam-east is offline: the camera refuses connections"
    assert watched_after(*BOTH, gone) == {"cam-west"}
    assert watched_after(*BOTH, gone, BOTH[0]) == CAMERAS


@pytest.mark.parametrize(
    "line",
    [
        "  30.0 s  nobody watches: the city process died; the city is started again",
        "  30.0 s  the director has not answered for 3 s",
        "  30.0 s  nothing is known of any camera: the director died; a new one takes over",
        "  30.0 s  stopping: ending incidents, delivering what is left",
        "   0.1 s  starting Ray",
    ],
)
def test_some_lines_take_back_all_that_was_said(line):
    assert watched_after(*BOTH, line) == set()


def test_what_was_said_counts_again_when_the_director_is_back():
    away, back = (
        "  30.0 s  the director died; a new one",
        "  38.0 s  the director is back after 8 s",
    )
    assert watched_after(*BOTH, away, back) == CAMERAS


def test_a_city_that_is_started_again_has_to_say_it_anew():
    away = "  30.0 s  nobody watches: the city process died; the city is started again"
    assert watched_after(*BOTH, away, "  70.0 s  the city is back after 40 s") == set()
    assert watched_after(*BOTH, away, BOTH[1]) == {"cam-west"}


def health(online: int, *problems: str) -> dict[str, object]:
    return {"cameras_online": online, "problems": problems}


def test_health_calls_those_watched_whom_no_problem_names():
    assert watched_by(health(2), CAMERAS) == CAMERAS
    one = health(1, "camera cam-east is offline: no answer")
    assert watched_by(one, CAMERAS) == {"cam-west"}
    silent = health(1, "worker-0 has been silent for 7 s; nothing is known of camera cam-west")
    assert watched_by(silent, CAMERAS) == {"cam-east"}


def test_health_without_an_answer_or_a_camera_claims_nothing():
    assert not watched_by(None, CAMERAS)
    assert not watched_by(health(0, "nothing is known of any camera"), CAMERAS)
