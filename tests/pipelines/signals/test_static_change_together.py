"""Static change where it is hard: several things, faint things, and light in parts of the image."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.signals.signal import ChangeKind, StaticChange
from pipelines.signals.static_change import StaticChangeWatch
from tests.pipelines.signals.luma_street import WIDTH, Effect, Street, Values, bag, during, light


def kinds_at(street: Street, seconds: float) -> dict[float, list[StaticChange]]:
    """What was said at every second."""
    watch = StaticChangeWatch()
    return {
        at_s: list(watch.observe(luma, at_s, covers))
        for at_s, luma, covers in street.frames(seconds, 1.0)
    }


def cloud_shadow(begin_s: float) -> Effect:
    """A shadow with a soft edge that comes from the left and rests on half of the image."""

    def fall(image: Values, at_s: float) -> Values:
        reached = min(0.5, 0.5 * (at_s - begin_s) / 10)
        across = np.linspace(0, 1, WIDTH)[None, :]
        return image * (1 - 0.4 * np.clip((reached - across) / 0.06, 0, 1))

    return during(fall, begin_s)


def checks(box: tuple[int, int, int, int]) -> Effect:
    """A small thing of black and white, beside which grey ground does not stand out."""
    left, top, width, height = box
    rows, columns = np.mgrid[0:height, 0:width]
    pattern = np.where((rows // 2 + columns // 2) % 2, 225.0, 15.0)

    def put(image: Values, _at_s: float) -> Values:
        image[top : top + height, left : left + width] = pattern
        return image

    return put


def pale(box: tuple[int, int, int, int]) -> Effect:
    """A thing that is as bright as the ground for the most part, with dark seams."""
    left, top, width, height = box
    rows, columns = np.mgrid[0:height, 0:width]
    seams = (rows % 7 < 2) | (columns % 8 < 2)

    def put(image: Values, _at_s: float) -> Values:
        part = image[top : top + height, left : left + width]
        part[seams] *= 0.3
        return image

    return put


def test_two_bags_side_by_side_that_come_and_go_apart_are_two_changes():
    one, other = (150, 120, 18, 16), (169, 118, 16, 18)
    street = Street([during(bag(40.0, one), 20.0), during(bag(190.0, other), 40.0, 70.0)])
    said = kinds_at(street, 90)
    assert len({change.id for change in said[35.0]}) == 1
    assert [change.kind for change in said[60.0]] == [ChangeKind.ADDED] * 2
    (left,) = said[85.0]
    assert left.id == said[35.0][0].id
    assert left.box.x2 < 0.54, "the first bag has grown by the second one"


def test_a_bag_that_is_taken_from_beside_a_new_one_is_missed():
    there, put = (150, 120, 18, 16), (169, 118, 16, 18)
    street = Street([during(bag(40.0, there), 0.0, 45.0), during(bag(190.0, put), 20.0)])
    said = kinds_at(street, 70)
    assert [change.kind for change in said[40.0]] == [ChangeKind.ADDED]
    assert {change.kind for change in said[65.0]} == {ChangeKind.ADDED, ChangeKind.REMOVED}


def test_a_small_thing_with_many_shades_is_missed_when_it_is_taken():
    said = kinds_at(Street([during(checks((150, 120, 8, 14)), 0.0, 20.0)]), 40)
    assert [change.kind for change in said[38.0]] == [ChangeKind.REMOVED]


def test_what_is_as_bright_as_the_ground_leaves_no_trace_when_it_is_picked_up():
    said = kinds_at(Street([during(pale((150, 110, 30, 28)), 20.0, 110.0)]), 150)
    assert [change.kind for change in said[100.0]] == [ChangeKind.ADDED]
    assert not any(said[at_s] for at_s in said if at_s > 118)


def test_the_shadow_of_a_cloud_hides_no_bag_and_makes_none():
    assert not any(kinds_at(Street([cloud_shadow(20.0)]), 80).values())
    said = kinds_at(Street([during(bag(), 40.0), cloud_shadow(20.0)]), 80)
    assert [change.kind for change in said[60.0]] == [ChangeKind.ADDED]


def test_a_bag_stays_found_while_a_cloud_passes():
    said = kinds_at(Street([during(bag(), 20.0), cloud_shadow(40.0)]), 80)
    assert {change.id for at_s in said for change in said[at_s]} == {said[35.0][0].id}
    assert all(said[at_s] for at_s in said if at_s > 32)


@pytest.mark.parametrize("gain", [0.6, 1.5])
def test_ground_that_is_first_seen_in_another_light_belongs_to_the_place(gain):
    # People stand there at the start; when they leave, the light is another one for a while.
    crowd = [(float(begin), 0.8) for begin in np.arange(-19.0, 9.0, 1.0)]
    street = Street([during(light(gain), 15.0, 70.0)], walkers=crowd)
    assert not any(kinds_at(street, 110).values())
