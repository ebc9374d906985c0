"""Rendered cameras: street scenes with ground truth, for training, demo, tests and benchmarks.

Clips are made by `camera_adapters.rendered.encode`, kept apart because it needs PyAV.
"""

from camera_adapters.rendered.labels import (
    CLASS_ID,
    EVALUATION_SEEDS,
    LABELS,
    SCENE_SEEDS,
    TRAINING_SEEDS,
)
from camera_adapters.rendered.sample import (
    SEEDS_PER_VIEW,
    Sample,
    place_of,
    render_sample,
    render_samples,
)
from camera_adapters.rendered.scene import GroundPoint, Scene, SceneIncident, SceneZone
from camera_adapters.rendered.scenes import DEMO_SCENES, SCENES, scene_named
from camera_adapters.rendered.truth import SceneTruth, read_truth, truth
from camera_adapters.rendered.view import ObjectState, Truth, View

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
    "Sample",
    "Scene",
    "SceneIncident",
    "SceneTruth",
    "SceneZone",
    "Truth",
    "View",
    "place_of",
    "read_truth",
    "render_sample",
    "render_samples",
    "scene_named",
    "truth",
]
