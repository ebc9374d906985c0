"""What lies over a whole image: clouds, switched lights, glare, and a camera that shakes.

Every disturbance is a pure function of the time, so that a clip is the same every time it is drawn.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from simulation.drawing.solid import Canvas

SWAY: Final = 0.01
"""How far a shaking camera moves to each side, as a share of the image's width."""

_DIMMED: Final = 0.6
_SWITCHED_EVERY_S: Final = 30.0


def _still(_at_s: float) -> tuple[float, float]:
    return 0.0, 0.0


def _unchanged(image: Canvas, _at_s: float) -> Canvas:
    return image


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Light that changes, or a mast that sways.

    Attributes:
        light: Takes (H, W, 3) uint8 RGB and seconds, and gives the image under another light.
        sway: How far everything is moved at a time, x and y in shares of width and height.
    """

    light: Callable[[Canvas, float], Canvas] = _unchanged
    sway: Callable[[float], tuple[float, float]] = _still

    def disturbed(self, image: Canvas, at_s: float) -> Canvas:
        """Return the image (H, W, 3) uint8 RGB as it is at a time."""
        height, width = image.shape[:2]
        x, y = self.sway(at_s)
        if x or y:
            shift = np.array([[1, 0, x * width], [0, 1, y * height]], np.float32)
            moved = cv2.warpAffine(image, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
            image = np.asarray(moved, np.uint8)
        return self.light(image, at_s)


def _scaled(image: Canvas, factor: float | NDArray[Any]) -> Canvas:
    return np.clip(image * np.asarray(factor, np.float32), 0, 255).astype(np.uint8)


def _clouds(image: Canvas, at_s: float) -> Canvas:
    """The light of the sky falls to 60 % and comes back, within a minute."""
    return _scaled(image, 0.8 + 0.2 * math.cos(2 * math.pi * at_s / 57))


def _cloud_shadow(image: Canvas, at_s: float) -> Canvas:
    """A shadow with soft edges, a third of the image wide, crosses it, waits, and goes on."""
    middle = np.interp(at_s % 90, (0, 25, 60, 85), (-0.3, 0.5, 0.5, 1.3))
    across = np.linspace(0, 1, image.shape[1], dtype=np.float32)[None, :, None]
    edge = np.clip((np.abs(across - middle) - 0.15) / 0.06, 0, 1)
    return _scaled(image, _DIMMED + (1 - _DIMMED) * edge)


def _lights_switched(image: Canvas, at_s: float) -> Canvas:
    """All light is switched to 60 % and back, twice a minute."""
    if int(at_s / _SWITCHED_EVERY_S) % 2 == 0:
        return image
    return _scaled(image, _DIMMED)


def _round(image: Canvas, x: float, y: float, reach: float) -> NDArray[np.float32]:
    """A soft disc (H, W, 1), 1 in its middle; place and reach in shares of the image's width."""
    height, width = image.shape[:2]
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    away = np.hypot(columns - x * width, rows - y * width) / (reach * width)
    return np.asarray(np.clip(1.2 - away, 0, 1)[:, :, None], np.float32)


def _one_lamp(image: Canvas, at_s: float) -> Canvas:
    """One lamp lights a round part of the ground, and is switched off, twice a minute."""
    if int(at_s / _SWITCHED_EVERY_S) % 2 == 0:
        return image
    return _scaled(image, 1 + 0.6 * _round(image, 0.6, 0.36, 0.16))


def _glare(image: Canvas, at_s: float) -> Canvas:
    """A low sun comes into the lens and goes: a bright disc, and a veil over everything."""
    strength = float(np.interp(at_s % 100, (0, 20, 30, 70, 80), (0, 0, 1, 1, 0)))
    if strength <= 0:
        return image
    veil = 30.0 * strength + 190.0 * strength * _round(image, 0.24, 0.1, 0.2)
    return np.clip(image * (1 - 0.25 * strength) + veil, 0, 255).astype(np.uint8)


def _shaking(at_s: float) -> tuple[float, float]:
    """Two waves that do not repeat together, as of a mast in the wind."""
    x = SWAY * (0.6 * math.sin(8.2 * at_s) + 0.4 * math.sin(13.1 * at_s + 1.0))
    y = SWAY * (0.6 * math.cos(9.7 * at_s) + 0.4 * math.sin(15.3 * at_s))
    return x, y


DISTURBANCES: Final[Mapping[str, Disturbance]] = {
    "": Disturbance(),
    "clouds": Disturbance(_clouds),
    "cloud shadow": Disturbance(_cloud_shadow),
    "lights switched": Disturbance(_lights_switched),
    "one lamp switched": Disturbance(_one_lamp),
    "glare": Disturbance(_glare),
    "shaking camera": Disturbance(sway=_shaking),
}
"""By name; the empty name is that of no disturbance."""
