"""Augmentation: cheap changes that a camera could have made too, boxes kept in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters import PADDING_VALUE
from simulation.scenes import Sample

LEAST_VISIBLE = 0.35
"""A box that loses more of its area at the border is neither demanded nor punished."""
LEAST_SIDE_PX = 4.0
MIDDLE_GREY = 0.45


@dataclass(frozen=True, slots=True)
class Strength:
    """How much images are changed.

    Attributes:
        scales: Smallest and largest scale.
        scaled_share: Share of images that are scaled at all.
        gamma: Largest change of the logarithm of gamma.
        contrast: Largest relative change of contrast.
        balance: Largest relative change of one colour.
        brightness: Largest shift, as a share of full scale.
    """

    scales: tuple[float, float]
    scaled_share: float
    gamma: float
    contrast: float
    balance: float
    brightness: float


WIDE = Strength((0.7, 1.6), 0.6, gamma=0.35, contrast=0.25, balance=0.1, brightness=0.04)
MILD = Strength((0.8, 1.4), 0.4, gamma=0.2, contrast=0.15, balance=0.05, brightness=0.03)


def augmented(
    sample: Sample,
    rng: np.random.Generator,
    crop: tuple[int, int] | None,
    strength: Strength = MILD,
    interest: Sequence[float] | None = None,
) -> Sample:
    """A randomly changed copy: mirrored, scaled, cut out, recoloured, degraded.

    Args:
        sample: The image; it is left as it is.
        rng: Decides.
        crop: Width and height of the cut-out; None leaves place and colours alone, for the last
            steps of training, which shall look like service.
        strength: How much scale and colours change.
        interest: See `cut_out`.
    """
    if rng.random() < 0.5:
        sample = mirrored(sample)
    if crop is not None:
        sample = cut_out(sample, crop, rng, strength, interest)
        sample = replace(sample, image=recoloured(sample.image, rng, strength))
    return replace(sample, image=degraded(sample.image, rng))


def mirrored(sample: Sample) -> Sample:
    """Left and right swapped."""
    width = sample.image.shape[1]
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = width - sample.boxes[:, [2, 0]]
    flipped = np.asarray(cv2.flip(sample.image, 1), np.uint8)
    return replace(sample, image=flipped, boxes=boxes)


def cut_out(
    sample: Sample,
    size: tuple[int, int],
    rng: np.random.Generator,
    strength: Strength = MILD,
    interest: Sequence[float] | None = None,
) -> Sample:
    """A window at a random scale around a random object.

    Args:
        sample: The image; it is left as it is.
        size: Width and height of the window.
        rng: Decides.
        strength: How much the scale changes.
        interest: Weight of every class, by class id, in the choice of the object; by default each
            class in the image is equally likely, however few objects it has.
    """
    scale = 1.0
    if rng.random() < strength.scaled_share:
        scale = float(np.exp(rng.uniform(*np.log(strength.scales))))
    height, width = sample.image.shape[:2]
    extent = np.array([width, height]) * scale
    window = np.array(size, np.float64)
    centre = _place_of_interest(sample, rng, interest) * scale + rng.uniform(-0.4, 0.4, 2) * window
    # Windows stay inside the image where it is large enough, else the image inside them.
    slack = extent - window
    origin = np.clip(centre - window / 2, np.minimum(slack, 0), np.maximum(slack, 0))
    matrix = np.array([[scale, 0.0, -origin[0]], [0.0, scale, -origin[1]]])
    image = cv2.warpAffine(
        sample.image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(PADDING_VALUE,) * 3
    )
    return _cut_labels(sample, np.asarray(image, np.uint8), scale, origin)


def _place_of_interest(
    sample: Sample, rng: np.random.Generator, interest: Sequence[float] | None
) -> npt.NDArray[np.float64]:
    clear = ~sample.ignore
    height, width = sample.image.shape[:2]
    if not clear.any():
        return rng.uniform(0.0, 1.0, 2) * (width, height)
    present = np.unique(sample.class_ids[clear])
    chances = None if interest is None else np.asarray(interest, np.float64)[present]
    chosen = rng.choice(present, p=None if chances is None else chances / chances.sum())
    box = rng.choice(sample.boxes[clear & (sample.class_ids == chosen)])
    return np.array([box[0] + box[2], box[1] + box[3]], np.float64) / 2


def _cut_labels(
    sample: Sample, image: npt.NDArray[np.uint8], scale: float, origin: npt.NDArray[np.float64]
) -> Sample:
    height, width = image.shape[:2]
    whole = sample.boxes * scale - np.tile(origin, 2)
    boxes = np.clip(whole, 0, [width, height, width, height]).astype(np.float32)
    sides = boxes[:, 2:] - boxes[:, :2]
    full_area = np.prod(whole[:, 2:] - whole[:, :2], axis=1)
    visible = np.prod(sides, axis=1) / np.maximum(full_area, 1e-6)
    unclear = (visible < LEAST_VISIBLE) | (sides.min(axis=1, initial=np.inf) < LEAST_SIDE_PX)
    inside = (sides > 1.0).all(axis=1)
    return Sample(
        image=image,
        boxes=boxes[inside],
        class_ids=sample.class_ids[inside],
        ignore=(sample.ignore | unclear)[inside],
    )


def recoloured(
    image: npt.NDArray[np.uint8], rng: np.random.Generator, strength: Strength = MILD
) -> npt.NDArray[np.uint8]:
    """Other exposure, contrast, gamma and white balance, through one table per channel."""
    levels = np.linspace(0.0, 1.0, 256)
    curve = levels ** np.exp(strength.gamma * rng.uniform(-1, 1)) - MIDDLE_GREY
    contrast = 1.0 + strength.contrast * rng.uniform(-1, 1)
    tables = np.empty((1, 256, 3))
    for channel in range(3):
        gain = contrast * (1.0 + strength.balance * rng.uniform(-1, 1))
        shift = strength.brightness * rng.uniform(-1, 1)
        tables[0, :, channel] = MIDDLE_GREY + curve * gain + shift
    table = np.clip(tables * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def degraded(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Sometimes blurred, drawn at a lower resolution, or strongly compressed."""
    chance = rng.random()
    if chance < 0.10:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), rng.uniform(0.4, 1.0)), np.uint8)
    elif chance < 0.20:
        height, width = image.shape[:2]
        factor = rng.uniform(0.6, 0.95)
        small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (width, height)), np.uint8)
    if rng.random() < 0.25:
        quality = int(rng.integers(35, 85))
        _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
    return image
