"""Static change: what is put down or taken away is found, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from models.detections import Box
from pipelines.signals.signal import ChangeKind, StaticChange
from pipelines.signals.static_change import ABSORB_S, StaticChangeWatch
from tests.pipelines.signals.luma_street import (
    HEIGHT,
    WIDTH,
    Street,
    bag,
    during,
    light,
    rain,
    shadow,
)

BAG = Box(150 / WIDTH, 120 / HEIGHT, 168 / WIDTH, 136 / HEIGHT)


def watched(
    street: Street, seconds: float = 60, *, covered: bool = True
) -> list[tuple[float, StaticChange]]:
    """Everything that was said, with when."""
    watch = StaticChangeWatch()
    return [
        (at_s, change)
        for at_s, luma, covers in street.frames(seconds, 1.0)
        for change in watch.observe(luma, at_s, covers if covered else ())
    ]


def shaking(at_s: float) -> tuple[float, float]:
    return 2.5 * np.sin(at_s * 2.1), 1.5 * np.cos(at_s * 1.7)


def shaken_later(at_s: float) -> tuple[float, float]:
    """A lorry passes from twelve seconds on."""
    right, down = shaking(at_s)
    return (2 * right, 2 * down) if at_s > 12 else (0.0, 0.0)


def close_to(one: Box, other: Box) -> bool:
    return all(abs(a - b) < 0.02 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("level", [30.0, 90.0, 190.0])
@pytest.mark.parametrize(
    "street",
    [
        Street(),
        Street(shift=shaking),
        Street(shift=shaken_later),
        Street([rain()]),
        Street(noise=4.0),
        Street([during(light(1.25), 30.0)]),
    ],
    ids=["calm", "shaking", "shaken later", "rain", "noisy", "brighter later"],
)
def test_a_bag_that_is_put_down_is_found_where_it_stands(street, level):
    street.effects = [during(bag(level), 20.0), *street.effects]
    said = watched(street, 50)
    assert said
    assert {change.id for _, change in said} == {said[0][1].id}, "one bag is one change"
    first_s, _ = said[0]
    assert 26.0 <= first_s <= 32.0
    last_s, change = said[-1]
    assert last_s == 49.0
    assert change.kind is ChangeKind.ADDED
    assert close_to(change.box, BAG)
    assert change.since_s == pytest.approx(20.0, abs=2.0)


@pytest.mark.parametrize("every_s", [5.0, 20.0])
def test_at_a_low_rate_it_takes_longer(every_s):
    walkers = [(begin_s, 0.8) for begin_s in np.arange(0.0, 40 * every_s, 37.0)]
    street = Street([during(bag(), 15 * every_s, 30 * every_s)], walkers=walkers)
    watch, said = StaticChangeWatch(), {}
    for at_s, luma, covers in street.frames(36 * every_s, every_s):
        said[at_s / every_s] = {(one.id, one.kind) for one in watch.observe(luma, at_s, covers)}
    assert set().union(*said.values()) == {(1, ChangeKind.ADDED)}
    found = [number for number, changes in said.items() if changes]
    assert 15 < found[0] <= 20
    assert found == list(np.arange(found[0], found[-1] + 1))
    assert 29 <= found[-1] <= 32


def test_a_bag_that_is_picked_up_again_is_no_change_any_more():
    said = watched(Street([during(bag(), 20.0, 40.0)]), 60)
    assert said
    assert 39.0 <= said[-1][0] <= 46.0
    assert {change.kind for _, change in said} == {ChangeKind.ADDED}


def test_a_thing_that_was_always_there_is_missed_when_it_is_taken():
    said = watched(Street([during(bag(), 0.0, 20.0)]), 40)
    assert {change.kind for _, change in said} == {ChangeKind.REMOVED}
    assert close_to(said[-1][1].box, BAG)


def test_what_is_put_down_for_a_few_seconds_is_nothing():
    assert not watched(Street([during(bag(), 20.0, 25.0)]), 40)


@pytest.mark.parametrize(
    "street",
    [
        Street(),
        Street(shift=shaking),
        Street(shift=shaken_later),
        Street([rain()]),
        Street([during(shadow(), 20.0)]),
        Street([during(shadow(0.75), 20.0, 35.0)]),
        Street([during(light(0.55), 20.0)]),
        Street([during(light(1.5), 20.0, 40.0)]),
        Street([during(shadow(0.5, (0, 0, 320, 90)), 20.0, 45.0)]),
        Street(walkers=[(5.0, 0.7), (12.0, 0.8), (25.0, 0.75), (40.0, 0.9)]),
    ],
    ids=[
        "calm",
        "shaking",
        "shaken later",
        "rain",
        "shadow",
        "shadow-passes",
        "darker",
        "lights-switched",
        "half-shade",
        "people",
    ],
)
def test_where_nothing_is_added_or_removed_nothing_is_said(street):
    assert not watched(street, 90)


def test_a_bag_stays_found_while_people_pass_before_it():
    walkers = [(30.0, 0.8), (34.0, 0.85), (38.0, 0.8), (43.0, 0.78)]
    said = watched(Street([during(bag(), 15.0)], walkers=walkers), 60)
    assert {change.id for _, change in said} == {said[0][1].id}
    seconds = {at_s for at_s, _ in said}
    assert seconds == set(np.arange(min(seconds), 60.0)), "without a gap"


def standing(image, at_s):
    """Somebody who has stood there from the start, and goes after twenty seconds."""
    if at_s < 20:
        image[70:130, 100:120] = 50
    return image


@pytest.mark.parametrize("covered", [True, False])
def test_who_stood_there_from_the_start_leaves_no_ghost(covered):
    watch, said = StaticChangeWatch(), []
    for at_s, luma, _ in Street([standing]).frames(50, 1.0):
        box = Box(100 / WIDTH, 70 / HEIGHT, 120 / WIDTH, 130 / HEIGHT)
        covers = [box] if covered and at_s < 20 else []
        said += watch.observe(luma, at_s, covers)
    assert bool(said) is not covered, "without the box it is a thing that was taken away"


def test_a_street_that_was_busy_at_first_leaves_no_ghosts():
    def traffic(image, at_s):
        # Like cars hide the road in two images of three, so that most images show them.
        if at_s < 12 and int(at_s) % 3:
            image[80:110, 60:110] = 50 + 25 * np.sin(np.arange(50) / 2)
        return image

    assert not watched(Street([traffic]), 50)


def test_what_stands_under_a_vehicle_is_not_counted():
    def parked(image, at_s):
        if at_s >= 15:
            image[90:130, 40:120] = 70 + 40 * np.sin(np.arange(80) / 4)
        return image

    watch, said = StaticChangeWatch(), []
    for at_s, luma, _ in Street([parked]).frames(60, 1.0):
        box = Box(40 / WIDTH, 90 / HEIGHT, 120 / WIDTH, 130 / HEIGHT)
        said += watch.observe(luma, at_s, [box] if at_s >= 14 else [])
    assert not said


def test_a_thing_that_stays_for_very_long_belongs_to_the_place_until_it_is_taken():
    watch, said = StaticChangeWatch(), {}
    street = Street([during(bag(), 20.0, 170.0)])
    for number, (_, luma, _) in enumerate(street.frames(190, 1.0)):
        # After a minute time passes in steps of ten seconds, for a while.
        at_s = number if number < 60 else 60 + min(number - 60, 95) * 10.0 + max(0, number - 155)
        said[number] = (at_s, watch.observe(luma, at_s, ()))
    before = [changes for at_s, changes in said.values() if 40 <= at_s < ABSORB_S]
    assert all([one.settled for one in changes] == [False] for changes in before)
    assert said[160][0] > ABSORB_S
    assert [(one.kind, one.settled) for one in said[160][1]] == [(ChangeKind.ADDED, True)]
    assert [(one.kind, one.settled) for one in said[189][1]] == [(ChangeKind.REMOVED, False)]


def test_what_lies_there_when_the_place_is_learned_anew_is_not_forgotten():
    def rebuilt(image, at_s):
        # Two thirds of the place look different, from now on.
        image[:, 100:] = 30 + 190 * (np.arange(220) // 9 % 2)
        return image

    street = Street([during(bag(box=(60, 120, 18, 16)), 20.0, 90.0), during(rebuilt, 50.0)])
    said = {}
    watch = StaticChangeWatch()
    for at_s, luma, covers in street.frames(110, 1.0):
        said[at_s] = watch.observe(luma, at_s, covers)
    assert [one.settled for one in said[45.0]] == [False]
    for at_s in range(55, 90):
        assert [one.settled for one in said[at_s] if close_to(one.box, said[45.0][0].box)] == [True]
    assert {one.kind for one in said[109.0]} == {ChangeKind.REMOVED}


def test_the_same_images_give_the_same_changes():
    street = Street([during(bag(), 20.0), rain()], walkers=[(5.0, 0.7)])
    again = Street([during(bag(), 20.0), rain()], walkers=[(5.0, 0.7)])
    assert watched(street) == watched(again)
