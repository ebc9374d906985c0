"""What the scripts say: what the configuration has against a drawing is known in both languages."""

from __future__ import annotations

import re

import pytest

from cityeye.config.plans import WHOLE_IMAGE
from cityeye.config.values import armed_spans, polygon, two_points
from event_hub.console.language import languages
from event_hub.console.script_texts import PROBLEMS, WHOLE_ZONE, script_texts
from event_hub.console.words import KINDS
from pipelines.rules import RULE_SETS

SQUARE = ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.1, 0.4))


class NoData:
    """What a validator is given where nothing else of the camera is known."""

    data: dict[str, object] = {}  # noqa: RUF012 - never changed


MISTAKES = {
    "two corners": lambda: polygon(SQUARE[:2]),
    "no area": lambda: polygon((SQUARE[0], SQUARE[0], SQUARE[1])),
    "crossed": lambda: polygon((SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3])),
    "outside": lambda: polygon((*SQUARE[:3], (0.1, 1.4))),
    "one place": lambda: two_points((SQUARE[0], SQUARE[0]), NoData()),  # type: ignore[arg-type]
    "no span": lambda: armed_spans(("at night",)),
    "no length": lambda: armed_spans(("mon 08:00-08:00",)),
    "no time": lambda: armed_spans(("mon 28:00-29:00",)),
    "no day": lambda: armed_spans(("mon-tag 08:00-09:00",)),
}


def known(sentence: str) -> list[str]:
    """The texts that a sentence fits, as the script finds them."""
    return [
        text
        for text in PROBLEMS
        if re.fullmatch("(.+?)".join(map(re.escape, re.split(r"\{\w+\}", text))), sentence)
    ]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_drawing_is_known(mistake: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        MISTAKES[mistake]()
    assert len(known(str(caught.value))) == 1, str(caught.value)


def test_the_texts_of_the_page_of_a_camera_are_chinese_there() -> None:
    texts = script_texts(languages()["zh"], "camera")
    assert texts["problems"]["the polygon has no area"] == "多边形没有面积"
    assert texts["tasks"]["traffic"] == "交通"
    assert {rule.kind for rules in RULE_SETS.values() for rule in rules} <= KINDS.keys()
    assert texts["kinds"].keys() == KINDS.keys()
    assert "problems" not in script_texts(languages()["zh"], "incidents")


def test_a_task_that_names_no_zone_has_the_one_that_live_frames_name() -> None:
    assert WHOLE_ZONE == WHOLE_IMAGE
