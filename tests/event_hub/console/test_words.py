from datetime import timedelta

import pytest

from event_hub.console.language import chosen_language, languages
from event_hub.console.words import CodeWords

WORDS = CodeWords(languages()["en"])


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
    assert WORDS.duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("median_speed_mps", 0.6, "Median speed: 2 km/h"),
        ("median_speed_boxes_per_s", 0.124, "Median speed: 0.12 own lengths/s"),
        ("persons_per_m2", 1.84, "Density: 1.84 persons/m²"),
        ("resting_s", 31.4, "Lying there for: 31 s"),
        ("resting_s", 340.0, "Lying there for: 5:40 min"),
        ("queue_m", 20.0, "Queue: 20 m"),
        ("vehicles", 9.0, "Vehicles: 9"),
        ("share_of_zone", 0.42, "Share of the zone: 42%"),
        ("new_thing_m", 2.0, "New thing: 2 m"),
    ],
)
def test_values_carry_their_unit(name: str, value: float, text: str) -> None:
    assert ": ".join(WORDS.measured(name, value)) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (0.001, "1%"), (0.9999, "99%"), (1, "100%")]
)
def test_nearly_all_never_reads_as_all(share: float, text: str) -> None:
    assert WORDS.percent(share) == text


def test_known_codes_have_words_and_unknown_ones_stay_readable() -> None:
    assert WORDS.kind("traffic.congestion") == "Traffic jam"
    assert WORDS.kind("traffic.new_thing") == "New thing"
    assert WORDS.kind("...") == "..."
    assert WORDS.end_reason("stream_lost") == "camera lost"
    assert WORDS.end_reason("operator_closed") == "operator closed"
    assert WORDS.end_reason(None) == ""
    assert WORDS.camera_state("degraded", "covered") == "view covered"


@pytest.mark.parametrize(
    ("accepted", "cookie", "code"),
    [
        ("", "", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh"),
        ("en;q=0.5, zh-Hans-SG", "", "zh"),
        ("fr-FR, de;q=0.8", "", "en"),
        ("en-GB,en;q=0.9,zh;q=0.1", "", "en"),
        ("zh;q=0, en", "", "en"),
        ("zh-CN", "en", "en"),
        ("en", "zh", "zh"),
        ("zh-CN", "<script>", "zh"),
        (";;;q=x,,", "", "en"),
    ],
)
def test_the_browser_chooses_the_language_and_the_cookie_overrules_it(
    accepted: str, cookie: str, code: str
) -> None:
    assert chosen_language(accepted, cookie).code == code
