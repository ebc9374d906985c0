"""Projection: ground points survive the way to the image and back."""

import math

import numpy as np
import pytest

from simulation.drawing.viewpoint import Projector, Viewpoint

CAMERA = Projector(Viewpoint(2.0, -3.0, 6.0, 0.3, 0.28, 0.9), (1280, 720))


def test_ground_points_make_the_round_trip() -> None:
    ground = np.array([(0.0, 8.0), (-4.0, 14.0), (1.0, 25.0)])
    pixels, depth = CAMERA.project(np.hstack([ground, np.zeros((3, 1))]))
    assert np.all(depth > 0)
    assert CAMERA.ground_at(pixels) == pytest.approx(ground, abs=1e-3)


def test_the_view_axis_hits_the_middle_of_the_image() -> None:
    reach = 6.0 / math.tan(0.28)
    spot = (2.0 - reach * math.sin(0.3), -3.0 + reach * math.cos(0.3), 0.0)
    pixels, _ = CAMERA.project(spot)
    assert pixels == pytest.approx([640, 360], abs=0.05)


def test_higher_points_lie_higher_in_the_image() -> None:
    pixels, _ = CAMERA.project([(0.0, 12.0, 0.0), (0.0, 12.0, 1.8)])
    assert pixels[1, 1] < pixels[0, 1] - 50


def test_the_sky_has_no_ground_point() -> None:
    with pytest.raises(ValueError, match="horizon"):
        CAMERA.ground_at([(640, 0)])


def test_ground_behind_the_camera_is_cut_off() -> None:
    assert CAMERA.clip_ground([(0, -30), (1, -30), (1, -40)]) is None
    half_behind = CAMERA.clip_ground([(0, -30), (1, 20), (-1, 20)])
    assert half_behind is not None
    assert np.isfinite(half_behind).all()
