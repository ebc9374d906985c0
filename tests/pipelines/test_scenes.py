"""Scripted scenes, seen by a perfect detector: the rules find what the script says and no more."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from camera_adapters.geometry import Letterbox, Size
from models.detections import Detections
from pipelines.incident import EndReason, Incident, Phase, Transition
from pipelines.rules import RULES, Rule, build_rule
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import GroundCalibration, Zone
from pipelines.track import Track
from pipelines.tracker import CameraTracker
from simulation.scenes import LABELS, SCENES, Scene, scene_named
from tests.pipelines.synthetic import MONO_START_S, moment, seconds

SIZE = (320, 180)
IMAGE: npt.NDArray[np.float32] = np.array([*SIZE, *SIZE], np.float32)
LETTERBOX = Letterbox.fit(Size(*SIZE), Size(320, 192))
MIN_VISIBLE = 0.25
FPS = 5.0

TRUE_BESIDE = {("square-crowd", "crowding.gathering")}
"""Incidents that are true, and not in the truth of a scene, which knows what the demo shows."""

WHERE_ASKED = {"traffic.carriageway_intrusion"}
"""Kinds that depend on what a zone is for: only scenes about them have such a zone."""

SHORT_SCENES = {
    "traffic.stopped_vehicle": {"confirm_s": 30.0},
    "traffic.congestion": {"confirm_s": 15.0},
}
"""Parameters where a scene is too short for the default ones: its lights are red for 13 s, and its
jam is over within a minute."""

BEGINS_WITHIN_S = 10.0
"""A thing becomes litter when its owner is away, later than the script drops it."""

ENDS_WITHIN_S = 6.0


@cache
def detections_of(name: str) -> tuple[tuple[float, Detections], ...]:
    """One loop of a scene as a perfect detector sees it, simulated once per test run."""
    scene = scene_named(name)
    view = scene.view(SIZE)
    found = []
    for index in range(int(scene.duration_s * FPS)):
        truth = view.truth(scene.states_at(index / FPS))
        seen = truth.visible >= MIN_VISIBLE
        boxes = LETTERBOX.to_analysis((truth.boxes[seen] / IMAGE).astype(np.float32))
        scores = np.full(len(boxes), 0.9, np.float32)
        found.append((index / FPS, Detections(boxes, scores, truth.class_ids[seen])))
    return tuple(found)


@cache
def tracks_of(name: str, every: int) -> tuple[tuple[float, tuple[Track, ...]], ...]:
    """The tracks in every n-th frame of a scene."""
    tracker = CameraTracker(LABELS, itertools.count(1), FPS / every)
    return tuple(
        (t, tracker.update(detections, LETTERBOX, MONO_START_S + t))
        for t, detections in detections_of(name)[::every]
    )


def rules_of(scene: Scene, calibrated: bool) -> list[Rule]:
    """The rules of all tasks of the scene."""
    points = scene.ground_points()
    ground = GroundCalibration(
        tuple(point.image for point in points), tuple(point.ground_m for point in points)
    )
    rules = []
    about = {truth.kind for truth in scene.incidents}
    for kind, rule in RULES.items():
        if kind in WHERE_ASKED - about:
            continue
        zones = tuple(
            Zone(zone.name, zone.polygon, ground if calibrated else None, zone.flow)
            for zone in scene.zones
            if zone.task == rule.task and (zone.flow or not rule.needs_direction)
        )
        if zones and rule.zone is not None:
            plan = RulePlan(kind, zones, SHORT_SCENES.get(kind, {}))
            rules.append(build_rule(plan, scene.name, "e1"))
    return rules


def incidents(scene: Scene, every: int, calibrated: bool) -> list[Incident]:
    """What the rules make of every n-th frame of a scene, each incident as it ended."""
    rules = rules_of(scene, calibrated)
    steps: list[Transition] = []
    t = 0.0
    for t, tracks in tracks_of(scene.name, every):
        for rule in rules:
            steps += rule.observe(tracks, moment(t)).transitions
    for rule in rules:
        steps += rule.close(EndReason.SHUTDOWN, moment(t)).transitions
    return [step.incident for step in steps if step.phase is Phase.ENDED]


def check(name: str, every: int = 1) -> None:
    scene = scene_named(name)
    expected = sorted(
        (truth.kind, truth.zone, truth.start_s, truth.end_s) for truth in scene.incidents
    )
    for calibrated in (True, False):
        ended = incidents(scene, every, calibrated)
        found = sorted(
            (i.kind, i.zone, seconds(i.opened_at), seconds(i.ended_at))
            for i in ended
            if (name, i.kind) not in TRUE_BESIDE
        )
        assert [one[:2] for one in found] == [one[:2] for one in expected], calibrated
        for (_, _, begins_s, ends_s), (_, _, start_s, end_s) in zip(found, expected, strict=True):
            assert begins_s == pytest.approx(start_s, abs=BEGINS_WITHIN_S)
            assert ends_s == pytest.approx(end_s, abs=ENDS_WITHIN_S)


@pytest.mark.slow
def test_every_kind_in_the_scenes_has_a_rule_or_is_known_to_have_none():
    kinds = {truth.kind for name in SCENES for truth in scene_named(name).incidents}
    assert kinds - set(RULES) == set()


@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("park-bag", 1),
        ("square-quiet", 1),
        pytest.param("square-crowd", 4, marks=pytest.mark.slow),
        pytest.param("crossroad-jam", 4, marks=pytest.mark.slow),
    ],
)
def test_a_scene_of_every_kind(name, every):
    check(name, every)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SCENES))
def test_every_scene(name):
    check(name)
