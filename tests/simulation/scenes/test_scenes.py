"""Scripted scenes: what their truth claims is what their actors do."""

import math

import cv2
import numpy as np
import pytest

from simulation.drawing.viewpoint import Projector
from simulation.scenes import DEMO_SCENES, SCENE_SEEDS, SCENES, ObjectState, Scene, scene_named

LITTER = ("bag", "bottle", "bin_bag")
VEHICLES = ("car", "bus", "truck", "motorcycle")
KINDS = {
    "traffic.congestion",
    "traffic.wrong_way",
    "traffic.stopped_vehicle",
    "littering.dropped_object",
    "littering.exposed_rubbish",
    "crowding.density",
}


@pytest.fixture(params=list(SCENES))
def scene(request: pytest.FixtureRequest) -> Scene:
    return scene_named(request.param)


def inside(scene: Scene, zone_name: str, state: ObjectState) -> bool:
    zone = next(z for z in scene.zones if z.name == zone_name)
    pixels, depth = Projector(scene.viewpoint, scene.size_px).project((state.x_m, state.y_m, 0.0))
    spot = (float(pixels[0]) / scene.size_px[0], float(pixels[1]) / scene.size_px[1])
    polygon = np.array(zone.polygon, np.float32)
    return float(depth) > 0 and cv2.pointPolygonTest(polygon, spot, measureDist=False) >= 0


def homography(scene: Scene) -> np.ndarray:
    """The 3x3 matrix from normalised image points to ground metres."""
    points = scene.ground_points()
    source = np.array([p.image for p in points], np.float32)
    target = np.array([p.ground_m for p in points], np.float32)
    return cv2.getPerspectiveTransform(source, target)


def in_image(scene: Scene, state: ObjectState) -> bool:
    camera = Projector(scene.viewpoint, scene.size_px)
    (x, y), depth = camera.project((state.x_m, state.y_m, 0.0))
    return bool(1 < depth < 80 and 0 <= x < scene.size_px[0] and 0 <= y < scene.size_px[1])


def at(scene: Scene, key: int, now: float) -> ObjectState:
    return next(s for s in scene.states_at(now) if s.key == key)


def incidents_of(kind: str) -> list[tuple[Scene, int]]:
    return [
        (scene_named(name), k)
        for name in SCENES
        for k, incident in enumerate(scene_named(name).incidents)
        if incident.kind == kind
    ]


def test_a_scene_describes_itself_consistently(scene: Scene) -> None:
    assert scene.seed in SCENE_SEEDS
    assert 60 <= scene.duration_s <= 90
    assert {zone.task for zone in scene.zones} == set(scene.tasks)
    for zone in scene.zones:
        assert np.all((np.array(zone.polygon) >= 0) & (np.array(zone.polygon) <= 1))
        assert zone.area_m2 > 10
    for incident in scene.incidents:
        assert incident.kind in KINDS
        assert incident.zone in {zone.name for zone in scene.zones}
        assert 0 < incident.start_s < incident.end_s < scene.duration_s
        assert incident.kind.split(".")[0] in scene.tasks


def test_every_kind_of_incident_is_shown_and_every_place_has_a_quiet_scene() -> None:
    scenes = [scene_named(name) for name in SCENES]
    assert {incident.kind for s in scenes for incident in s.incidents} == KINDS
    assert {s.place.name for s in scenes if not s.incidents} == {s.place.name for s in scenes}
    assert len({s.seed for s in scenes}) == len(scenes)


def test_the_demo_shows_its_situations_early_and_one_quiet_street() -> None:
    scenes = [scene_named(name) for name in DEMO_SCENES]
    kinds = {i.kind for s in scenes for i in s.incidents if i.start_s < 15 and i.end_s > 45}
    assert kinds == {"traffic.congestion", "littering.dropped_object", "crowding.density"}
    assert any(not s.incidents for s in scenes)


def test_the_end_of_the_loop_runs_into_its_start(scene: Scene) -> None:
    step = 1 / scene.fps
    before = scene.states_at(scene.duration_s - step)
    seen = [s for s in scene.states_at(0.0) if in_image(scene, s)]
    assert seen
    for state in seen:
        near = [s for s in before if s.look == state.look and s.label == state.label]
        assert min(math.dist((s.x_m, s.y_m), (state.x_m, state.y_m)) for s in near) < 20 * step


def test_keys_are_unique_at_any_moment(scene: Scene) -> None:
    for now in np.arange(0, scene.duration_s, 3.1):
        keys = [state.key for state in scene.states_at(now)]
        assert len(keys) == len(set(keys))


def test_the_homography_agrees_with_the_camera(scene: Scene) -> None:
    spots = np.array([(0.3, 0.6), (0.6, 0.9), (0.5, 0.5)], np.float32)
    ground = cv2.perspectiveTransform(spots[None], homography(scene))[0]
    camera = Projector(scene.viewpoint, scene.size_px)
    assert ground == pytest.approx(camera.ground_at(spots * scene.size_px), abs=0.05)
    back, _ = camera.project(np.hstack([ground, np.zeros((3, 1))]))
    assert back / scene.size_px == pytest.approx(spots, abs=0.002)


