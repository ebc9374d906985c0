"""One object is one track: weak boxes, boxes that show one thing twice, riders."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipelines.track import tracks_on_foot
from pipelines.tracker import CameraTracker
from tests.pipelines.synthetic import LABELS, LETTERBOX
from tests.pipelines.test_tracker import BAG, CAR, PERSON, TRUCK, detections, tracker

MOTORCYCLE = LABELS.index("motorcycle")
BICYCLE = LABELS.index("bicycle")
BUS = LABELS.index("bus")
WALKER = (100, 100, 130, 180)
STEP = 0.2


def seen(camera, frames, step_s=STEP, start_s=0.0):
    """The tracks of each frame; a frame is a list of rows (x1, y1, x2, y2, score, class)."""
    return [
        camera.update(detections(*rows), LETTERBOX, start_s + index * step_s)
        for index, rows in enumerate(frames)
    ]


def ids(tracks):
    return [track.id for track in tracks]


def shifted(box, x, y=0):
    return (box[0] + x, box[1] + y, box[2] + x, box[3] + y)


@pytest.mark.parametrize("fps", [2, 5, 10, 25])
def test_a_weak_detection_begins_nothing_and_carries_a_moving_object_for_less_than_a_second(fps):
    camera, weak, car = tracker(fps, threshold=0.4), 0.3, (100, 100, 160, 140)
    moves = [shifted(car, 30 * index / fps) for index in range(6 * fps)]
    sure_until = 3 * fps
    frames = [
        [(*box, 0.8 if index < sure_until else weak, CAR), (400, 200, 440, 230, weak, CAR)]
        for index, box in enumerate(moves)
    ]
    found = seen(camera, frames, 1 / fps)
    assert ids(found[sure_until]) == ids(found[sure_until - 1]) == [1]
    assert all(len(tracks) <= 1 for tracks in found)
    assert not any(found[sure_until + fps :])


def test_two_sure_detections_make_a_track_and_weak_ones_between_them_do_not_count():
    sure, weak = [(*WALKER, 0.8, PERSON)], [(*WALKER, 0.3, PERSON)]
    assert seen(tracker(threshold=0.4), [sure, weak, weak])[-1] == ()
    assert len(seen(tracker(threshold=0.4), [sure, weak, weak, sure])[-1]) == 1
    assert seen(tracker(threshold=0.4), [sure, [], sure])[-1] == ()


def test_a_weak_detection_that_hardly_overlaps_continues_nothing():
    camera = tracker(threshold=0.4)
    frames = [[(*WALKER, 0.8, PERSON)]] * 5 + [[(*shifted(WALKER, 20), 0.3, PERSON)]]
    assert seen(camera, frames)[-1] == ()


@pytest.mark.parametrize(("kind", "stays"), [(BAG, True), (CAR, True), (PERSON, False)])
def test_weak_detections_carry_things_at_rest_without_end_and_persons_never(kind, stays):
    camera, box = tracker(threshold=0.4), (100, 100, 140, 130)
    frames = [[(*box, 0.8, kind)]] * 8 + [[(*box, 0.25, kind)]] * 200
    found = seen(camera, frames)
    assert ids(found[-1]) == ([1] if stays else [])


def test_a_post_that_looks_a_little_like_a_person_does_not_keep_those_who_pass():
    camera, post = tracker(threshold=0.4), (300, 100, 330, 180)
    frames = [
        [(*shifted(WALKER, 6 * index), 0.8, PERSON), (*post, 0.3, PERSON)] for index in range(70)
    ]
    found = seen(camera, frames)
    assert {track.id for tracks in found for track in tracks} == {1}
    after = seen(camera, [[(*post, 0.3, PERSON)]] * 20, start_s=14.0)
    assert not any(after[4:])


def test_half_of_a_person_and_the_person_are_one_track_which_shows_the_better_box():
    camera = tracker()
    half = (*WALKER[:3], 145)
    first = [[(*half, 0.8, PERSON)]] * 4
    both = [[(*WALKER, 0.9, PERSON), (*half, 0.6, PERSON)]] * 10
    found = seen(camera, first + both)
    assert [ids(tracks) for tracks in found[1:]] == [[1]] * 13
    assert found[-1][0].score == pytest.approx(0.9)


def test_a_box_in_two_sizes_around_one_middle_is_one_track():
    rows = [(100, 100, 180, 160, 0.9, CAR), (110, 108, 170, 152, 0.7, TRUCK)]
    found = seen(tracker(), [rows] * 10)
    assert [len(tracks) for tracks in found[1:]] == [1] * 9


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("a car before a bus", [(100, 60, 300, 200, 0.9, BUS), (150, 140, 230, 195, 0.8, CAR)]),
        ("a van before a bus", [(100, 60, 300, 200, 0.9, BUS), (130, 100, 260, 195, 0.8, CAR)]),
        ("a child before its mother", [(*WALKER, 0.9, PERSON), (108, 140, 124, 184, 0.8, PERSON)]),
        ("two abreast", [(*WALKER, 0.9, PERSON), (*shifted(WALKER, 12), 0.8, PERSON)]),
        ("a bag before somebody", [(*WALKER, 0.9, PERSON), (118, 140, 130, 160, 0.8, BAG)]),
    ],
)
def test_what_is_a_second_object_is_followed_too(what, rows):
    found = seen(tracker(), [rows] * 12)
    assert [len(tracks) for tracks in found[1:]] == [2] * 11, what


def test_one_thing_under_names_of_two_groups_is_one_track():
    rows = [(100, 100, 140, 130, 0.8, BAG), (101, 100, 141, 131, 0.6, CAR)]
    found = seen(tracker(), [rows] * 8)
    assert [[track.label for track in tracks] for tracks in found[1:]] == [["bag"]] * 7


def test_a_thing_keeps_its_name_when_a_detector_is_surer_of_another_group():
    bag, car = (100, 100, 140, 130, 0.5, BAG), (101, 100, 141, 131, 0.9, CAR)
    found = seen(tracker(), [[bag]] * 4 + [[car, bag]] * 12)
    assert [ids(tracks) for tracks in found[1:]] == [[1]] * 15
    assert found[-1][0].label == "bag"


def test_two_tracks_that_show_one_thing_for_a_second_become_the_older_one():
    camera, half = tracker(), (100, 100, 130, 145)
    apart = [[(*WALKER, 0.9, PERSON), (*shifted(half, 60), 0.8, PERSON)]] * 3
    nearer = [
        [(*WALKER, 0.9, PERSON), (*shifted(half, 60 - 10 * index), 0.8, PERSON)]
        for index in range(1, 7)
    ]
    there = [[(*WALKER, 0.9, PERSON), (*half, 0.8, PERSON)]] * 12
    found = seen(camera, apart + nearer + there)
    assert len(found[2]) == 2
    assert ids(found[-1]) == [1]
    assert len(found[len(apart + nearer) + 2]) == 2, "not at once"


def test_two_who_cross_keep_their_ids():
    camera = tracker(10)
    frames = []
    for index in range(50):
        left, right = shifted(WALKER, 4 * index), shifted(WALKER, 200 - 4 * index, 6)
        rows = [(*left, 0.8, PERSON), (*right, 0.9, PERSON)]
        # Where they cover each other, one box is left of two, as after NMS.
        frames.append([rows[1]] if abs(left[0] - right[0]) < 14 else rows[::-1])
    found = seen(camera, frames, 0.1)
    by_side = [{track.id: track.box.x1 for track in found[index]} for index in (5, -1)]
    assert set(by_side[0]) == set(by_side[1]) == {1, 2}
    for track in (1, 2):
        assert (by_side[0][track] < 0.3) != (by_side[1][track] < 0.3)


MACHINE, PERSON_ON_IT = (100, 130, 150, 190), (108, 95, 142, 178)


def riding(index, kind=MOTORCYCLE):
    return [
        (*shifted(PERSON_ON_IT, 12 * index), 0.9, PERSON),
        (*shifted(MACHINE, 12 * index), 0.8, kind),
    ]


@pytest.mark.parametrize("kind", [MOTORCYCLE, BICYCLE])
def test_a_person_on_a_cycle_rides_it_from_the_first_frame_on(kind):
    found = seen(tracker(), [riding(index, kind) for index in range(20)])
    for tracks in found[1:]:
        person, cycle = sorted(tracks, key=lambda track: track.label != "person")
        assert person.rides == cycle.id
        assert cycle.rides == 0
        assert tracks_on_foot(tracks) == []


def test_who_gets_off_is_on_foot_again_under_the_same_id():
    ride = [riding(index) for index in range(10)]
    stands = (*shifted(MACHINE, 12 * 9), 0.8, MOTORCYCLE)
    steps = [shifted(PERSON_ON_IT, 12 * 9 + 10 * k, 14) for k in range(1, 16)]
    walk = [[(*step, 0.9, PERSON), stands] for step in steps]
    found = seen(tracker(), ride + walk)
    (walker,) = tracks_on_foot(found[-1])
    assert walker.id == next(track.id for track in found[5] if track.label == "person")


def test_who_walks_past_a_parked_cycle_does_not_ride_it():
    parked = (*shifted(MACHINE, 100), 0.9, BICYCLE)
    frames = [[parked, (*shifted(PERSON_ON_IT, 6 * index), 0.8, PERSON)] for index in range(40)]
    found = seen(tracker(), frames)
    assert all(len(tracks_on_foot(tracks)) == 1 for tracks in found[1:])


def test_a_rider_who_waits_still_rides():
    frames = [riding(index) for index in range(8)] + [riding(7)] * 100
    assert tracks_on_foot(seen(tracker(), frames)[-1]) == []


def noisy(seed):
    """Twenty persons and cars, shaken, missed and weak, the same for each seed."""
    random = np.random.default_rng(seed)
    places, kinds = random.uniform(0, 300, (20, 2)), random.integers(0, 4, 20)
    moves = random.normal(0, 4, (20, 2))
    for index in range(60):
        corner = places + index * moves + random.normal(0, 1.0, (20, 2))
        scores = np.sort(random.uniform(0.2, 1.0, 20))[::-1]
        boxes = np.concatenate((corner, corner + 40), axis=1)
        rows = np.concatenate((boxes, scores[:, None], kinds[:, None]), axis=1)
        yield [tuple(row) for row in rows[random.random(20) < 0.9].tolist()]


def test_the_same_input_gives_the_same_tracks():
    first, second = (seen(tracker(threshold=0.4), noisy(4)) for _ in range(2))
    assert first == second
    assert len({track.id for tracks in first for track in tracks}) >= 10


def test_labels_without_persons_or_cycles_are_followed():
    camera = CameraTracker(("car",), itertools.count(1), 5)
    assert len(seen(camera, [[(100, 100, 140, 130, 0.9, 0)]] * 3)[-1]) == 1
