"""Solids: small bundles of coloured faces and rounded limbs that objects and props are built of.

A solid is drawn without a depth buffer: faces that look away are dropped, groups are painted from
far to near by their anchor, and inside a group by layer. That is exact for what is used here
(convex parts stacked upwards and seen from above) and costs a few microseconds per face.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
Canvas = NDArray[np.uint8]
Point = tuple[float, float, float]
Rect = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """An object in its own frame: metres, x forward, y left, z up, origin on the ground.

    Attributes:
        quads: (Q, 4, 3) corners, counter-clockwise seen from outside.
        quad_colours: (Q, 3) RGB 0..255.
        quad_anchors: (Q, 3) the point that orders the face's group.
        quad_layers: (Q,) painting order inside a group.
        quad_glows: (Q,) bool, painted unshaded (lamps, lit windows).
        limbs: (C, 2, 3) ends of rounded limbs.
        limb_radii: (C, 2) radius at both ends, metres.
        limb_colours: (C, 3) RGB 0..255.
        limb_anchors: (C, 3).
        limb_layers: (C,).
        lamps: (L, 3) positions of lamps.
        lamp_facings: (L,) +1 shines forward, -1 backward.
        lamp_colours: (L, 3) RGB 0..255.
        half_length_m: Half of the footprint along x.
        half_width_m: Half of the footprint along y.
    """

    quads: Floats
    quad_colours: Floats
    quad_anchors: Floats
    quad_layers: Floats
    quad_glows: NDArray[np.bool_]
    limbs: Floats
    limb_radii: Floats
    limb_colours: Floats
    limb_anchors: Floats
    limb_layers: Floats
    lamps: Floats
    lamp_facings: Floats
    lamp_colours: Floats
    half_length_m: float
    half_width_m: float


def palette(colours: str) -> tuple[Colour, ...]:
    """Return the colours of a text of RRGGBB in hexadecimal, RGB 0..255 each."""
    return tuple((c[0], c[1], c[2]) for c in map(bytes.fromhex, colours.split()))


def patch(face: ArrayLike, left: float, right: float, low: float, high: float) -> Floats:
    """Return the part of a face (4, 3) between shares of its width and height."""
    corners = np.asarray(face, np.float32)
    bottom = corners[1] - corners[0]
    top = corners[2] - corners[3]

    def at(share_x: float, share_y: float) -> Floats:
        below, above = corners[0] + bottom * share_x, corners[3] + top * share_x
        return np.asarray(below + (above - below) * share_y, np.float32)

    return np.stack([at(left, low), at(right, low), at(right, high), at(left, high)])


class SolidBuilder:
    """Collects faces, limbs and lamps; ``build`` turns them into a `Solid`."""

    def __init__(self, anchor: Point = (0.0, 0.0, 0.5)) -> None:
        """Start empty; ``anchor`` orders every face that names no other."""
        self.anchor = anchor
        self._quads: list[tuple[Floats, Colour, Point, float, bool]] = []
        self._limbs: list[tuple[Point, Point, float, float, Colour, Point, float]] = []
        self._lamps: list[tuple[Point, float, Colour]] = []

    def quad(
        self,
        corners: ArrayLike,
        colour: Colour,
        layer: float = 0.0,
        *,
        anchor: Point | None = None,
        glow: bool = False,
        both_sides: bool = False,
    ) -> None:
        """Add one face; ``both_sides`` keeps it visible from behind."""
        face = np.asarray(corners, np.float32)
        self._quads.append((face, colour, anchor or self.anchor, layer, glow))
        if both_sides:
            self._quads.append((face[::-1], colour, anchor or self.anchor, layer, glow))

    def frustum(
        self,
        bottom: Rect,
        z0: float,
        top: Rect,
        z1: float,
        colour: Colour,
        layer: float = 0.0,
        *,
        anchor: Point | None = None,
        lid: Colour | None = None,
    ) -> dict[str, Floats]:
        """Add a tapered box without floor over (x0, x1, y0, y1); return its faces by name."""
        x0, x1, y0, y1 = bottom
        b = [(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)]
        x0, x1, y0, y1 = top
        t = [(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)]
        faces = {
            "front": np.array([b[1], b[2], t[2], t[1]], np.float32),
            "left": np.array([b[2], b[3], t[3], t[2]], np.float32),
            "rear": np.array([b[3], b[0], t[0], t[3]], np.float32),
            "right": np.array([b[0], b[1], t[1], t[0]], np.float32),
            "top": np.array(t, np.float32),
        }
        for name, face in faces.items():
            shade = lid if lid is not None and name == "top" else colour
            self.quad(face, shade, layer, anchor=anchor)
        return faces

    def box(
        self,
        rect: Rect,
        z0: float,
        z1: float,
        colour: Colour,
        layer: float = 0.0,
        *,
        anchor: Point | None = None,
        lid: Colour | None = None,
    ) -> dict[str, Floats]:
        """Add an upright box over the rectangle (x0, x1, y0, y1)."""
        return self.frustum(rect, z0, rect, z1, colour, layer, anchor=anchor, lid=lid)

    def limb(
        self,
        start: Point,
        end: Point,
        start_radius_m: float,
        end_radius_m: float,
        colour: Colour,
        layer: float = 0.0,
        *,
        anchor: Point | None = None,
    ) -> None:
        """Add a rounded limb; equal ends make a ball. Ordered by its middle unless anchored."""
        middle = tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
        place = anchor or (middle[0], middle[1], middle[2])
        self._limbs.append((start, end, start_radius_m, end_radius_m, colour, place, layer))

    def ball(
        self,
        centre: Point,
        radius_m: float,
        colour: Colour,
        layer: float = 0.0,
        *,
        anchor: Point | None = None,
    ) -> None:
        """Add a ball."""
        self.limb(centre, centre, radius_m, radius_m, colour, layer, anchor=anchor)

    def disc(
        self,
        centre: Point,
        radius_m: float,
        colour: Colour,
        layer: float,
        *,
        left: bool,
        anchor: Point | None = None,
    ) -> None:
        """Add an upright octagon that looks to the left or right side: a wheel."""
        (x, y, z), out = centre, radius_m if left else -radius_m
        turns = [math.radians(22.5 + 45 * k) for k in range(8)]
        ring = [(x - out * math.cos(t), y, z + radius_m * math.sin(t)) for t in turns]
        for pick in ((0, 1, 2, 3), (3, 4, 7, 0), (4, 5, 6, 7)):
            self.quad([ring[k] for k in pick], colour, layer, anchor=anchor)

    def lamp(self, point: Point, facing: float, colour: Colour) -> None:
        """Add a lamp that shines forward (+1) or backward (-1) when lamps are on."""
        self._lamps.append((point, facing, colour))

    def chain(self, points: Sequence[Point], radii: Sequence[float], colour: Colour) -> None:
        """Add a chain of limbs through ``points``."""
        for k in range(len(points) - 1):
            self.limb(points[k], points[k + 1], radii[k], radii[k + 1], colour)

    def highest(self) -> Point:
        """Return the highest limb end collected so far: the head of a rider."""
        return max((limb[0] for limb in self._limbs), key=lambda point: point[2])

    def build(self, half_length_m: float, half_width_m: float) -> Solid:
        """Freeze what was collected, with the footprint used for painting order and shadows."""
        quads, limbs, lamps = self._quads, self._limbs, self._lamps

        def table(rows: list[ArrayLike], *shape: int) -> Floats:
            return np.array(rows, np.float32).reshape(-1, *shape)

        return Solid(
            quads=table([q[0] for q in quads], 4, 3),
            quad_colours=table([q[1] for q in quads], 3),
            quad_anchors=table([q[2] for q in quads], 3),
            quad_layers=table([q[3] for q in quads]),
            quad_glows=np.array([q[4] for q in quads], np.bool_),
            limbs=table([(m[0], m[1]) for m in limbs], 2, 3),
            limb_radii=table([(m[2], m[3]) for m in limbs], 2),
            limb_colours=table([m[4] for m in limbs], 3),
            limb_anchors=table([m[5] for m in limbs], 3),
            limb_layers=table([m[6] for m in limbs]),
            lamps=table([m[0] for m in lamps], 3),
            lamp_facings=table([m[1] for m in lamps]),
            lamp_colours=table([m[2] for m in lamps], 3),
            half_length_m=half_length_m,
            half_width_m=half_width_m,
        )
