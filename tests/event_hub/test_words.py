from datetime import timedelta

import pytest

from event_hub import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0:00"),
        (0, "0:00"),
        (42.9, "0:42"),
        (65, "1:05"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (3725, "1:02:05"),
        (86399, "23:59:59"),
        (2 * 86400 + 3 * 3600, "2 d 3 h"),
    ],
)
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert words.duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("median_speed_mps", 0.6, "median speed 2 km/h"),
        ("median_speed_boxes_per_s", 0.124, "median speed 0.12 own lengths/s"),
        ("persons_per_m2", 1.84, "1.8 persons/m²"),
        ("resting_s", 31.4, "resting 31 s"),
        ("queue_m", 20.0, "queue 20.0 m"),
        ("vehicles", 9.0, "9 vehicles"),
    ],
)
def test_values_carry_their_unit(name: str, value: float, text: str) -> None:
    assert words.measured(name, value) == text


def test_known_codes_have_words_and_unknown_ones_stay_readable() -> None:
    assert words.kind("traffic.congestion") == "Traffic jam"
    assert words.kind("littering.dropped_object") == "Dropped object"
    assert words.kind("crowding.density") == "Crowd"
    assert words.kind("traffic.wrong_way") == "Wrong way"
    assert words.kind("...") == "..."
    assert words.end_reason("stream_lost") == "camera lost"
    assert words.end_reason("operator_closed") == "operator closed"
    assert words.end_reason(None) == ""
    assert words.count(1, "camera") == "1 camera"
