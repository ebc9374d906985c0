"""Training images with labels: any seed gives one image, always the same.

Images come in the shape the detectors see in service: 16:9 content letterboxed with grey 114.
Seeds in one block of `SEEDS_PER_VIEW` share a camera and its backdrop, which makes a run of seeds
fast; take whole blocks for one purpose.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camera_adapters import PADDING_VALUE
from simulation.drawing.light import LIGHTS, varied
from simulation.drawing.place import DrawnPlace
from simulation.drawing.places import PLACES, cluttered, place_named, wandered
from simulation.drawing.sensor import through_camera
from simulation.drawing.view import View
from simulation.scenes.population import populate

SEEDS_PER_VIEW: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One labelled image.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels of ``image``.
        class_ids: (N,) int64, index into `LABELS`.
        ignore: (N,) bool; neither demand nor punish a detection there.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]


def place_of(seed: int) -> str:
    """Return the name of the place that the image of a seed shows, without drawing it."""
    return _drawn_place(_view_rng(seed // SEEDS_PER_VIEW))


def _view_rng(block: int) -> np.random.Generator:
    return np.random.default_rng((block, 7))


def _drawn_place(rng: np.random.Generator) -> str:
    return str(rng.choice(list(PLACES), p=[0.26, 0.24, 0.25, 0.25]))


@lru_cache(maxsize=2)
def _view_of(block: int, size_px: tuple[int, int]) -> tuple[DrawnPlace, View, tuple[int, int]]:
    """Return place, camera and image size of one block of seeds."""
    width, height = size_px
    rng = _view_rng(block)
    name = _drawn_place(rng)
    light = varied(LIGHTS[str(rng.choice(list(LIGHTS), p=[0.46, 0.14, 0.2, 0.2]))], rng)
    place = place_named(name, int(rng.integers(64)))
    viewpoint = wandered(place.viewpoint, rng)
    place = cluttered(place, viewpoint, rng)
    full_bleed = rng.random() < 0.12
    content = (width, height if full_bleed else min(height, round(width * 9 / 16)))
    scale = 2 if rng.random() < 0.12 else 1  # some are drawn large and scaled down, like a stream
    view = View(place, viewpoint, light, (content[0] * scale, content[1] * scale), block)
    return place, view, content


def render_sample(seed: int, size: tuple[int, int] = (640, 384)) -> Sample:
    """Draw one random labelled image of ``size`` = (width, height).

    Args:
        seed: Picks everything; see `labels` for the ranges of training and evaluation.
        size: Image size in pixels; 16:9 content is centred in it.
    """
    place, view, content = _view_of(seed // SEEDS_PER_VIEW, size)
    rng = np.random.default_rng((seed, 11))
    drawn, truth = view.render(populate(place, view.projector, rng), int(rng.integers(64)))
    scale = content[0] / drawn.shape[1]
    if scale != 1:
        drawn = np.asarray(cv2.resize(drawn, content, interpolation=cv2.INTER_AREA), np.uint8)
    drawn = through_camera(drawn, rng)
    width, height = size
    top = (height - content[1]) // 2
    image = np.full((height, width, 3), PADDING_VALUE, np.uint8)
    image[top : top + content[1]] = drawn
    boxes = truth.boxes * np.float32(scale)
    boxes[:, 1::2] += top
    return Sample(image, boxes, truth.class_ids, truth.ignore)


def render_samples(seeds: Iterable[int], size: tuple[int, int] = (640, 384)) -> Iterator[Sample]:
    """Draw the samples of many seeds, in their order."""
    for seed in seeds:
        yield render_sample(seed, size)
