"""Where a mask is, nobody and nothing counts, for the rules that have it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from models.detections import Box
from pipelines.rules import RulePlan, Zone, ZoneError, build_rule
from pipelines.rules.rule import FrameSignals, Moment, RuleParameters, RuleResult, RuleType
from pipelines.rules.zone_geometry import MaskedArea
from pipelines.signals.signal import ChangeKind, Signal, StaticChange
from pipelines.track import Track

CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
LEFT = Zone("left", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
L_SHAPE = Zone("corner", ((0, 0), (1, 0), (1, 0.2), (0.2, 0.2), (0.2, 1), (0, 1)))


@pytest.mark.parametrize(
    ("box", "hidden"),
    [
        (Box(0.1, 0.1, 0.2, 0.2), True),
        (Box(0.44, 0.1, 0.54, 0.9), True),  # the foot inside
        (Box(0.46, 0.1, 0.56, 0.9), False),
        (Box(0.8, 0.1, 0.9, 0.2), False),
    ],
)
def test_the_foot_or_most_of_a_box_decides(box, hidden):
    assert MaskedArea([LEFT]).hides(box) is hidden


def test_most_of_a_box_is_enough_where_its_foot_is_outside_and_a_part_is_not():
    assert MaskedArea([L_SHAPE]).hides(Box(0.4, 0.0, 0.5, 0.3)), "two thirds of it"
    assert not MaskedArea([L_SHAPE]).hides(Box(0.4, 0.0, 0.5, 0.5)), "two fifths of it"
    assert not MaskedArea([L_SHAPE]).hides(Box(0.4, 0.3, 0.9, 0.9)), "the hollow is open"


def test_two_masks_that_touch_hide_what_stands_on_both():
    right = Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 0.4), (0.5, 0.4)))
    assert MaskedArea([LEFT, right]).hides(Box(0.47, 0.2, 0.57, 0.5))


def test_a_polygon_whose_corner_touches_its_edge_is_a_mask():
    touching = Zone("touching", ((0, 0), (0.8, 0), (0.8, 0.8), (0.4, 0), (0, 0.8)))
    masked = MaskedArea([touching, LEFT])
    assert masked.hides(Box(0.1, 0.1, 0.2, 0.2))
    assert masked.hides(Box(0.72, 0.1, 0.78, 0.6))
    assert not masked.hides(Box(0.85, 0.1, 0.95, 0.6))


def test_a_polygon_that_crosses_itself_is_refused():
    with pytest.raises(ZoneError, match="bow"):
        MaskedArea([Zone("bow", ((0, 0), (1, 1), (1, 0), (0, 1)))])


class _Seen:
    """A watch that notes what it gets."""

    def __init__(self, shape: object, identity: object, parameters: object) -> None:
        self.tracks: list[int] = []
        self.changes: list[int] = []

    def observe(self, tracks, at, signals) -> RuleResult:
        self.tracks = [track.id for track in tracks]
        self.changes = [change.id for change in signals.static_changes or ()]
        return RuleResult()


def test_a_rule_gets_neither_tracks_nor_changes_that_are_masked():
    made: list[_Seen] = []

    def watch(*given) -> _Seen:
        made.append(_Seen(*given))
        return made[-1]

    signals = frozenset({Signal.STATIC_CHANGE})
    rule_type = RuleType("test.seen", "1", "test", RuleParameters, watch, signals=signals)
    boxes = [Box(0.1, 0.1, 0.2, 0.2), Box(0.7, 0.1, 0.8, 0.2)]
    tracks = [Track(i, "person", box, 0.9, 0.0, 0.0) for i, box in enumerate(boxes)]
    changes = tuple(
        StaticChange(i, ChangeKind.ADDED, box, 0, 0, 0.01) for i, box in enumerate(boxes)
    )
    at = Moment(datetime(2026, 1, 1, tzinfo=UTC), 0.0)
    for masks, left in (((), [0, 1]), ((LEFT,), [1])):
        rule = rule_type.build(
            "gate", RulePlan("test.seen", (Zone("z", CORNERS),), masks=masks), "e"
        )
        rule.observe(tracks, at, FrameSignals(static_changes=changes))
        assert (made[-1].tracks, made[-1].changes) == (left, left)


def test_a_rule_says_which_mask_is_wrong():
    line = Zone("line", ((0, 0), (1, 1), (0.5, 0.5)))
    plan = RulePlan("crowding.density", (Zone("z", CORNERS),), masks=(line,))
    with pytest.raises(ValueError, match=r"crowding\.density: mask line"):
        build_rule(plan, "gate", "e1")
