"""Scripted scenes, seen by a perfect detector: the rules find what the script says and no more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from camera_adapters.geometry import Letterbox, Size
from models.detections import Detections
from pipelines.incident import EndReason, Incident, Phase
from pipelines.rules import RULES, build_rule
from pipelines.rules.rule import RulePlan
from pipelines.rules.zone import GroundCalibration, Zone
from pipelines.tracker import CameraTracker
from simulation.scenes import LABELS, SCENES, Scene, scene_named
from tests.pipelines.synthetic import MONO_START_S, moment, seconds

SIZE = (320, 180)
IMAGE: npt.NDArray[np.float32] = np.array([*SIZE, *SIZE], np.float32)
LETTERBOX = Letterbox.fit(Size(*SIZE), Size(320, 192))
MIN_VISIBLE = 0.25

BEGINS_WITHIN_S = 10.0
"""A thing becomes litter when its owner is away, later than the script drops it."""

ENDS_WITHIN_S = 6.0


def looks(scene: Scene, fps: float) -> Iterator[tuple[float, Detections]]:
    """One loop of the scene as a perfect detector sees it."""
    view = scene.view(SIZE)
    for index in range(int(scene.duration_s * fps)):
        _, truth = view.render(scene.states_at(index / fps), index)
        seen = truth.visible >= MIN_VISIBLE
        boxes = LETTERBOX.to_analysis((truth.boxes[seen] / IMAGE).astype(np.float32))
        scores = np.full(len(boxes), 0.9, np.float32)
        yield index / fps, Detections(boxes, scores, truth.class_ids[seen])


def incidents(scene: Scene, fps: float) -> list[Incident]:
    """What the rules of all tasks of the scene make of it, each as it ended."""
    points = scene.ground_points()
    ground = GroundCalibration(
        tuple(point.image for point in points), tuple(point.ground_m for point in points)
    )
    rules = []
    for kind, rule in RULES.items():
        polygons = [zone for zone in scene.zones if zone.task == rule.task]
        zones = tuple(Zone(zone.name, zone.polygon, ground) for zone in polygons)
        if zones:
            rules.append(build_rule(RulePlan(kind, zones), scene.name, "e1"))
    tracker = CameraTracker(LABELS, itertools.count(1), fps)
    steps, t = [], 0.0
    for t, detections in looks(scene, fps):
        tracks = tracker.update(detections, LETTERBOX, MONO_START_S + t)
        steps += [step for rule in rules for step in rule.observe(tracks, moment(t)).transitions]
    steps += [
        step for rule in rules for step in rule.close(EndReason.SHUTDOWN, moment(t)).transitions
    ]
    return [step.incident for step in steps if step.phase is Phase.ENDED]


def check(name: str, fps: float) -> None:
    scene = scene_named(name)
    expected = sorted(
        (truth.kind, truth.zone, truth.start_s, truth.end_s)
        for truth in scene.incidents
        if truth.kind in RULES
    )
    ended = incidents(scene, fps)
    found = sorted((i.kind, i.zone, seconds(i.opened_at), seconds(i.ended_at)) for i in ended)
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    for (_, _, begins_s, ends_s), (_, _, start_s, end_s) in zip(found, expected, strict=True):
        assert begins_s == pytest.approx(start_s, abs=BEGINS_WITHIN_S)
        assert ends_s == pytest.approx(end_s, abs=ENDS_WITHIN_S)


@pytest.mark.parametrize(
    ("name", "fps"),
    [("park-bag", 5), ("square-quiet", 5), ("square-crowd", 1.5), ("crossroad-jam", 1.5)],
)
def test_a_scene_of_every_kind(name, fps):
    check(name, fps)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SCENES))
def test_every_scene(name):
    check(name, fps=5)
