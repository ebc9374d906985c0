"""What a place is made of: ground patches, furniture, buildings, lanes, and where people go."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulation.drawing.props import Prop
from simulation.drawing.solid import Colour, Floats
from simulation.drawing.viewpoint import Viewpoint

Area = tuple[float, float, float, float]  # x0, x1, y0, y1 in metres
Span = tuple[float, float]
Shade = Callable[[], Colour]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A flat ground polygon (K, 2) in metres; ``rough`` is how grainy it looks, 0..1."""

    polygon: Floats
    colour: Colour
    rough: float


@dataclass(frozen=True, slots=True)
class Lane:
    """A straight driving lane from start to end, in metres; traffic runs in this direction."""

    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def length_m(self) -> float:
        """Length of the lane."""
        return math.dist(self.start, self.end)

    @property
    def heading_rad(self) -> float:
        """Driving direction."""
        return math.atan2(self.end[1] - self.start[1], self.end[0] - self.start[0])

    def at(self, along_m: float, aside_m: float = 0.0) -> tuple[float, float]:
        """Return the point ``along_m`` from the start, ``aside_m`` to the left."""
        turn = self.heading_rad
        return (
            self.start[0] + along_m * math.cos(turn) - aside_m * math.sin(turn),
            self.start[1] + along_m * math.sin(turn) + aside_m * math.cos(turn),
        )


@dataclass(frozen=True, slots=True)
class House:
    """A building: middle of its front in metres, where the front looks, its size and looks."""

    x_m: float
    y_m: float
    facing_rad: float
    width_m: float
    height_m: float
    look: int


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPlace:
    """A kind of place as seen by its camera.

    Attributes:
        name: ``crossroad``, ``arterial``, ``square`` or ``park``.
        viewpoint: The usual camera.
        ground: Colour and roughness of everything no patch covers.
        patches: Ground polygons in painting order.
        props: Furniture and plants.
        houses: Buildings around.
        lanes: Driving lanes, empty where nobody drives.
        walks: Areas where people walk and stand.
        near: The area close to the camera where small things are still seen.
    """

    name: str
    viewpoint: Viewpoint
    ground: tuple[Colour, float]
    patches: tuple[Patch, ...]
    props: tuple[Prop, ...]
    houses: tuple[House, ...]
    lanes: tuple[Lane, ...]
    walks: tuple[Area, ...]
    near: Area


def rectangle(x0: float, x1: float, y0: float, y1: float, colour: Colour, rough: float) -> Patch:
    """Return an axis-aligned patch."""
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)
    return Patch(corners, colour, rough)


def line(
    a: tuple[float, float],
    b: tuple[float, float],
    width_m: float,
    colour: Colour,
    rough: float = 0.25,
) -> Patch:
    """Return a painted stripe from a to b."""
    start, end = np.array(a, np.float32), np.array(b, np.float32)
    along = end - start
    ahead = along / (np.linalg.norm(along) + 1e-9)
    side = np.array([-ahead[1], ahead[0]], np.float32) * width_m / 2
    return Patch(np.stack([start - side, end - side, end + side, start + side]), colour, rough)


def dashes(
    a: tuple[float, float],
    b: tuple[float, float],
    width_m: float,
    colour: Colour,
    on_m: float = 3.0,
    off_m: float = 4.5,
) -> list[Patch]:
    """Return a broken line from a to b."""
    length = math.dist(a, b)
    ahead = ((b[0] - a[0]) / length, (b[1] - a[1]) / length)
    out, here = [], 0.0
    while here < length:
        start, end = (
            (a[0] + ahead[0] * along, a[1] + ahead[1] * along)
            for along in (here, min(here + on_m, length))
        )
        out.append(line(start, end, width_m, colour))
        here += on_m + off_m
    return out


def blob(
    x_m: float, y_m: float, size_m: float, colour: Colour, rough: float, rng: np.random.Generator
) -> Patch:
    """Return an irregular round patch: a puddle, a stain, a patch of leaves, a lid."""
    turns = np.linspace(0, 2 * math.pi, 10, endpoint=False)
    reach = size_m * rng.uniform(0.75, 1.15, 10)
    ring = np.stack([x_m + reach * np.cos(turns), y_m + 0.8 * reach * np.sin(turns)], axis=1)
    return Patch(ring.astype(np.float32), colour, rough)


def scattered(
    rng: np.random.Generator, count: int, x: Span, y: Span, size_m: Span, rough: float, shade: Shade
) -> list[Patch]:
    """Return blobs at random places and of random sizes; ``shade`` gives the colour of each."""
    out = []
    for _ in range(count):
        colour = shade()
        x_m, y_m, wide = (float(rng.uniform(*span)) for span in (x, y, size_m))
        out.append(blob(x_m, y_m, wide, colour, rough, rng))
    return out


def shades(rng: np.random.Generator, colour: Colour, span: Span) -> Shade:
    """Return a source of a colour at random brightness; ``span`` is a range of factors."""

    def shade() -> Colour:
        tone = float(rng.uniform(*span))
        return (colour[0] * tone, colour[1] * tone, colour[2] * tone)

    return shade


def any_look(rng: np.random.Generator) -> int:
    """Return random looks for a prop or a house."""
    return int(rng.integers(1 << 16))