@pytest.mark.parametrize(("scene", "number"), incidents_of("littering.dropped_object"))
def test_a_dropped_object_lies_alone_until_it_is_collected(scene: Scene, number: int) -> None:
    incident = scene.incidents[number]
    # What comes beside the first thing is a part of the incident.
    (first, *_) = (one for one in scene.resting if one.key in incident.keys)
    assert first.start_s == incident.start_s
    rest = at(scene, first.key, first.start_s + 0.1)
    assert inside(scene, incident.zone, rest)
    for now in np.arange(first.start_s + 0.1, first.end_s - 0.1, 1.0):
        assert at(scene, first.key, now) == rest
    assert at(scene, first.key, first.start_s - 1.0).z_m > 0
    assert at(scene, first.key, first.end_s + 1.0).z_m > 0
    last_s = max(one.end_s for one in scene.resting if one.key in incident.keys)
    assert last_s == incident.end_s
    holder = min(
        (s for s in scene.states_at(incident.start_s) if s.label == "person"),
        key=lambda s: math.dist((s.x_m, s.y_m), (rest.x_m, rest.y_m)),
    )
    gone = [s for s in scene.states_at(incident.start_s + 6.0) if s.key == holder.key]
    assert all(math.dist((s.x_m, s.y_m), (rest.x_m, rest.y_m)) > 6 for s in gone)


@pytest.mark.parametrize(("scene", "number"), incidents_of("littering.exposed_rubbish"))
def test_a_pile_holds_three_things_or_more(scene: Scene, number: int) -> None:
    incident = scene.incidents[number]
    for now in np.arange(incident.start_s + 0.1, incident.end_s, 2.0):
        lying = [s for s in scene.states_at(now) if s.label in LITTER and s.z_m == 0]
        assert sum(inside(scene, incident.zone, s) for s in lying) >= 3


@pytest.mark.parametrize(("scene", "number"), incidents_of("traffic.congestion"))
def test_a_jam_stands_for_long(scene: Scene, number: int) -> None:
    incident = scene.incidents[number]
    assert incident.end_s - incident.start_s > 30
    for now in np.arange(incident.start_s + 4, incident.end_s - 4, 4.0):
        here = [at(scene, key, now) for key in incident.keys if _present(scene, key, now)]
        later = [at(scene, s.key, now + 1.0) for s in here]
        moved = [
            math.dist((a.x_m, a.y_m), (b.x_m, b.y_m)) for a, b in zip(here, later, strict=True)
        ]
        assert len(here) >= 5
        assert np.median(moved) < 1.0


def _present(scene: Scene, key: int, now: float) -> bool:
    moments = [{s.key for s in scene.states_at(t)} for t in (now, now + 1.0)]
    return all(key in keys for keys in moments)


@pytest.mark.parametrize(("scene", "number"), incidents_of("traffic.wrong_way"))
def test_a_wrong_way_driver_goes_against_the_zone(scene: Scene, number: int) -> None:
    incident = scene.incidents[number]
    zone = next(z for z in scene.zones if z.name == incident.zone)
    assert zone.flow is not None
    start, end = (at(scene, incident.keys[0], t) for t in (incident.start_s, incident.end_s - 0.3))
    arrow = cv2.perspectiveTransform(np.array([zone.flow], np.float32), homography(scene))[0]
    allowed = arrow[1] - arrow[0]
    assert float(np.dot(allowed, (end.x_m - start.x_m, end.y_m - start.y_m))) < 0
    assert inside(scene, incident.zone, at(scene, incident.keys[0], incident.end_s - 2.0))


@pytest.mark.parametrize(("scene", "number"), incidents_of("traffic.stopped_vehicle"))
def test_a_forbidden_stop_stands_in_its_zone(scene: Scene, number: int) -> None:
    incident = scene.incidents[number]
    early, late = (at(scene, incident.keys[0], t) for t in (incident.start_s, incident.end_s))
    assert math.dist((early.x_m, early.y_m), (late.x_m, late.y_m)) < 0.05
    assert inside(scene, incident.zone, early)


@pytest.mark.parametrize(("scene", "number"), incidents_of("crowding.density"))
def test_a_crowd_is_dense_while_it_lasts_and_gone_afterwards(scene: Scene, number: int) -> None:
    incident = scene.incidents[number]
    zone = next(z for z in scene.zones if z.name == incident.zone)

    def density(now: float) -> float:
        people = [s for s in scene.states_at(now) if s.label == "person"]
        return sum(inside(scene, zone.name, s) for s in people) / zone.area_m2

    assert min(density(t) for t in np.arange(incident.start_s + 1, incident.end_s - 1, 3)) > 0.35
    assert density(30.0) > 0.6
    assert density(0.0) < 0.1


@pytest.mark.parametrize("name", [n for n in SCENES if not scene_named(n).incidents])
def test_nothing_happens_in_a_quiet_scene(name: str) -> None:
    scene = scene_named(name)
    standing: dict[int, float] = {}
    for now in np.arange(0.0, scene.duration_s, 1.0):
        states = scene.states_at(now)
        people = [s for s in states if s.label == "person"]
        for state in states:
            if state.label in LITTER:
                assert min(math.dist((p.x_m, p.y_m), (state.x_m, state.y_m)) for p in people) < 1
            zones = [z.name for z in scene.zones if z.task == "traffic"]
            if state.label in VEHICLES and any(inside(scene, z, state) for z in zones):
                here = [s for s in scene.states_at(now + 1.0) if s.key == state.key]
                still = (
                    bool(here)
                    and math.dist((here[0].x_m, here[0].y_m), (state.x_m, state.y_m)) < 0.5
                )
                standing[state.key] = standing.get(state.key, 0.0) + 1.0 if still else 0.0
        assert max(standing.values(), default=0.0) < 18


def test_an_unknown_scene_names_those_there_are() -> None:
    with pytest.raises(KeyError, match="park-bag"):
        scene_named("beach")


def test_the_truth_is_the_same_with_and_without_an_image(scene: Scene) -> None:
    view = scene.view((320, 180))
    states = scene.states_at(20.0)
    (_, drawn), found = view.render(states), view.truth(states)
    for name in ("boxes", "class_ids", "ignore", "visible", "keys"):
        assert np.array_equal(getattr(found, name), getattr(drawn, name)), name
    assert len(found.keys) > 0
