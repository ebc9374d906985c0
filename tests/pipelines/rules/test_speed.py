from __future__ import annotations

import pytest

from models.detections import Box
from pipelines.rules.zone_geometry import GroundPlane
from pipelines.rules.zone_tracks import SpeedGauge
from pipelines.track import Track
from tests.pipelines.synthetic import MONO_START_S, Flaws, Thing, View, World, moving, times

VIEW = View()


def gauge(calibrated=True):
    return SpeedGauge(GroundPlane(VIEW.calibration()) if calibrated else None)


def measure(world, until_s, fps=5.0, own=None):
    own, speed = own or gauge(), None
    for t in times(until_s, fps):
        tracks = world.tracks(t)
        own.observe(tracks, MONO_START_S + t)
        speed = own.speed(tracks[0]) if tracks else None
    return speed


@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0, 25.0])
@pytest.mark.parametrize(
    ("direction", "vx", "vy"),
    [("away", 0.0, 4.0), ("across", 4.0, 0.0), ("aslant", 2.4, 3.2), ("standing", 0.0, 0.0)],
)
def test_speed_over_ground_is_in_metres_per_second(direction, vx, vy, fps):
    world = World([Thing("person", moving(-7, 16, vx, vy))])
    speed = measure(world, 4.01, fps)
    assert speed == pytest.approx((vx**2 + vy**2) ** 0.5, rel=0.1, abs=0.05), direction


def test_without_calibration_speed_is_in_box_heights():
    world = World([Thing("car", moving(-5, 20, 3.0, 0))])
    speed = measure(world, 3, own=gauge(calibrated=False))
    box = World([Thing("car", moving(0, 20, 0, 0))]).tracks(0)[0].box
    metre = VIEW.point(1, 18)[0] - VIEW.point(0, 18)[0]
    assert speed == pytest.approx(3.0 * metre * VIEW.aspect / (box.y2 - box.y1), rel=0.1)


def test_jitter_is_not_speed():
    world = World([Thing("car", moving(0, 25, 0, 0))], flaws=Flaws(jitter=0.04))
    speed = measure(world, 6)
    assert speed is not None
    assert speed < 1.0


def test_one_box_that_is_off_does_not_move_the_speed():
    own, speed = gauge(calibrated=False), None
    for i in range(10):
        x = 0.5 if i != 7 else 0.7
        track = Track(1, "car", Box(x, 0.5, x + 0.1, 0.6), 0.9, 0.0, i * 0.2)
        own.observe([track], i * 0.2)
        speed = own.speed(track)
    assert speed == pytest.approx(0.0)


def test_there_is_no_speed_before_there_is_history():
    assert measure(World([Thing("car", moving(0, 12, 0, 3))]), 0.5) is None


def test_a_box_cut_off_by_the_lower_edge_has_no_speed():
    own = gauge()
    for i in range(10):
        track = Track(1, "car", Box(0.4, 0.6 + i * 0.01, 0.6, 1.0), 0.9, 0.0, i * 0.2)
        own.observe([track], i * 0.2)
    assert own.speed(track) is None


def test_tracks_that_are_gone_are_forgotten():
    own = gauge(calibrated=False)
    old = Track(1, "car", Box(0.5, 0.5, 0.6, 0.6), 0.9, 0.0, 0.0)
    for i in range(10):
        own.observe([old], i * 0.2)
    assert own.speed(old) is not None
    own.observe([], 60.0)
    assert own.speed(old) is None
