"""Actors and traffic: paths, things that change hands, vehicles that keep their distance."""

import math
from itertools import pairwise

import numpy as np
import pytest

from simulation.drawing.place import Lane
from simulation.scenes.motion import Path, Spell, Thing, Walker, stroll
from simulation.scenes.traffic import Arrival, Hold, drive_lane, flow, length_of


def test_a_path_moves_evenly_and_rests() -> None:
    path = Path([(0.0, 0.0, 0.0), (4.0, 0.0, 8.0), (6.0, 0.0, 8.0)])
    assert path.at(2.0) == (0.0, 4.0)
    assert path.speed_mps(2.0) == pytest.approx(2.0)
    assert path.speed_mps(5.0) == 0.0
    assert path.heading_rad(2.0) == pytest.approx(math.pi / 2)
    assert path.heading_rad(5.5) == pytest.approx(math.pi / 2)


def test_a_path_needs_increasing_times() -> None:
    with pytest.raises(ValueError, match="increasing"):
        Path([(1.0, 0.0, 0.0), (1.0, 0.0, 1.0)])


def test_a_walker_swings_its_legs_only_while_walking() -> None:
    walker = Walker(1, 2, Path([(0.0, 0.0, 0.0), (3.0, 4.0, 0.0), (9.0, 4.0, 0.0)]))
    assert walker.state_at(1.0).gesture == "walk"
    assert walker.state_at(5.0).gesture == "stand"
    assert len({walker.state_at(t).step for t in np.arange(0, 3, 0.1)}) == 12


def test_a_thing_hangs_in_a_hand_then_lies_then_leaves() -> None:
    owner, finder = stroll(1, 1, 0.0, [(0, 0), (0, 30)]), stroll(2, 2, 10.0, [(9, 5), (-30, 5)])
    bag = Thing(
        3, "bag", 4, (Spell(0, 5, owner), Spell(5, 14, None, (0, 6)), Spell(14, 30, finder))
    )
    assert bag.state_at(2).z_m > 0
    assert math.dist((bag.state_at(2).x_m, bag.state_at(2).y_m), owner.path.at(2)) < 0.5
    assert (bag.state_at(9).x_m, bag.state_at(9).y_m, bag.state_at(9).z_m) == (0, 6, 0)
    assert math.dist((bag.state_at(20).x_m, bag.state_at(20).y_m), finder.path.at(20)) < 0.5


def test_vehicles_keep_their_distance_and_stop_at_red() -> None:
    lane, loop_s = Lane((0.0, 0.0), (0.0, 150.0)), 60.0
    arrivals = flow(np.random.default_rng(1), loop_s, (4.0, 8.0), 11.0, {"car": 0.8, "truck": 0.2})
    cast = drive_lane(lane, arrivals, [Hold(10.0, 30.0, 80.0)], loop_s, 1)
    assert len(cast) == len(arrivals)
    for now in np.arange(0.0, 100.0, 0.5):
        alive = [v for v in cast if v.start_s <= now < v.end_s]
        row = sorted((v.path.at(now)[1], length_of(v.label, v.look)) for v in alive)
        for (rear, rear_m), (front, front_m) in pairwise(row):
            assert front - rear > (rear_m + front_m) / 2
    held = [v for v in cast if v.start_s < 12 and v.end_s > 30 and v.path.at(14)[1] < 60]
    assert all(v.path.at(29.5)[1] < 80 for v in held)
    assert any(v.path.speed_mps(29.0) < 0.1 for v in held)


def test_traffic_runs_over_the_end_of_the_loop() -> None:
    lane, loop_s = Lane((0.0, 0.0), (0.0, 100.0)), 40.0
    cast = drive_lane(lane, [Arrival(38.0, "car", 1, 10.0)], [], loop_s, 1)
    assert len(cast) == 1
    assert cast[0].start_s == pytest.approx(38.0)
    assert cast[0].end_s > loop_s
