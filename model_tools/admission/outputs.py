"""Checks of what the model gives: in range, repeatable, and equal to the golden rows."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_tools.sandbox.child import Announce
from models import (
    LOOSE,
    STRICT,
    Detector,
    GoldenSet,
    GraphError,
    ModelPackage,
    Tolerance,
    disagreement,
    tolerance_of,
)
from models.detections import Rows

OUTSIDE_PX = 2.0
"""How far a box may reach over the border; rounding is not nonsense."""

ABOVE_ONE = 1e-3
SEED = 7


@dataclass(slots=True)
class Trial:
    """A loaded model under examination.

    Attributes:
        package: What it is.
        detector: Runs it exactly as a replica does.
        patience_s: Wall-clock seconds that one step may take at least.
        alone_s: Seconds for one image alone, once it is known.
    """

    package: ModelPackage
    detector: Detector
    patience_s: float
    alone_s: float = 0.0

    def patience(self, images: int) -> float:
        """Wall-clock seconds that a step with so many images may take."""
        return self.patience_s + 4.0 * images * self.alone_s

    @property
    def steady(self) -> Tolerance:
        """How much two runs of this very session may differ."""
        exact = self.package.manifest.precision == "fp32" and self.detector.provider == "cpu"
        return STRICT if exact else LOOSE

    @property
    def golden(self) -> Tolerance:
        """How far it may be from the golden rows, which are those of the float32 network."""
        return tolerance_of(self.package.manifest.precision, self.detector.provider)


def alone(trial: Trial, golden: GoldenSet, announce: Announce) -> tuple[Rows, str]:
    """Runs each golden image alone; every row must be possible, and the same a second time."""
    started = time.monotonic()
    first = _possible(trial, golden.images[:1])
    trial.alone_s = time.monotonic() - started
    announce("running the other golden images", trial.patience(len(golden) + 1))
    again = _possible(trial, golden.images[:1])
    problem = disagreement(again, first, trial.steady)
    if problem:
        raise GraphError("", f"answers the same image differently the second time: {problem}")
    others = [_possible(trial, one[None]) for one in golden.images[1:]]
    return np.concatenate([first, *others]), f"{len(golden)} images, all rows are possible"


def agree(trial: Trial, rows: Rows, golden: GoldenSet) -> tuple[None, str]:
    """Compares with what the model answered when it was known to be right."""
    problem = disagreement(rows, golden.rows, trial.golden)
    if problem:
        raise GraphError("", f"does not give the golden rows: {problem}")
    return None, f"the golden rows within {trial.golden.box_px:g} px and {trial.golden.score:g}"


def noise(trial: Trial) -> tuple[None, str]:
    """Runs black, white and random images; every row must be possible."""
    wanted = trial.package.manifest.input
    shape = (wanted.height, wanted.width, 3)
    images = np.random.default_rng(SEED).integers(0, 256, (4, *shape), np.uint8)
    images[0], images[1] = 0, 255
    rows = _possible(trial, images)
    return None, f"{int((rows[:, :, 4] > 0).sum())} rows on 4 images, all possible"


def _possible(trial: Trial, images: npt.NDArray[np.uint8]) -> Rows:
    """Rows (N, M, 6) of images (N, H, W, 3), after a check of every number."""
    rows = trial.detector.run(images)
    problem = _impossible(rows, len(images), trial.package)
    if problem:
        raise GraphError("", problem)
    return rows


def _impossible(rows: Rows, count: int, package: ModelPackage) -> str:
    wanted, labels = package.manifest, len(package.labels)
    shape = (count, wanted.output.rows, 6)
    if rows.dtype != np.float32 or rows.shape != shape:
        return f"gives {rows.dtype} {rows.shape} at run time, the manifest says float32 {shape}"
    if not np.isfinite(rows).all():
        return "gives numbers that are not finite"
    scores = rows[:, :, 4]
    if scores.min() < 0.0 or scores.max() > 1.0 + ABOVE_ONE:
        return f"gives scores from {scores.min():.4g} to {scores.max():.4g}, not within 0 and 1"
    real = rows[scores > 0]
    classes = real[:, 5]
    wrong = (classes < 0) | (classes >= labels) | (classes != np.rint(classes))
    if wrong.any():
        return f"gives class {classes[wrong][0]:g}, labels.txt names {labels} classes"
    far = np.array([wanted.input.width, wanted.input.height] * 2) + OUTSIDE_PX
    outside = ((real[:, :4] < -OUTSIDE_PX) | (real[:, :4] > far)).any(axis=1)
    if outside.any():
        box = ", ".join(f"{value:.0f}" for value in real[outside][0, :4])
        return f"gives the box [{box}] outside the {wanted.input.width}x{wanted.input.height} input"
    return ""
