"""Scripted scenes: a place, a light, actors on schedules, and what really goes on among them.

A scene is a pure function of time and repeats after ``duration_s`` without a jump.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from simulation.drawing.disturbance import DISTURBANCES
from simulation.drawing.light import LIGHTS
from simulation.drawing.place import DrawnPlace
from simulation.drawing.places import place_named
from simulation.drawing.view import ObjectState, Truth, View
from simulation.drawing.viewpoint import Projector, Viewpoint
from simulation.labels import SCENE_SEEDS
from simulation.scenes.motion import Actor, Thing

PlanePoint = tuple[float, float]
Polygon = tuple[PlanePoint, ...]

LOOP_S: Final = 64.0
SIZE_PX: Final = (1280, 720)

# Image points, normalised, whose ground positions calibrate a scene.
_CALIBRATION: Final = ((0.1, 0.95), (0.9, 0.95), (0.75, 0.45), (0.25, 0.45))

_LAP_KEY: Final = 100_000


@dataclass(frozen=True, slots=True)
class SceneZone:
    """A part of the image that a task watches.

    Attributes:
        name: Unique in its scene.
        task: ``traffic``, ``littering`` or ``crowding``.
        polygon: Corners x, y normalised to the image, 0..1.
        area_m2: Size of the zone on the ground.
        flow: Where traffic may go, from one normalised point to another; None when it is no lane.
    """

    name: str
    task: str
    polygon: Polygon
    area_m2: float
    flow: tuple[PlanePoint, PlanePoint] | None = None


@dataclass(frozen=True, slots=True)
class SceneIncident:
    """What should be reported: a situation that holds from start to end, in seconds of the loop.

    Attributes:
        kind: Such as ``traffic.congestion``.
        zone: Name of the zone it happens in.
        start_s: When the situation begins to hold; confirmation comes later.
        end_s: When it no longer holds.
        keys: Identities of the objects that make it.
        is_asked: Whether it must be reported; else it may be.
    """

    kind: str
    zone: str
    start_s: float
    end_s: float
    keys: tuple[int, ...]
    is_asked: bool = True


@dataclass(frozen=True, slots=True)
class RestingThing:
    """A thing that nobody holds, from start to end, in seconds of the loop.

    Attributes:
        key: Its identity.
        start_s: When it is put down; 0 for what is there from the start.
        end_s: When it is taken away; the end of the loop for what stays.
    """

    key: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class GroundPoint:
    """An image point (x, y normalised) and the ground point in metres seen there."""

    image: PlanePoint
    ground_m: PlanePoint


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A looped scene as one camera sees it.

    Attributes:
        name: Key in the registry.
        title: One line for people.
        place: Where it is.
        light: ``day``, ``dusk``, ``night`` or ``rain``.
        disturbance: What lies over the images; one of `DISTURBANCES`.
        viewpoint: The camera.
        seed: Everything random in it comes from here; one of `SCENE_SEEDS`.
        zones: Where the tasks apply.
        actors: Everything that moves or is carried.
        incidents: What they should report, and nothing else.
        duration_s: Length of the loop.
        fps: Images per second.
        size_px: Width and height of the images.
    """

    name: str
    title: str
    place: DrawnPlace
    viewpoint: Viewpoint
    seed: int
    zones: tuple[SceneZone, ...]
    actors: tuple[Actor, ...]
    light: str = "day"
    incidents: tuple[SceneIncident, ...] = ()
    duration_s: float = LOOP_S
    fps: float = 12.5
    size_px: tuple[int, int] = SIZE_PX
    disturbance: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Which tasks should watch it."""
        return tuple(sorted({zone.task for zone in self.zones}))

    @property
    def frame_count(self) -> int:
        """Number of images in one loop."""
        return round(self.duration_s * self.fps)

    @property
    def resting(self) -> tuple[RestingThing, ...]:
        """The things that lie somewhere, each as often as it does."""
        return tuple(
            RestingThing(actor.key, spell.start_s, spell.end_s)
            for actor in self.actors
            if isinstance(actor, Thing)
            for spell in actor.spells
            if spell.carrier is None
        )

    def states_at(self, time_s: float) -> list[ObjectState]:
        """Return all objects at a moment; time wraps around the loop."""
        return states_of(self.actors, time_s, self.duration_s)

    def view(self, size_px: tuple[int, int] | None = None) -> View:
        """Return the scene's camera, at its own image size or another of the same shape."""
        return View(
            self.place, self.viewpoint, LIGHTS[self.light], size_px or self.size_px, self.seed
        )

    def frames(self, view: View) -> Iterator[tuple[NDArray[np.uint8], Truth]]:
        """Draw one loop, image by image: (H, W, 3) uint8 RGB with its truth."""
        disturb = DISTURBANCES[self.disturbance].disturbed
        for index in range(self.frame_count):
            at_s = index / self.fps
            image, truth = view.render(self.states_at(at_s), index)
            yield disturb(image, at_s), self._moved(truth, view, at_s)

    def truth_at(self, view: View, at_s: float) -> Truth:
        """Return what `frames` gives beside the image of a moment, without drawing it."""
        return self._moved(view.truth(self.states_at(at_s)), view, at_s)

    def _moved(self, truth: Truth, view: View, at_s: float) -> Truth:
        """Move the boxes as the image is moved; what leaves it is cut off at its edge."""
        x, y = DISTURBANCES[self.disturbance].sway(at_s)
        if not (x or y):
            return truth
        edge = np.array(view.projector.size_px * 2, np.float32)
        boxes = np.clip(truth.boxes + np.array((x, y) * 2, np.float32) * edge, 0, edge)
        return replace(truth, boxes=boxes)

    def ground_points(self) -> tuple[GroundPoint, ...]:
        """Return four image points with their ground positions, for calibration."""
        width, height = self.size_px
        projector = Projector(self.viewpoint, self.size_px)
        ground = projector.ground_at([(x * width, y * height) for x, y in _CALIBRATION])
        return tuple(
            GroundPoint(point, (float(spot[0]), float(spot[1])))
            for point, spot in zip(_CALIBRATION, ground, strict=True)
        )


