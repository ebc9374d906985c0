"""A rendered camera: same input, same pixels; boxes fit what is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from simulation.drawing.light import LIGHTS
from simulation.drawing.places import PLACES, place_named
from simulation.scenes import LABELS, ObjectState, View

SIZE = (640, 360)


@pytest.fixture(scope="module")
def square() -> View:
    """A square without shadows, so that an object changes only its own pixels."""
    place = place_named("square", 1)
    bare = replace(place, props=())
    return View(bare, place.viewpoint, replace(LIGHTS["day"], shadow=0.0), SIZE)


def thing(label: str, x_m: float, y_m: float, key: int = 1, look: int = 4) -> ObjectState:
    return ObjectState(key, label, look, x_m, y_m, 0.7, gesture="stand")


@pytest.mark.parametrize("label", LABELS)
def test_box_fits_the_drawn_pixels(square: View, label: str) -> None:
    empty, _ = square.render([])
    image, truth = square.render([thing(label, 0.5, 13.0)])
    changed = np.abs(image.astype(int) - empty).max(axis=2) > 12
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    drawn = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert truth.boxes[0] == pytest.approx(drawn, abs=1.5)
    assert truth.class_ids.tolist() == [LABELS.index(label)]
    assert not truth.ignore[0]
    assert truth.visible[0] > 0.9


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("light", LIGHTS)
def test_rendering_repeats_itself(name: str, light: str) -> None:
    place = place_named(name, 3)
    states = [thing("person", 1.0, 18.0, 1), thing("car", -2.0, 30.0, 2)]
    first, _ = View(place, place.viewpoint, LIGHTS[light], (160, 90), 5).render(states, 3)
    again, _ = View(place, place.viewpoint, LIGHTS[light], (160, 90), 5).render(states, 3)
    assert np.array_equal(first, again)


def test_what_hides_behind_a_bus_is_ignored(square: View) -> None:
    bus = ObjectState(1, "bus", 3, 0.0, 15.0, 0.0)
    _, truth = square.render([bus, thing("person", 0.0, 19.0, 2)])
    hidden = truth.keys.tolist().index(2)
    assert truth.visible[hidden] < 0.35
    assert truth.ignore[hidden]
    assert not truth.ignore[1 - hidden]


def test_furniture_hides_what_is_behind_it() -> None:
    place = place_named("square", 1)
    kiosk = next(p for p in place.props if p.kind == "kiosk")
    view = View(place, place.viewpoint, LIGHTS["day"], SIZE)
    behind = thing("person", kiosk.x_m * 1.1, kiosk.y_m * 1.1)
    _, truth = view.render([behind])
    assert truth.visible[0] < 0.5


def test_boxes_end_at_the_edge_of_the_image(square: View) -> None:
    _, truth = square.render([ObjectState(1, "bus", 3, 6.0, 12.0, 0.0)])
    assert truth.boxes[0, 2] == 640
    assert truth.visible[0] < 0.9


def test_specks_are_listed_but_ignored(square: View) -> None:
    _, truth = square.render([thing("bottle", 0.0, 48.0)])
    assert truth.ignore.tolist() == [True]


def test_what_is_out_of_sight_is_not_listed(square: View) -> None:
    _, truth = square.render([thing("person", 0.0, -10.0), thing("person", 60.0, 10.0, 2)])
    assert truth.boxes.shape == (0, 4)


def test_an_unknown_label_is_refused(square: View) -> None:
    with pytest.raises(KeyError, match="zeppelin"):
        square.render([thing("zeppelin", 0.0, 12.0)])


def test_boxes_scale_with_the_image() -> None:
    place = place_named("park", 2)
    state = thing("person", 0.0, 12.0)
    small = View(place, place.viewpoint, LIGHTS["day"], SIZE).render([state])[1]
    large = View(place, place.viewpoint, LIGHTS["day"], (1280, 720)).render([state])[1]
    assert large.boxes[0] == pytest.approx(small.boxes[0] * 2, abs=1.0)
