"""`StoryStage`: where one performance of a story plays, as a seed and a setting make it.

What a story needs of its camera (zones, lines, rules) is part of the `WatchedScene` that it gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from zlib import crc32

import numpy as np

from simulation.drawing.place import DrawnPlace
from simulation.drawing.places import place_named
from simulation.drawing.viewpoint import Projector, Viewpoint
from simulation.labels import SCENE_SEEDS
from simulation.scenes.motion import Actor
from simulation.scenes.scene import PlanePoint, Scene, SceneIncident, SceneStage, SceneZone

SIZE_PX: Final = (640, 360)
FPS: Final = 5.0
_FIRST_NUMBER: Final = 100_000
_NUMBERS: Final = 900_000
_LOOKS: Final = 64

Parameters = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Setting:
    """Under which circumstances a story is played.

    Attributes:
        light: ``day``, ``dusk``, ``night`` or ``rain``.
        disturbance: One of `DISTURBANCES`.
        is_calibrated: Whether the camera knows the ground in metres.
    """

    light: str = "day"
    disturbance: str = ""
    is_calibrated: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class WatchedScene:
    """A scene and how the camera there is configured.

    Attributes:
        scene: What happens; its incidents are what the rules should report.
        rules: Parameters by kind of rule; all of a task watch all zones and lines of the task.
        lines: Two image points by name, x and y in shares of the image.
        is_calibrated: Whether the configuration has the calibration of the ground.
    """

    scene: Scene
    rules: Mapping[str, Parameters]
    lines: Mapping[str, tuple[PlanePoint, PlanePoint]] = field(default_factory=dict)
    is_calibrated: bool = True

    @property
    def is_hard_negative(self) -> bool:
        """Whether nothing is to be reported of it."""
        return not any(one.is_asked for one in self.scene.incidents)


class StoryStage(SceneStage):
    """Where a story plays: its place, its camera and its random numbers."""

    def __init__(self, story: str, setting: Setting, seed: int, number: int) -> None:
        """Prepare; `seed`, story and the running number pick everything random in it."""
        self.setting = setting
        self.name = f"{story}-{number}-{seed}"
        self.rng = np.random.default_rng((seed, number, crc32(story.encode())))
        self.seed = SCENE_SEEDS.start + _FIRST_NUMBER + int(self.rng.integers(_NUMBERS))

    def at(self, place: str, viewpoint: Viewpoint | None = None, near: float = 1.0) -> DrawnPlace:
        """Choose the place, and a camera near its usual one or near a given one.

        Args:
            place: Name of the place.
            viewpoint: The camera to start from; the usual one of the place without it.
            near: How far the camera may be from it; 0 for exactly there.
        """
        self.place = place_named(place, int(self.rng.integers(_LOOKS)))
        usual = viewpoint or self.place.viewpoint
        shift = self.rng.uniform(-near, near, 5)
        self.view = replace(
            usual,
            x_m=usual.x_m + 0.5 * float(shift[0]),
            y_m=usual.y_m + 0.8 * float(shift[1]),
            height_m=usual.height_m * (1 + 0.07 * float(shift[2])),
            yaw_rad=usual.yaw_rad + 0.03 * float(shift[3]),
            pitch_rad=usual.pitch_rad + 0.015 * float(shift[4]),
        )
        return self.place

    def line(self, left: PlanePoint, right: PlanePoint) -> tuple[PlanePoint, PlanePoint]:
        """Return a line between two ground points as image points, cut at the image's edge."""
        ends, _ = Projector(self.view, SIZE_PX).project([(*left, 0.0), (*right, 0.0)])
        shares = np.clip(ends / np.array(SIZE_PX, np.float32), 0.0, 1.0).round(4).tolist()
        return (shares[0][0], shares[0][1]), (shares[1][0], shares[1][1])

    def watched(
        self,
        title: str,
        zones: Sequence[SceneZone],
        actors: Sequence[Actor],
        rules: Mapping[str, Parameters] | Sequence[str],
        incidents: Sequence[SceneIncident] = (),
        *,
        duration_s: float,
        lines: Mapping[str, tuple[PlanePoint, PlanePoint]] | None = None,
    ) -> WatchedScene:
        """Return the scene that plays here, and the camera that watches it."""
        setting = self.setting
        scene = self.scene(
            self.name, title, zones, actors, incidents, light=setting.light, duration_s=duration_s
        )
        scene = replace(scene, fps=FPS, size_px=SIZE_PX, disturbance=setting.disturbance)
        by_kind = rules if isinstance(rules, Mapping) else {kind: {} for kind in rules}
        return WatchedScene(scene, by_kind, lines or {}, setting.is_calibrated)
