"""Rendered cameras: street scenes with ground truth, for training, demo, tests and benchmarks.

Clips are made by `simulation.clips`, kept apart because it needs PyAV.
"""

from simulation.drawing.view import ObjectState, Truth, View
from simulation.labels import (
    CLASS_ID,
    EVALUATION_SEEDS,
    LABELS,
    SCENE_SEEDS,
    TRAINING_SEEDS,
)
from simulation.scenes.catalogue import DEMO_SCENES, SCENES, scene_named
from simulation.scenes.foot_scenes import busy_square
from simulation.scenes.left_things import left_things
from simulation.scenes.repertoire import incident_scene, incident_scene_names
from simulation.scenes.road_scenes import busy_crossroad
from simulation.scenes.sample import (
    SEEDS_PER_VIEW,
    Sample,
    place_of,
    render_sample,
    render_samples,
)
from simulation.scenes.scene import GroundPoint, RestingThing, Scene, SceneIncident, SceneZone
from simulation.scenes.story_stage import WatchedScene
from simulation.scenes.truth import SceneTruth, read_truth, truth

__all__ = [
    "CLASS_ID",
    "DEMO_SCENES",
    "EVALUATION_SEEDS",
    "LABELS",
    "SCENES",
    "SCENE_SEEDS",
    "SEEDS_PER_VIEW",
    "TRAINING_SEEDS",
    "GroundPoint",
    "ObjectState",
    "RestingThing",
    "Sample",
    "Scene",
    "SceneIncident",
    "SceneTruth",
    "SceneZone",
    "Truth",
    "View",
    "WatchedScene",
    "busy_crossroad",
    "busy_square",
    "incident_scene",
    "incident_scene_names",
    "left_things",
    "place_of",
    "read_truth",
    "render_sample",
    "render_samples",
    "scene_named",
    "truth",
]
