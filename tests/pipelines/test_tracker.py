from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest

from camera_adapters.geometry import Letterbox, Size
from models.detections import Detections
from pipelines.tracker import CameraTracker
from tests.pipelines.synthetic import (
    FULL,
    LABELS,
    LETTERBOX,
    Flaws,
    Thing,
    World,
    at,
    moving,
    then,
    times,
)

CAR = LABELS.index("car")
TRUCK = LABELS.index("truck")
PERSON = LABELS.index("person")
BAG = LABELS.index("bag")


def tracker(fps=5.0, **options):
    return CameraTracker(LABELS, itertools.count(1), fps, **options)


def detections(*rows):
    """From (x1, y1, x2, y2, score, class) in analysis pixels."""
    return Detections.from_rows(np.array(rows, np.float32).reshape(-1, 6))


def follow(world, camera, moments, letterbox=LETTERBOX):
    """Ids that each thing had, in order, and things that each id followed."""
    ids, things = defaultdict(list), defaultdict(set)
    for t in moments:
        seen, truth = world.detections(t, letterbox=letterbox)
        boxes = letterbox.to_normalised(seen.boxes)
        for track in camera.update(seen, letterbox, t):
            box = (track.box.x1, track.box.y1, track.box.x2, track.box.y2)
            thing = truth[int(np.abs(boxes - box).sum(axis=1).argmin())]
            things[track.id].add(thing)
            if track.id not in ids[thing]:
                ids[thing].append(track.id)
    return ids, things


def convoy(speed_mps, gap_m, count=6):
    """Two lanes that come and two that go."""
    return [
        Thing(
            "car", moving(x, 6 if way > 0 else 60, 0, way * speed_mps, start=i * gap_m / speed_mps)
        )
        for x, way in ((-5, 1), (-2, 1), (2, -1), (5, -1))
        for i in range(count)
    ]


