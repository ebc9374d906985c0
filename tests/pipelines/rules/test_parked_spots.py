"""Who drove to a spot, and who is parked, survives boxes that jump and ids that change."""

from __future__ import annotations

import pytest

from models.detections import Box
from pipelines.rules.parked_spots import ParkedSpots, single_vehicles
from pipelines.track import Track

LEFT = Box(0.2, 0.4, 0.3, 0.5)
RIGHT = Box(0.32, 0.4, 0.42, 0.5)


def track(number: int, box: Box, label: str = "car") -> Track:
    return Track(number, label, box, 0.9, 0.0, 0.0)


def see(spots: ParkedSpots, at_s: float, *vehicles: Track):
    return spots.observe(vehicles, at_s)


def standing(*vehicles: Track) -> ParkedSpots:
    spots = ParkedSpots()
    for number in range(50):
        see(spots, 0.2 * number, *vehicles)
    return spots


def test_a_box_that_jumps_away_and_back_has_not_driven():
    spots = standing(track(1, LEFT))
    see(spots, 10.0, track(1, Box(0.27, 0.35, 0.4, 0.5)))
    found = see(spots, 10.4, track(1, LEFT))
    assert not found[1].drove
    assert found[1].since_s == 0.0


def test_two_that_change_their_ids_have_not_driven():
    spots = standing(track(1, LEFT), track(2, RIGHT))
    found = see(spots, 10.0, track(1, RIGHT), track(2, LEFT))
    found = see(spots, 10.2, track(1, RIGHT), track(2, LEFT))
    assert [found[1].drove, found[2].drove] == [False, False]


def test_who_creeps_to_where_another_stood_has_driven():
    spots = standing(track(1, LEFT), track(2, RIGHT))
    ahead = Box(0.08, 0.4, 0.18, 0.5)
    for number in range(10):
        share = number / 9
        found = see(
            spots,
            10.0 + 0.2 * number,
            track(1, LEFT.towards(ahead, share)),
            track(2, RIGHT.towards(LEFT, share)),
        )
    assert [found[1].drove, found[2].drove] == [True, True]


def test_a_new_id_at_a_spot_is_the_same_vehicle():
    spots = standing(track(1, LEFT))
    found = see(spots, 15.0, track(7, LEFT))
    assert found[7].since_s == 0.0


@pytest.mark.parametrize(("passes", "is_parked"), [(0, False), (1, False), (2, True)])
def test_who_stood_there_at_first_is_parked_once_others_have_driven_past(passes, is_parked):
    spots, at_s = standing(track(1, LEFT)), 10.0
    for number in range(3):
        for step in range(20):
            at_s += 0.2
            x = 0.05 + 0.04 * step
            passing = [track(10 + number, Box(x, 0.5, x + 0.08, 0.58))] if number < passes else []
            see(spots, at_s, track(1, LEFT), *passing)
    found = see(spots, 25.0, track(1, LEFT))
    assert found[1].is_parked is is_parked


def test_one_vehicle_with_two_boxes_is_one_and_two_abreast_are_two():
    inner = Box(0.21, 0.41, 0.29, 0.5)
    assert single_vehicles([track(1, LEFT), track(2, inner, "truck")]) == [track(1, LEFT)]
    assert len(single_vehicles([track(1, LEFT), track(2, Box(0.25, 0.4, 0.35, 0.5))])) == 2


@pytest.mark.parametrize(
    ("box", "drove"), [(Box(0.4, 0.8, 0.6, 1.0), True), (Box(0.4, 0.7, 0.6, 0.9), False)]
)
def test_who_comes_in_at_the_edge_of_the_image_and_stops_there_has_driven(box, drove):
    spots = standing(track(1, LEFT))
    for number in range(10):
        see(spots, 10.0 + 0.2 * number, track(1, LEFT))
    assert see(spots, 12.0, track(1, LEFT), track(2, box))[2].drove is drove


def test_who_stands_at_the_edge_when_watching_begins_has_not_driven():
    spots = ParkedSpots()
    assert not see(spots, 3.0, track(1, Box(0.4, 0.8, 0.6, 1.0)))[1].drove
