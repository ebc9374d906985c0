"""A drawn place as its camera shows it: small images of brightness, who is there, and what lies.

Weather and lights that a place is not drawn with are laid over its images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters import Luma
from models.detections import Box
from simulation.scenes import LABELS, Scene, Truth

LUMA_SIZE: Final = (320, 180)
DRAWN_PX: Final = (640, 360)
FPS: Final = 2.0
LEAST_VISIBLE: Final = 0.25
MISSED: Final = 0.1
"""Share of the persons and vehicles that the model does not see in an image."""

NOISE: Final = 1.5
"""Standard deviation of the camera's noise, levels."""

LITTER: Final = ("bag", "bottle", "bin_bag")
ROAD_USERS: Final = [number for number, label in enumerate(LABELS) if label not in LITTER]

Levels = npt.NDArray[np.float32]
PlaceCondition = Callable[[Levels, float], Levels]
"""What is done to the levels (H, W) of the image of a moment, seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaceFrame:
    """What a place shows at a moment.

    Attributes:
        at_s: Seconds from the start.
        luma: (180, 320) uint8, without weather and noise.
        covers: Boxes of the persons and vehicles that are seen, normalised.
    """

    at_s: float
    luma: Luma
    covers: Sequence[Box]


def drawn(scene: Scene, seed: int, seconds: float) -> list[PlaceFrame]:
    """The start of a scene, `FPS` images per second; `seed` says what the model misses."""
    view = scene.view(DRAWN_PX)
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(round(seconds * FPS)):
        at_s = number / FPS
        image, truth = view.render(scene.states_at(at_s), round(at_s * scene.fps))
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        luma = cv2.resize(grey, LUMA_SIZE, interpolation=cv2.INTER_AREA)
        seen = np.isin(truth.class_ids, ROAD_USERS) & (truth.visible >= LEAST_VISIBLE)
        seen &= rng.random(len(seen)) >= MISSED
        frames.append(PlaceFrame(at_s, np.asarray(luma, np.uint8), boxes_of(truth, seen)))
    return frames


def boxes_of(truth: Truth, which: npt.NDArray[np.bool_]) -> list[Box]:
    """Some of the boxes, normalised."""
    return [Box(*map(float, row)) for row in truth.boxes[which] / (2 * DRAWN_PX)]


def shown(frames: Sequence[PlaceFrame], condition: PlaceCondition, seed: int) -> Iterator[Luma]:
    """The images of the place under a condition, with noise."""
    grain = np.random.default_rng(seed).normal(0, NOISE, (17, *LUMA_SIZE[::-1]))
    for number, frame in enumerate(frames):
        levels = condition(frame.luma.astype(np.float32), frame.at_s)
        yield np.clip(levels + grain[number % len(grain)], 0, 255).astype(np.uint8)


def plain(levels: Levels, _at_s: float) -> Levels:
    """Nothing besides noise."""
    return levels


def clouds(levels: Levels, at_s: float) -> Levels:
    """The light of the sky falls to 60 % and comes back, within a minute."""
    return levels * np.float32(0.8 + 0.2 * math.cos(2 * math.pi * at_s / 57))


def cloud_shadow(levels: Levels, at_s: float) -> Levels:
    """A shadow with soft edges, a third of the image wide, crosses it, waits, and goes on."""
    middle = np.interp(at_s % 90, (0, 25, 60, 85), (-0.3, 0.5, 0.5, 1.3))
    across = np.linspace(0, 1, levels.shape[1], dtype=np.float32)[None, :]
    edge = np.clip((np.abs(across - middle) - 0.15) / 0.06, 0, 1)
    return np.asarray(levels * (0.6 + 0.4 * edge), np.float32)


def lamps(levels: Levels, at_s: float) -> Levels:
    """All light is switched to 60 % and back, twice a minute."""
    return levels * np.float32(1.0 if int(at_s / 30) % 2 == 0 else 0.6)


def one_lamp(levels: Levels, at_s: float) -> Levels:
    """One lamp lights a round part of the ground, and is switched off, twice a minute."""
    if int(at_s / 30) % 2 == 0:
        return levels
    rows, columns = np.mgrid[0 : levels.shape[0], 0 : levels.shape[1]]
    away = np.hypot((columns - 210) / 55, (rows - 120) / 32)
    return np.asarray(levels * (1 + 0.6 * np.clip(1.2 - away, 0, 1)), np.float32)


def shaking(levels: Levels, at_s: float) -> Levels:
    """The mast sways by up to 2 pixels."""
    sway = np.array(
        [[1, 0, 2 * math.sin(2.6 * at_s)], [0, 1, 1.2 * math.cos(3.8 * at_s)]], np.float32
    )
    return np.asarray(
        cv2.warpAffine(levels, sway, LUMA_SIZE, borderMode=cv2.BORDER_REFLECT), np.float32
    )


CONDITIONS: Final[Mapping[str, tuple[str, PlaceCondition]]] = {
    "plain": ("day", plain),
    "clouds": ("day", clouds),
    "cloud shadow": ("day", cloud_shadow),
    "all lights switched": ("day", lamps),
    "one lamp switched": ("day", one_lamp),
    "shaking camera": ("day", shaking),
    "rain": ("rain", plain),
    "dusk": ("dusk", plain),
    "night": ("night", plain),
}
"""By name: the light that a place is drawn in, and what is laid over its images."""
