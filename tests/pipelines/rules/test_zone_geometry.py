from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules.zone import GroundCalibration, Line, Zone
from pipelines.rules.zone_geometry import EDGE, GroundPlane, LineShape, ZoneError, ZoneShape
from tests.pipelines.synthetic import WHOLE, View

L_SHAPE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.5), (0.5, 0.5), (0.5, 0.8), (0.2, 0.8))
SQUARE_M = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))


@pytest.mark.parametrize(
    ("where", "point", "inside"),
    [
        ("in the long arm", (0.3, 0.7), True),
        ("in the short arm", (0.7, 0.3), True),
        ("in the notch", (0.7, 0.7), False),
        ("on an edge", (0.5, 0.65), True),
        ("on a corner", (0.2, 0.2), True),
        ("on the line of an edge, outside", (0.9, 0.5), False),
        ("level with corners, left of it", (0.1, 0.5), False),
        ("outside", (0.1, 0.9), False),
    ],
)
def test_a_point_is_inside_or_not(where, point, inside):
    assert ZoneShape(Zone("z", L_SHAPE)).contains(point) is inside, where
    assert ZoneShape(Zone("z", L_SHAPE[::-1])).contains(point) is inside, where


def test_feet_at_the_lower_edge_of_the_image_are_in_a_zone_that_reaches_there():
    shape = ZoneShape(Zone("whole", WHOLE))
    assert shape.contains((0.5, 1.0))
    assert shape.contains((1.0, 1.0))


def test_a_ring_that_repeats_its_first_corner_is_the_same_polygon():
    ring = ZoneShape(Zone("z", (*L_SHAPE, L_SHAPE[0])))
    assert ring.contains((0.3, 0.3))
    assert not ring.contains((0.7, 0.7))


def test_a_ring_may_touch_itself_in_a_corner():
    shape = ZoneShape(
        Zone("z", ((0.1, 0.1), (0.5, 0.5), (0.9, 0.1), (0.9, 0.9), (0.5, 0.5), (0.1, 0.9)))
    )
    for point, inside in (((0.2, 0.5), True), ((0.8, 0.5), True), ((0.5, 0.3), False)):
        assert shape.contains(point) is inside


def test_points_in_and_around_a_zone_are_inside_as_by_a_geometry_library():
    random = np.random.default_rng(5)
    for count in random.integers(3, 12, 60).tolist():
        angles, radii = np.sort(random.random(count)) * 2 * np.pi, random.uniform(0.05, 0.5, count)
        corners = 0.5 + np.column_stack((radii * np.cos(angles), radii * np.sin(angles)))
        following = np.roll(corners, -1, axis=0)
        outline = shapely.Polygon(corners)
        if not outline.is_valid or outline.area < 0.01:
            continue
        shape, reference = ZoneShape(Zone("z", _points(corners))), outline.buffer(EDGE)
        along = corners + random.random((count, 1)) * (following - corners)
        # Away from the edges, by half and by twice of what still counts as on them.
        square = (following - corners)[:, ::-1] * (1, -1)
        square /= np.linalg.norm(square, axis=1, keepdims=True)
        beside = [along + step * EDGE * square for step in (-2.0, -0.5, 0.5, 2.0)]
        points = np.concatenate((random.random((50, 2)), corners, along, *beside))
        found = [shape.contains(point) for point in _points(points)]
        assert found == shapely.intersects_xy(reference, points[:, 0], points[:, 1]).tolist()


def test_a_rectangle_has_its_edges_and_nothing_beyond():
    shape = ZoneShape(Zone("z", ((0.2, 0.3), (0.6, 0.3), (0.6, 0.9), (0.2, 0.9))))
    inside = ((0.2, 0.3), (0.6, 0.9), (0.4, 0.3), (0.6 + EDGE / 2, 0.5))
    outside = ((0.2 - 2 * EDGE, 0.5), (0.4, 0.9 + 2 * EDGE), (0.7, 0.5), (0.4, 0.1))
    assert [shape.contains(point) for point in inside + outside] == [True] * 4 + [False] * 4


def _points(rows):
    return tuple((x, y) for x, y in rows.tolist())


@pytest.mark.parametrize(
    ("why", "polygon"),
    [
        ("at least 3 corners", ()),
        ("at least 3 corners", ((0.1, 0.1), (0.9, 0.9))),
        ("at least 3 corners", ((0.1, 0.1), (0.9, 0.9), (0.1, 0.1))),
        ("edges cross", ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))),
        ("no area", ((0.1, 0.1), (0.5, 0.5), (0.9, 0.9))),
        ("in 0..1", ((100.0, 100.0), (900.0, 100.0), (900.0, 900.0))),
        ("finite", ((0.1, 0.1), (math.nan, 0.5), (0.9, 0.1))),
    ],
)
def test_a_polygon_that_means_nothing_is_refused(why, polygon):
    with pytest.raises(ZoneError, match=why) as refusal:
        ZoneShape(Zone("gate", polygon))
    assert "gate" in str(refusal.value)


@settings(deadline=None, max_examples=60)
@given(
    st.builds(
        View,
        height_m=st.floats(3, 25),
        pitch_deg=st.floats(10, 60),
        focal=st.floats(0.6, 2.0),
        aspect=st.sampled_from([16 / 9, 4 / 3, 9 / 16]),
    ),
    st.floats(-15, 15),
    st.floats(5, 60),
)
def test_the_ground_of_any_camera_is_recovered(view, x, y):
    ground = GroundPlane(view.calibration(((-6, 10), (7, 11), (8, 40), (-5, 37))))
    assert ground.metres(view.point(x, y)) == pytest.approx((x, y), abs=1e-4)


