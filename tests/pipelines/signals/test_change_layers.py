"""Layers of a static change: what is put on it or against it later, each once."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.signals.signal import StaticChange
from pipelines.signals.static_change import StaticChangeWatch
from tests.pipelines.signals.luma_street import (
    Effect,
    Street,
    Values,
    bag,
    during,
    light,
    rain,
    shadow,
)

FIRST = (150, 110, 22, 20)
BEFORE = (156, 120, 20, 18)
BESIDE = (144, 124, 16, 18)
"""Where three bags lie that hide each other in part."""


def first_change(street: Street, seconds: float) -> StaticChange:
    """The oldest change that is said at the end."""
    watch, said = StaticChangeWatch(), tuple[StaticChange, ...]()
    for at_s, luma, covers in street.frames(seconds, 1.0):
        said = watch.observe(luma, at_s, covers)
    return min(said, key=lambda change: change.id)


def heap(end_s: float = 1e9) -> list[Effect]:
    return [
        during(bag(40.0, FIRST), 20.0),
        during(bag(190.0, BEFORE), 35.0, end_s),
        during(bag(70.0, BESIDE), 50.0, end_s),
    ]


def somebody_unseen(begin_s: float) -> Effect:
    """Somebody walks before the heap whom no detector sees."""

    def walk(image: Values, at_s: float) -> Values:
        left = round(100 + 12 * (at_s - begin_s))
        image[90:150, left : left + 16] = 90 + 10 * (at_s % 3)
        return image

    return during(walk, begin_s, begin_s + 9)


@pytest.mark.parametrize("disturbance", [[], [rain()], [during(light(0.8), 30.0)]])
def test_each_thing_that_is_put_on_a_heap_is_a_layer(disturbance):
    said = first_change(Street([*heap(), *disturbance]), 70)
    assert said.later_s == pytest.approx([35.0, 50.0], abs=4.0)


def test_a_layer_is_known_seconds_after_it_came_though_people_pass():
    passers = [(float(begin), 0.75) for begin in (15.0, 27.0, 41.0)]
    assert len(first_change(Street(heap(), walkers=passers), 60).later_s) == 2


def test_a_camera_that_shakes_sees_the_same_layers():
    rng = np.random.default_rng(3)
    aim = {at_s: tuple(rng.normal(0, 0.7, 2)) for at_s in range(100)}
    shaking = Street(heap(), shift=lambda at_s: aim[round(at_s)])
    assert len(first_change(shaking, 70).later_s) == 2
    one = Street(heap()[:1], shift=lambda at_s: aim[round(at_s)])
    assert first_change(one, 70).later_s == ()


@pytest.mark.parametrize(
    "after",
    [
        [during(shadow(0.6, (120, 90, 80, 60)), 40.0)],
        [during(light(1.4), 40.0)],
        [somebody_unseen(40.0), somebody_unseen(55.0)],
        [during(rain(), 40.0)],
    ],
    ids=["a shadow", "light", "somebody", "rain"],
)
def test_one_bag_has_no_layers(after):
    assert first_change(Street([during(bag(40.0, FIRST), 20.0), *after]), 80).later_s == ()


def test_one_large_thing_that_is_put_down_at_once_has_none():
    assert first_change(Street([during(bag(40.0, (130, 90, 60, 50)), 20.0)]), 60).later_s == ()


def test_what_is_taken_from_a_heap_is_no_layer_any_more():
    assert first_change(Street(heap(end_s=70.0)), 66).later_s != ()
    assert first_change(Street(heap(end_s=70.0)), 95).later_s == ()


def test_what_is_taken_from_before_another_thing_adds_nothing():
    under, before = bag(40.0, FIRST), bag(190.0, BEFORE)
    street = Street([during(under, 20.0), during(before, 20.0, 50.0)])
    assert first_change(street, 80).later_s == ()
