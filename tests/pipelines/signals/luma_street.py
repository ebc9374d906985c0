"""A street of brightness alone: ground with texture, things, people, weather and bad cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters import Luma
from models.detections import Box

WIDTH, HEIGHT = 320, 180
Values = npt.NDArray[np.floating[Any]]
Effect = Callable[[Values, float], Values]
"""What is done to the image of a moment, seconds."""


@cache
def place(seed: int = 1) -> Values:
    """A wide place (HEIGHT + 80, WIDTH + 160) with walls, a pavement and posts."""
    rng = np.random.default_rng(seed)
    height, width = HEIGHT + 80, WIDTH + 160
    grain = cv2.GaussianBlur(rng.normal(0, 14, (height, width)).astype(np.float32), (0, 0), 1.2)
    image = np.full((height, width), 120, np.float32) + 3 * grain
    for _ in range(70):
        x, y = rng.integers(0, width - 40), rng.integers(0, height - 30)
        w, h = rng.integers(6, 40), rng.integers(6, 30)
        image[y : y + h, x : x + w] += rng.uniform(-45, 45)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.7), 25, 225).astype(np.float32)


@cache
def noise_fields() -> Values:
    """Some images of noise with standard deviation 1; no two that follow each other are alike."""
    return np.random.default_rng(11).normal(0, 1, (13, HEIGHT, WIDTH)).astype(np.float32)


def bag(level: float = 40.0, box: tuple[int, int, int, int] = (150, 120, 18, 16)) -> Effect:
    """A bag with folds at left, top, width, height."""
    left, top, width, height = box
    rows, columns = np.mgrid[0:height, 0:width]
    folds = level + 14 * np.sin(columns / 2.0) + 10 * np.cos(rows / 3.0)

    def put(image: Values, _at_s: float) -> Values:
        image[top : top + height, left : left + width] = folds
        return image

    return put


def shadow(share: float = 0.6, box: tuple[int, int, int, int] = (60, 90, 60, 30)) -> Effect:
    left, top, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[top : top + height, left : left + width] = 1
    soft = cv2.GaussianBlur(mask, (0, 0), 1.0)
    return lambda image, _: image * (1 - (1 - share) * soft)


def light(gain: float) -> Effect:
    return lambda image, _: image * gain


def rain(seed: int = 5) -> Effect:
    rng = np.random.default_rng(seed)

    def fall(image: Values, _at_s: float) -> Values:
        for _ in range(120):
            x, y = rng.integers(2, WIDTH - 2), rng.integers(0, HEIGHT - 14)
            cv2.line(image, (int(x), int(y)), (int(x) - 1, int(y) + 12), 190.0, 1)
        return image

    return fall


def during(effect: Effect, begin_s: float, end_s: float = 1e9) -> Effect:
    return lambda image, at_s: effect(image, at_s) if begin_s <= at_s < end_s else image


@dataclass
class Street:
    """A camera over a street.

    Attributes:
        effects: What happens in it, in order.
        shift: Where the camera points at a moment, pixels right and down.
        noise: Standard deviation of its noise, levels.
    """

    effects: Sequence[Effect] = ()
    shift: Callable[[float], tuple[float, float]] = lambda _: (0.0, 0.0)
    noise: float = 1.5
    seed: int = 1
    walkers: Sequence[tuple[float, float]] = ()
    _ground: Values = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._ground = place(self.seed)

    def covers(self, at_s: float) -> list[Box]:
        """People who cross the street; each needs twenty seconds from its begin."""
        boxes = []
        for begin_s, foot in self.walkers:
            x = (at_s - begin_s) / 20
            if 0 <= x < 1:
                boxes.append(Box(x - 0.03, foot - 0.3, x + 0.03, foot))
        return boxes

    def frames(self, seconds: float, every_s: float) -> Iterator[tuple[float, Luma, list[Box]]]:
        grain = noise_fields() * np.float32(self.noise)
        for number in range(round(seconds / every_s)):
            at_s = number * every_s
            seen = np.s_[40 : 40 + HEIGHT, 80 : 80 + WIDTH]
            image = self._ground[seen].copy()
            covers = self.covers(at_s)
            for box in covers:
                x1, x2 = max(0, int(box.x1 * WIDTH)), int(box.x2 * WIDTH)
                image[int(box.y1 * HEIGHT) : int(box.y2 * HEIGHT), x1:x2] = 60 + 20 * (at_s % 2)
            for effect in self.effects:
                image = effect(image, at_s)
            right, down = self.shift(at_s)
            if (right, down) != (0, 0):
                wide = self._ground.copy()
                wide[seen] = image
                aim = np.array([[1, 0, -80 - right], [0, 1, -40 - down]], np.float32)
                image = cv2.warpAffine(wide, aim, (WIDTH, HEIGHT)).astype(np.float32)
            image = image + grain[number % len(grain)]
            yield at_s, np.clip(image, 0, 255).astype(np.uint8), covers
