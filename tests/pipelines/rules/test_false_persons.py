"""What a model takes for a person leaves the count; a person who stands still does not."""

from __future__ import annotations

import math

import pytest

from pipelines.rules import build_rule
from pipelines.rules.rule_plan import RulePlan
from tests.pipelines.synthetic import Flaws, Thing, View, World, at, moment, moving, then, times

VIEW = View()
POLE = Thing("person", at(2.5, 13))


def rule():
    zone = VIEW.zone(calibrated=False, name="square")
    return build_rule(RulePlan("crowding.density", (zone,)), "cam-1", "e1")


def walkers(until_s, every_s=15.0, y=16.0):
    return [
        Thing("person", moving(-9, y + i % 3, 1.4, 0, every_s * i, every_s * i + 13))
        for i in range(math.ceil(until_s / every_s))
    ]


def arriving(x, y, at_s, until_s=math.inf):
    """Somebody who walks in from the left, stands at a place and walks on."""
    begin_s, end_s = at_s - (x + 9) / 1.4, until_s + 12
    way = then(
        (at_s, moving(-9, y, 1.4, 0, begin_s)),
        (until_s, at(x, y)),
        (end_s, moving(x, y, 1.4, 0, until_s, end_s)),
    )
    return Thing("person", way)


def counts(world, until_s, watched=None, fps=2.0, start_s=0.0):
    """Persons that the rule counts beyond what the script says, by second."""
    watched = watched or rule()
    found = {}
    for t in times(until_s, fps, start_s):
        watched.observe(world.tracks(t), moment(t))
        (said,) = watched.explain(moment(t))
        found[t] = said.conditions[0].value
    return found


def last(found, span_s=20.0):
    """The least and the greatest count of the last seconds."""
    end = max(found)
    values = [value for t, value in found.items() if t > end - span_s]
    return min(values), max(values)


@pytest.mark.parametrize(
    ("scenario", "flaws"),
    [
        ("as it is", Flaws()),
        ("shaken, missed, with new ids", Flaws(jitter=0.02, recall=0.6, switch_every_s=20)),
    ],
)
@pytest.mark.parametrize("fps", [0.2, 2.0])
def test_a_pole_leaves_the_count_after_minutes_in_which_people_walk(scenario, flaws, fps):
    world = World([POLE, *walkers(260)], flaws=flaws)
    found = counts(world, 300, fps=fps)
    assert last({t: n for t, n in found.items() if t < 100}, 60)[1] >= 1
    assert last(found) == (0, 0), scenario


def test_it_does_while_people_pass_before_it_and_their_ids_are_swapped():
    world = World([POLE, *walkers(360, y=12.6)])

    def hidden_and_swapped(t):
        tracks = world.tracks(t)
        pole = tracks[0]
        near = [one for one in tracks[1:] if abs(one.box.foot[0] - pole.box.foot[0]) < 0.02]
        if not near:
            return tracks
        # The passer hides the pole, and goes on under its id.
        return (*(one for one in tracks[1:] if one not in near), replaced(near[0], pole.id))

    def replaced(track, number):
        ids[track.id] = number
        return track._replace(id=number)

    ids: dict[int, int] = {}
    watched, found = rule(), {}
    for t in times(420, 2.0):
        swapped = {number: old for old, number in ids.items()}
        tracks = tuple(
            one._replace(id=ids.get(one.id, swapped.get(one.id, one.id)))
            for one in hidden_and_swapped(t)
        )
        watched.observe(tracks, moment(t))
        found[t] = watched.explain(moment(t))[0].conditions[0].value
    assert last(found) == (0, 0)


def test_where_nobody_walks_nothing_can_be_told_and_it_counts():
    assert last(counts(World([POLE]), 300)) == (1, 1)


@pytest.mark.parametrize(
    ("scenario", "people", "persons"),
    [
        ("a crowd that has always stood there", [(-4 + i % 6, 11 + i // 6) for i in range(12)], 12),
        ("a wide one", [(-5 + 3.5 * (i % 4), 11 + 5 * (i // 4)) for i in range(8)], 8),
    ],
)
def test_a_crowd_that_stands_still_stays_in_the_count(scenario, people, persons):
    crowd = [Thing("person", at(*place)) for place in people]
    found = counts(World([*crowd, *walkers(560, y=20.0)]), 600, fps=1.0)
    assert last(found) == (persons, persons), scenario


def test_who_was_seen_to_come_counts_however_long_he_stands_alone():
    loner = arriving(2.5, 13, 30)
    covered = Flaws(hidden={0: lambda t: 100 < t < 110 or 200 < t < 203}, switch_every_s=60)
    found = counts(World([loner, *walkers(860)], flaws=covered), 900, fps=1.0)
    assert last(found) == (1, 1)


def test_a_pole_that_is_known_stays_out_of_the_crowd_around_it():
    people = [arriving(-3 + i % 6, 11.5 + 1.2 * (i // 6), 320 + i) for i in range(12)]
    found = counts(World([POLE, *walkers(260), *people]), 700, fps=1.0)
    assert last(found) == (12, 12)


def test_who_stood_still_and_walks_on_was_a_person_and_the_next_one_there_counts():
    first = Thing("person", then((200, at(2.5, 13)), (213, moving(2.5, 13, 1.4, 0, 200))))
    second = Thing("person", at(2.5, 13, 300))
    found = counts(World([first, second, *walkers(260)]), 330, fps=1.0)
    assert last({t: n for t, n in found.items() if t < 199})[0] == 0
    assert last(found, 10) == (1, 1)


def test_what_a_place_has_learned_survives_a_restart():
    world, learner = World([POLE, *walkers(260)]), rule()
    counts(world, 300, learner)
    known = learner.remember(moment(300))
    again, fresh = rule(), rule()
    again.recall(known, 3600.0, moment(4000))
    for watched, persons in ((again, 0), (fresh, 1)):
        assert last(counts(World([POLE]), 4030, watched, start_s=4000), 20) == (persons, persons)
    old = rule()
    old.recall(known, 40 * 86400.0, moment(4000))
    assert last(counts(World([POLE]), 4030, old, start_s=4000), 20) == (1, 1)
    assert again.remember(moment(4030)).keys() == known.keys()


def test_the_explanation_says_what_is_left_out():
    watched = rule()
    counts(World([POLE, *walkers(260)]), 300, watched)
    (said,) = watched.explain(moment(300))
    assert said.note == "left out: 1 that never moved while persons walked by"


def test_a_memory_that_cannot_be_read_is_left_out():
    watched = rule()
    (place,) = watched.remember(moment(0))
    for damaged in ({}, {"false_persons": [{"box": [0.1, 0.2]}]}, {"false_persons": [{}]}):
        watched.recall({place: damaged}, 10.0, moment(0))
    assert last(counts(World([POLE]), 30, watched), 20) == (1, 1)
