"""Light and weather: how bright things are, what the haze hides, where the lamps shine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from simulation.drawing.solid import Colour, Floats

LAMP_REACH_M = 6.5


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one scene.

    Attributes:
        name: ``day``, ``dusk``, ``night`` or ``rain``.
        ambient: RGB factor on every surface.
        sun: RGB factor added on surfaces that face the sun.
        sun_direction: Unit vector towards the sun.
        shadow: Darkness of cast shadows, 0..1.
        haze: RGB 0..255 that distance fades into.
        haze_per_m: Fading rate.
        sky_top: RGB 0..255 at the top of the sky.
        lamp: RGB factor under a street lamp; black when lamps are off.
        wet: Rain falls and the ground shines.
    """

    name: str
    ambient: Colour
    sun: Colour
    sun_direction: Colour
    shadow: float
    haze: Colour
    haze_per_m: float
    sky_top: Colour
    lamp: Colour
    wet: bool

    @property
    def lamps_on(self) -> bool:
        """Whether street lamps and head lamps are lit."""
        return max(self.lamp) > 0

    def level_at(
        self, x_m: ArrayLike, y_m: ArrayLike, lamps: Sequence[tuple[float, float]]
    ) -> Floats:
        """Return the RGB factor (..., 3) that lamps add at ground positions."""
        x, y = np.asarray(x_m, np.float32), np.asarray(y_m, np.float32)
        pool = np.zeros(np.broadcast(x, y).shape, np.float32)
        if self.lamps_on:
            for lamp_x, lamp_y in lamps:
                away = ((x - lamp_x) ** 2 + (y - lamp_y) ** 2) / LAMP_REACH_M**2
                pool += 1.0 / (1.0 + away) ** 2
        return np.asarray(np.minimum(pool, 1.3)[..., None] * np.array(self.lamp, np.float32))


def _sun(azimuth_rad: float, height_rad: float) -> Colour:
    flat = math.cos(height_rad)
    return (flat * math.cos(azimuth_rad), flat * math.sin(azimuth_rad), math.sin(height_rad))


_OFF: Colour = (0.0, 0.0, 0.0)
LIGHTS: dict[str, Light] = {
    "day": Light(
        "day",
        (0.66, 0.68, 0.72),
        (0.5, 0.47, 0.42),
        _sun(-0.9, 0.85),
        0.42,
        (204, 214, 224),
        0.0022,
        (112, 160, 216),
        _OFF,
        wet=False,
    ),
    "dusk": Light(
        "dusk",
        (0.5, 0.46, 0.5),
        (0.46, 0.32, 0.18),
        _sun(2.6, 0.42),
        0.34,
        (214, 170, 140),
        0.003,
        (92, 100, 150),
        (0.34, 0.27, 0.16),
        wet=False,
    ),
    "night": Light(
        "night",
        (0.16, 0.17, 0.23),
        _OFF,
        _sun(0.0, 1.2),
        0.16,
        (24, 26, 38),
        0.004,
        (10, 12, 24),
        (0.74, 0.6, 0.4),
        wet=False,
    ),
    "rain": Light(
        "rain",
        (0.6, 0.63, 0.67),
        (0.06, 0.06, 0.06),
        _sun(0.3, 1.2),
        0.22,
        (158, 166, 174),
        0.011,
        (136, 144, 154),
        _OFF,
        wet=True,
    ),
}


def varied(light: Light, rng: np.random.Generator) -> Light:
    """Return the light with another sun, brightness and haze: no two days are alike."""
    gain = float(rng.uniform(0.8, 1.22))

    def scaled(colour: Colour) -> Colour:
        tint = rng.uniform(0.95, 1.05, 3) * gain
        return (colour[0] * float(tint[0]), colour[1] * float(tint[1]), colour[2] * float(tint[2]))

    overcast = light.name == "day" and rng.random() < 0.3
    if light.name == "rain" and rng.random() < 0.3:  # a rainy night
        return replace(
            light,
            ambient=scaled((0.2, 0.21, 0.26)),
            haze=(44, 48, 58),
            sky_top=(22, 24, 34),
            lamp=(0.6, 0.5, 0.36),
            haze_per_m=float(rng.uniform(0.006, 0.014)),
        )
    return replace(
        light,
        ambient=scaled(light.ambient),
        sun=_OFF if overcast else scaled(light.sun),
        sun_direction=_sun(float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0.45, 1.25))),
        shadow=0.15 if overcast else light.shadow * float(rng.uniform(0.7, 1.2)),
        haze_per_m=light.haze_per_m * float(rng.uniform(0.5, 1.8)),
        sky_top=(196, 200, 206) if overcast else light.sky_top,
    )