PARKED = [Thing("car", at(-6 + 4 * (i % 4), 10 + 6 * (i // 4))) for i in range(16)]
CROSSING = [
    Thing("person", moving(-6, 14, 1.3, 0)),
    Thing("person", moving(6, 16.5, -1.3, 0)),
]
BRAKES = then((3, moving(-2, 10, 0, 9)), (8, at(-2, 37)), (12, moving(-2, 37, 0, 5, start=8)))


@pytest.mark.parametrize(
    ("scenario", "things", "fps", "until_s", "flaws"),
    [
        ("city traffic at 10 fps", convoy(14, 24), 10, 12, Flaws(jitter=0.02)),
        ("city traffic at 5 fps", convoy(14, 24), 5, 12, Flaws(jitter=0.02)),
        ("slow traffic at 2 fps", convoy(4, 12, count=4), 2, 14, Flaws()),
        ("a lorry sideways", [Thing("truck", moving(-14, 16, 9, 0))], 5, 4, Flaws(jitter=0.02)),
        ("parked cars", PARKED, 5, 20, Flaws(jitter=0.02)),
        ("parked cars at 1 fps", PARKED, 1, 40, Flaws(jitter=0.04)),
        ("parked cars every two seconds", PARKED[:6], 0.5, 40, Flaws(jitter=0.02)),
        ("people who cross", CROSSING, 5, 9, Flaws(jitter=0.02)),
        ("people who cross at 2 fps", CROSSING, 2, 9, Flaws()),
        ("a runner at 2 fps", [Thing("person", moving(-7, 14, 2.4, 0))], 2, 7, Flaws()),
        (
            "a car that brakes and goes on",
            [Thing("car", BRAKES)],
            5,
            12,
            Flaws(jitter=0.02),
        ),
        ("taken for a car and for a truck", PARKED[:6], 5, 20, Flaws(jitter=0.02, flicker=0.4)),
        (
            "a walker missed for a second and a half",
            [Thing("person", moving(-6, 14, 1.3, 0))],
            5,
            9,
            Flaws(hidden={0: lambda t: 3 <= t < 4.5}),
        ),
    ],
)  # fmt: skip
def test_an_object_keeps_its_id(scenario, things, fps, until_s, flaws):
    ids, followed = follow(World(things, flaws=flaws), tracker(fps), times(until_s, fps))
    assert set(ids) == set(range(len(things))), scenario
    assert {thing: len(own) for thing, own in ids.items() if len(own) > 1} == {}, scenario
    assert {track: own for track, own in followed.items() if len(own) > 1} == {}, scenario


def test_missed_detections_break_few_tracks_in_a_dense_crowd_of_parked_cars():
    world = World(PARKED, flaws=Flaws(jitter=0.03, recall=0.85))
    ids, _ = follow(world, tracker(), times(30))
    assert sum(len(own) for own in ids.values()) <= len(PARKED) + 3


def test_uneven_frames_do_not_break_a_track():
    moments = np.cumsum([0.2, 0.05, 0.4, 0.2, 0.6, 0.1, 0.2, 0.2, 0.5, 0.2, 0.05, 0.3])
    ids, _ = follow(World([Thing("car", moving(-2, 8, 0, 6))]), tracker(), moments)
    assert len(ids[0]) == 1


def test_a_gap_of_seconds_ends_tracks_instead_of_crossing_them():
    swap = [
        Thing("car", then((2, at(-3, 14)), (20, at(3, 14)))),
        Thing("car", then((2, at(3, 14)), (20, at(-3, 14)))),
    ]
    moments = [*times(2.0), *times(8.0, start_s=6.0)]
    ids, followed = follow(World(swap), tracker(), moments)
    assert all(len(things) == 1 for things in followed.values())
    assert [len(own) for own in ids.values()] == [2, 2]


def test_a_track_is_given_once_it_is_confirmed_and_only_while_it_is_seen():
    camera, box = tracker(), (100, 100, 140, 130, 0.9, CAR)
    assert camera.update(detections(box), LETTERBOX, 10.0) == ()
    (track,) = camera.update(detections(box), LETTERBOX, 10.2)
    assert (track.label, track.first_seen_s, track.last_seen_s) == ("car", 10.0, 10.2)
    assert camera.update(detections(), LETTERBOX, 10.4) == ()
    (again,) = camera.update(detections(box), LETTERBOX, 10.6)
    assert again.id == track.id
    assert again.first_seen_s == 10.0


def test_boxes_come_back_as_they_were_detected_in_normalised_coordinates():
    camera, rows = tracker(), [(0, 12, 320, 192, 0.9, CAR), (320, 192, 640, 372, 0.8, PERSON)]
    camera.update(detections(*rows), LETTERBOX, 1.0)
    tracks = camera.update(detections(*rows), LETTERBOX, 1.2)
    boxes = {t.label: (t.box.x1, t.box.y1, t.box.x2, t.box.y2) for t in tracks}
    assert boxes["car"] == pytest.approx((0, 0, 0.5, 0.5))
    assert boxes["person"] == pytest.approx((0.5, 0.5, 1, 1))
    assert tracks[0].aspect == pytest.approx(16 / 9)


def test_a_person_never_becomes_the_bag_they_leave_behind():
    camera = tracker()
    for i in range(5):
        camera.update(detections((100, 100, 130, 180, 0.9, PERSON)), LETTERBOX, i * 0.2)
    (person,) = camera.update(detections((100, 100, 130, 180, 0.9, PERSON)), LETTERBOX, 1.0)
    camera.update(detections((100, 110, 130, 180, 0.9, BAG)), LETTERBOX, 1.2)
    (bag,) = camera.update(detections((100, 110, 130, 180, 0.9, BAG)), LETTERBOX, 1.4)
    assert bag.label == "bag"
    assert bag.id != person.id


def test_one_vehicle_under_two_class_names_is_one_track_with_the_better_name():
    camera = tracker()
    rows = [(100, 100, 160, 140, 0.8, TRUCK), (101, 100, 161, 141, 0.5, CAR)]
    seen = [camera.update(detections(*rows), LETTERBOX, i * 0.2) for i in range(4)]
    assert [[track.label for track in tracks] for tracks in seen[1:]] == [["truck"]] * 3


def test_the_label_is_what_it_was_taken_for_most():
    camera, labels = tracker(), []
    for i, kind in enumerate([CAR, CAR, CAR, TRUCK, TRUCK, CAR, TRUCK, CAR]):
        for track in camera.update(detections((100, 100, 150, 140, 0.9, kind)), LETTERBOX, i * 0.2):
            labels.append(track.label)
    assert set(labels) == {"car"}


def test_trackers_of_one_camera_share_a_source_of_ids_and_never_an_id():
    ids = itertools.count(1)
    first, second = CameraTracker(LABELS, ids, 5), CameraTracker(LABELS, ids, 5)
    seen: dict[str, set[int]] = {"first": set(), "second": set()}
    for i in range(6):
        for name, camera in (("first", first), ("second", second)):
            rows = [(60 * k, 100, 60 * k + 40, 130, 0.9, CAR) for k in range(5)]
            seen[name] |= {t.id for t in camera.update(detections(*rows), LETTERBOX, i * 0.2)}
    assert len(seen["first"]) == len(seen["second"]) == 5
    assert not seen["first"] & seen["second"]


def test_two_cameras_are_independent():
    world = World(convoy(10, 20, count=3))
    alone = follow(world, tracker(), times(8))[0]
    camera, other = tracker(), tracker()
    noise = World(PARKED, flaws=Flaws(jitter=0.05, recall=0.7, seed=9))
    ids = defaultdict(list)
    for t in times(8):
        seen, _ = world.detections(t)
        other.update(noise.detections(t)[0], LETTERBOX, t)
        for track in camera.update(seen, LETTERBOX, t):
            if track.id not in ids[t]:
                ids[t].append(track.id)
    assert {track for own in ids.values() for track in own} == {
        track for own in alone.values() for track in own
    }


def test_after_a_restart_everything_is_forgotten_and_ids_go_on():
    camera, box = tracker(), (100, 100, 140, 130, 0.9, CAR)
    for i in range(3):
        before = camera.update(detections(box), LETTERBOX, i * 0.2)
    camera.restart()
    assert camera.update(detections(box), LETTERBOX, 0.6) == ()
    (after,) = camera.update(detections(box), LETTERBOX, 0.8)
    assert after.id > before[0].id
    assert after.first_seen_s == 0.6


def test_a_change_of_the_image_size_starts_anew():
    camera, box = tracker(), (100, 100, 140, 130, 0.9, CAR)
    for i in range(3):
        (before,) = camera.update(detections(box), LETTERBOX, i * 0.2) or (None,)
    square = Letterbox.fit(Size(1000, 1000), Size(640, 384))
    assert camera.update(detections(box), square, 0.6) == ()
    (after,) = camera.update(detections(box), square, 0.8)
    assert before is not None
    assert after.id != before.id


def test_the_analysis_size_makes_no_difference():
    small = Letterbox.fit(FULL, Size(320, 192))
    large = Letterbox.fit(FULL, Size(1280, 736))
    results = []
    for letterbox in (small, large):
        world = World(convoy(12, 24, count=4), flaws=Flaws(jitter=0.02))
        ids, _ = follow(world, tracker(), times(8), letterbox)
        results.append({thing: len(own) for thing, own in ids.items()})
    assert results[0] == results[1]


@pytest.mark.parametrize("later_s", [10.2, 10.199, 3.0])
def test_a_moment_that_is_not_later_does_no_harm(later_s):
    camera, box = tracker(), (100, 100, 140, 130, 0.9, CAR)
    camera.update(detections(box), LETTERBOX, 10.0)
    camera.update(detections(box), LETTERBOX, 10.2)
    camera.update(detections(box), LETTERBOX, later_s)
    tracks = camera.update(detections(box), LETTERBOX, later_s + 0.2)
    assert [track.label for track in tracks] == ["car"]
    assert tracks[0].last_seen_s == pytest.approx(later_s + 0.2, abs=0.01)


def test_labels_that_no_group_knows_are_followed_on_their_own():
    camera = CameraTracker(("Dog", "Plastic bag"), itertools.count(1), 5)
    rows = [(100, 100, 140, 130, 0.9, 0), (115, 100, 155, 130, 0.9, 1)]
    camera.update(detections(*rows), LETTERBOX, 0.0)
    tracks = camera.update(detections(*rows), LETTERBOX, 0.2)
    assert {track.label for track in tracks} == {"Dog", "Plastic bag"}


def test_what_is_no_box_is_left_out():
    camera, nan, inf = tracker(), float("nan"), float("inf")
    rows = [
        (100, 100, 140, 130, 0.9, CAR),
        (nan, 100, 140, 130, 0.8, CAR),
        (0, 0, inf, 100, 0.8, CAR),
        (300, 100, 300, 130, 0.8, CAR),
        (300, 130, 340, 100, 0.8, PERSON),
    ]
    seen = [camera.update(detections(*rows), LETTERBOX, i * 0.2) for i in range(3)]
    assert [len(tracks) for tracks in seen] == [0, 1, 1]