def states_of(actors: tuple[Actor, ...], time_s: float, loop_s: float) -> list[ObjectState]:
    """Return the states of the actors that live at a moment of the loop.

    Who is still there from the loop before, or already on the way for the next, has another key.
    """
    now = time_s % loop_s
    out = []
    for actor in actors:
        for lap, offset in ((0, 0), (1, _LAP_KEY), (-1, 2 * _LAP_KEY)):
            moment = now + lap * loop_s
            if actor.start_s <= moment < actor.end_s:
                state = actor.state_at(moment)
                out.append(replace(state, key=state.key + offset) if offset else state)
    return out


def normalised(projector: Projector, ground: Polygon) -> Polygon:
    """Project a ground polygon in metres into the image and cut it at the image's edge."""
    width, height = projector.size_px
    pixels = projector.clip_ground(np.array(ground, np.float32))
    if pixels is None:
        raise ValueError(f"the ground polygon {ground} lies behind the camera")
    frame = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    area, cut = cv2.intersectConvexConvex(cv2.convexHull(pixels), frame)
    if area <= 0:
        raise ValueError(f"the ground polygon {ground} lies outside the image")
    return tuple(
        (round(float(x) / width, 4), round(float(y) / height, 4)) for x, y in cut.reshape(-1, 2)
    )


class SceneStage:
    """Where a scripted scene plays: its place, its camera and its random numbers."""

    def __init__(self, number: int, place: str, looks: int) -> None:
        """Build the place; ``number`` picks the scene's seed, ``looks`` those of the place."""
        self.seed = SCENE_SEEDS.start + number
        self.rng = np.random.default_rng(self.seed)
        self.place = place_named(place, looks)
        self.view = self.place.viewpoint

    def zone(
        self,
        name: str,
        task: str,
        ground: Polygon,
        flow: tuple[PlanePoint, PlanePoint] | None = None,
    ) -> SceneZone:
        """Return the zone that covers a convex ground polygon; ``flow`` is given in metres too."""
        projector = Projector(self.view, SIZE_PX)
        polygon = normalised(projector, ground)
        corners = projector.ground_at(np.array(polygon) * SIZE_PX)
        area = round(float(cv2.contourArea(corners.astype(np.float32))), 1)
        if flow is None:
            return SceneZone(name, task, polygon, area)
        ends, _ = projector.project([(*flow[0], 0.0), (*flow[1], 0.0)])
        start, end = ((round(float(x), 4), round(float(y), 4)) for x, y in ends / SIZE_PX)
        return SceneZone(name, task, polygon, area, (start, end))

    def scene(
        self,
        name: str,
        title: str,
        zones: Sequence[SceneZone],
        actors: Sequence[Actor],
        incidents: Sequence[SceneIncident] = (),
        *,
        light: str = "day",
        duration_s: float = LOOP_S,
    ) -> Scene:
        """Return the scene that plays here."""
        parts = tuple(zones), tuple(actors), light, tuple(incidents), duration_s
        return Scene(name, title, self.place, self.view, self.seed, *parts)


def longest_spell(holds: Callable[[float], bool], loop_s: float, step_s: float = 0.2) -> PlanePoint:
    """Return start and end of the longest span of the loop during which a condition holds.

    Raises:
        ValueError: It never holds, so the script does not show what it claims.
    """
    best, begin = (0.0, 0.0), None
    for k in range(round(loop_s / step_s) + 1):
        now = k * step_s
        if k * step_s < loop_s and holds(now):
            begin = now if begin is None else begin
        elif begin is not None:
            best = max(best, (begin, now), key=lambda span: span[1] - span[0])
            begin = None
    if best[1] <= best[0]:
        raise ValueError("the scripted situation never holds")
    return round(best[0], 2), round(best[1], 2)