def test_many_points_average_out_their_errors():
    view, rng = View(), np.random.default_rng(3)
    places = tuple((float(x), float(y)) for x in (-6, -2, 2, 6) for y in (10, 15, 22, 30))
    exact = view.calibration(places)
    shaken = tuple((x + rng.normal(0, 0.001), y + rng.normal(0, 0.001)) for x, y in exact.image)
    ground = GroundPlane(GroundCalibration(shaken, places))
    for place in ((0.0, 12.0), (3.0, 20.0), (-4.0, 28.0)):
        found = ground.metres(view.point(*place))
        assert found is not None
        assert math.dist(found, place) < 0.3


def image_of(*places):
    return tuple(View().point(*place) for place in places)


@pytest.mark.parametrize(
    ("why", "image", "metres"),
    [
        ("at least 4 points", WHOLE[:3], SQUARE_M[:3]),
        ("one ground point per image point", WHOLE, SQUARE_M[:3]),
        ("on a line", ((0.1, 0.9), (0.4, 0.9), (0.6, 0.9), (0.9, 0.9)), SQUARE_M),
        ("on a line", WHOLE, ((0, 0), (3, 0), (6, 0), (9, 0))),
        ("on a line", ((0.1, 0.9), (0.5, 0.9), (0.9, 0.9), (0.5, 0.2)), SQUARE_M),
        ("on each other", ((0.5, 0.5),) * 4, SQUARE_M),
        ("on each other", (WHOLE[0], WHOLE[0], *WHOLE[2:]), (*SQUARE_M[:1] * 2, *SQUARE_M[2:])),
        ("another order", WHOLE, (SQUARE_M[0], SQUARE_M[2], SQUARE_M[1], SQUARE_M[3])),
        ("finite", (*WHOLE[:3], (math.inf, 0.0)), SQUARE_M),
        (
            "misses its place by",
            image_of((-6, 10), (6, 10), (6, 30), (-6, 30), (0, 20)),
            ((-6, 10), (6, 10), (6, 30), (-6, 30), (5, 14)),
        ),
    ],
)
def test_a_calibration_that_means_nothing_is_refused(why, image, metres):
    with pytest.raises(ZoneError, match=why):
        GroundPlane(GroundCalibration(image, metres))


def test_metres_may_be_counted_from_a_national_grid():
    view, far = View(), (402_113.0, 3_379_250.0)
    near = view.calibration()
    moved = tuple((x + far[0], y + far[1]) for x, y in near.metres)
    place = GroundPlane(GroundCalibration(near.image, moved)).metres(view.point(2, 20))
    assert place == pytest.approx((far[0] + 2, far[1] + 20), abs=0.01)


def test_a_line_is_crossed_between_its_ends_only():
    line = LineShape(Line("gate", (0.2, 0.5), (0.8, 0.5)))
    assert line.is_crossed((0.3, 0.4), (0.4, 0.6))
    assert line.is_crossed((0.4, 0.6), (0.3, 0.4))
    assert not line.is_crossed((0.3, 0.4), (0.4, 0.45))
    assert not line.is_crossed((0.1, 0.4), (0.1, 0.6))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_right_side_of_a_line_is_where_traffic_may_go(mirrored):
    near = View().calibration()
    metres = tuple((-x if mirrored else x, y) for x, y in near.metres)
    ends = (View().point(-4, 20), View().point(4, 24))
    bare = LineShape(Line("gate", *ends))
    assert bare.direction(16 / 9)[1] > 0.9
    across, along = LineShape(Line("gate", *ends, GroundCalibration(near.image, metres))).direction(
        1
    )
    assert (across, along) == pytest.approx(
        ((-4 if mirrored else 4) / math.hypot(8, 4), -8 / math.hypot(8, 4)), abs=1e-4
    )


@pytest.mark.parametrize(
    ("why", "direction"),
    [
        ("lie on each other", ((0.5, 0.5), (0.5, 0.505))),
        ("in 0..1", ((0.5, 0.5), (0.5, 5))),
        ("on the horizon", ((0.5, 0.9), (0.5, 0.0))),
    ],
)
def test_a_direction_that_means_nothing_is_refused(why, direction):
    zone = View(pitch_deg=15).zone((-4, 9), (4, 9), (4, 40), (-4, 40), name="road")
    with pytest.raises(ZoneError, match=f"zone road: .*{why}"):
        ZoneShape(replace(zone, direction=direction))
    with pytest.raises(ZoneError, match=f"line gate: .*{why}"):
        LineShape(Line("gate", *direction, zone.ground))


def test_the_area_of_a_zone_on_the_ground():
    zone = View().zone((-4, 12), (4, 12), (4, 30), (-4, 30))
    assert ZoneShape(zone).area_m2 == pytest.approx(8 * 18, rel=1e-6)


def test_what_lies_above_the_horizon_has_no_place_and_no_area():
    shape = ZoneShape(View(pitch_deg=15).zone())
    assert shape.ground is not None
    assert shape.ground.metres((0.5, 0.0)) is None
    assert shape.area_m2 is None
    assert ZoneShape(View().zone(calibrated=False)).area_m2 is None
