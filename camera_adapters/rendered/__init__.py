"""Rendered cameras: street scenes with ground truth, for training, demo, tests and benchmarks."""

from camera_adapters.rendered.labels import (
    CLASS_ID,
    EVALUATION_SEEDS,
    LABELS,
    SCENE_SEEDS,
    TRAINING_SEEDS,
)
from camera_adapters.rendered.sample import Sample, render_sample, render_samples

__all__ = [
    "CLASS_ID",
    "EVALUATION_SEEDS",
    "LABELS",
    "SCENE_SEEDS",
    "TRAINING_SEEDS",
    "Sample",
    "render_sample",
    "render_samples",
]
