"""One rendered camera: objects in, image and ground truth out.

The same objects always give the same pixels. Ground truth comes from the outlines that were
painted, so a box fits what is seen to the pixel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simulation.drawing.backdrop import Backdrop, Sprite, build_backdrop
from simulation.drawing.cycles import bicycle, motorcycle
from simulation.drawing.light import Light
from simulation.drawing.litter import bag, bin_bag, bottle
from simulation.drawing.painter import SHIFT, Assembly, Drawing, PlacedSolid, paint, painting_order
from simulation.drawing.people import STRIDE_STEPS, person
from simulation.drawing.place import DrawnPlace
from simulation.drawing.shadow import fill_shadows
from simulation.drawing.solid import Canvas, Floats, Solid
from simulation.drawing.vehicles import bus, car, truck
from simulation.drawing.viewpoint import Projector, Viewpoint
from simulation.drawing.weather import add_beams, add_glow, add_rain
from simulation.labels import CLASS_ID

MIN_VISIBLE = 0.35
# Smallest box that counts, for an image 640 pixels wide.
MIN_HEIGHT_PX = 8.0
MIN_WIDTH_PX = 4.0


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One object at one moment.

    Attributes:
        key: Identity, stable over a scene.
        label: One of `LABELS`.
        look: Picks shape, size and colours.
        x_m: Position in metres.
        y_m: Position in metres.
        heading_rad: Direction it faces, counter-clockwise from +x.
        z_m: Height of its foot above the ground; a carried bag hangs in the air.
        gesture: ``walk``, ``stand`` or ``bend`` for people; ``ride`` or ``parked`` for cycles.
        step: Twelfths of a stride or pedal turn.
    """

    key: int
    label: str
    look: int
    x_m: float
    y_m: float
    heading_rad: float
    z_m: float = 0.0
    gesture: str = "stand"
    step: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is really in one image, in image pixels.

    Attributes:
        boxes: (N, 4) float32 x1 y1 x2 y2, clipped to the image.
        class_ids: (N,) int64, index into `LABELS`.
        ignore: (N,) bool, too small or too hidden to be asked for.
        visible: (N,) float32, share of the silhouette that is in the image and not covered.
        keys: (N,) int64, the objects' identities.
    """

    boxes: Floats
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    visible: Floats
    keys: NDArray[np.int64]


_STILL: dict[str, Callable[[int], Solid]] = {
    "car": car,
    "bus": bus,
    "truck": truck,
    "bag": bag,
    "bottle": bottle,
    "bin_bag": bin_bag,
}


def solid_of(state: ObjectState) -> Solid:
    """Return the solid that draws an object.

    Raises:
        KeyError: The label is not one of `LABELS`.
    """
    ridden = state.gesture == "ride"
    match state.label:
        case "person":
            step = state.step % STRIDE_STEPS if state.gesture == "walk" else 0
            return person(state.look, state.gesture, step)
        case "motorcycle":
            return motorcycle(state.look, ridden)
        case "bicycle":
            return bicycle(state.look, ridden, state.step % STRIDE_STEPS if ridden else 0)
    return _STILL[state.label](state.look)


def _placements(states: Sequence[ObjectState]) -> list[PlacedSolid]:
    return [PlacedSolid(solid_of(s), s.x_m, s.y_m, s.z_m, s.heading_rad) for s in states]


class View:
    """A camera that draws the moving part of a scene over its backdrop."""

    def __init__(
        self,
        place: DrawnPlace,
        viewpoint: Viewpoint,
        light: Light,
        size_px: tuple[int, int],
        seed: int = 0,
    ) -> None:
        """Draw the backdrop for images of ``size_px`` = (width, height)."""
        self.projector = Projector(viewpoint, size_px)
        self.light = light
        self.backdrop: Backdrop = build_backdrop(place, self.projector, light, seed)

    def render(self, states: Sequence[ObjectState], frame: int = 0) -> tuple[Canvas, Truth]:
        """Draw the objects; ``frame`` moves the rain. Return (H, W, 3) uint8 RGB and the truth."""
        image = self.backdrop.image.copy()
        placements = _placements(states)
        if self.light.shadow > 0.01:
            mask = np.zeros(image.shape[:2], np.uint8)
            fill_shadows(mask, placements, self.projector, self.light)
            cv2.copyTo(self.backdrop.shaded, mask, image)
        add_beams(image, placements, self.projector, self.light)
        drawing = self._drawing(placements)
        ids = np.zeros(image.shape[:2], np.int16)
        areas = self._paint(image, ids, placements, drawing)
        add_glow(image, placements, self.projector, self.light, self.backdrop.lamp_heads)
        if self.light.wet:
            add_rain(image, frame)
        return image, self._truth(states, drawing, ids, areas)

    def truth(self, states: Sequence[ObjectState]) -> Truth:
        """Return the truth that `render` gives, without drawing the image, in half the time."""
        placements = _placements(states)
        drawing = self._drawing(placements)
        ids = np.zeros(self.backdrop.image.shape[:2], np.int16)
        return self._truth(states, drawing, ids, self._paint(None, ids, placements, drawing))

    def _drawing(self, placements: Sequence[PlacedSolid]) -> Drawing:
        at = np.array([(p.x_m, p.y_m) for p in placements], np.float32).reshape(-1, 2)
        levels = self.light.level_at(at[:, 0], at[:, 1], self.backdrop.lamps)
        return Assembly(placements, self.projector, self.light, levels).drawing()

    def _paint(
        self,
        image: Canvas | None,
        ids: NDArray[np.int16],
        placements: Sequence[PlacedSolid],
        drawing: Drawing,
    ) -> Floats:
        """Paint objects and the furniture before them; return the full silhouette areas."""
        areas = np.zeros(len(placements), np.float32)
        sprites = list(self.backdrop.sprites)
        eye = self.projector.eye
        reaches = [float(np.hypot(p.x_m - eye[0], p.y_m - eye[1])) for p in placements]
        painted: list[Floats] = []
        for owner in painting_order(placements, eye):
            while sprites and sprites[0].reach_m > reaches[owner]:
                self._lay_over(image, ids, sprites.pop(0), painted)
            first, last = np.searchsorted(drawing.owners, (owner, owner + 1))
            if first == last:
                continue  # behind the camera, or a speck
            if image is not None:
                paint(image, drawing, owner)
            hull = cv2.convexHull(np.concatenate(drawing.polygons[first:last]))
            areas[owner] = cv2.contourArea(hull) / float(1 << (2 * SHIFT))
            cv2.fillConvexPoly(ids, hull, owner + 1, cv2.LINE_8, SHIFT)
            painted.append(drawing.boxes[owner])
        for sprite in sprites:
            self._lay_over(image, ids, sprite, painted)
        return areas

    @staticmethod
    def _lay_over(
        image: Canvas | None, ids: NDArray[np.int16], sprite: Sprite, painted: list[Floats]
    ) -> None:
        height, width = sprite.mask.shape
        left, top = sprite.left_px, sprite.top_px
        right, bottom = left + width, top + height
        for x1, y1, x2, y2 in painted:
            if x1 < right and x2 > left and y1 < bottom and y2 > top:
                window = np.s_[top:bottom, left:right]
                if image is not None:
                    cv2.copyTo(sprite.patch, sprite.mask, image[window])
                ids[window][sprite.mask > 0] = 0
                return

    def _truth(
        self, states: Sequence[ObjectState], drawing: Drawing, ids: NDArray[np.int16], areas: Floats
    ) -> Truth:
        width, height = self.projector.size_px
        scale = width / 640.0
        rows: list[tuple[list[float], int, bool, float, int]] = []
        for owner, state in enumerate(states):
            x1, y1, x2, y2 = map(float, drawing.boxes[owner])
            if not (x1 < width and x2 > 0 and y1 < height and y2 > 0):
                continue  # also drops NaN: behind the camera
            box = [max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)]
            window = ids[int(box[1]) : int(box[3]) + 1, int(box[0]) : int(box[2]) + 1]
            seen = float(np.count_nonzero(window == owner + 1))
            visible = min(seen / max(float(areas[owner]), 1.0), 1.0)
            small = (
                box[3] - box[1] < MIN_HEIGHT_PX * scale or box[2] - box[0] < MIN_WIDTH_PX * scale
            )
            rows.append(
                (box, CLASS_ID[state.label], small or visible < MIN_VISIBLE, visible, state.key)
            )
        return Truth(
            np.array([r[0] for r in rows], np.float32).reshape(-1, 4),
            np.array([r[1] for r in rows], np.int64),
            np.array([r[2] for r in rows], np.bool_),
            np.array([r[3] for r in rows], np.float32),
            np.array([r[4] for r in rows], np.int64),
        )
