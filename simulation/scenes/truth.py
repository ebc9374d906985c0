"""What really happens in a scene, as a file next to its clip.

A detector is scored against the boxes of each image, the rules against the incidents.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulation.drawing.view import Truth
from simulation.labels import LABELS
from simulation.scenes.scene import GroundPoint, Scene, SceneIncident, SceneZone


@dataclass(frozen=True, slots=True, eq=False)
class SceneTruth:
    """The truth of one loop of a scene.

    Attributes:
        scene: Name of the scene.
        duration_s: Length of the loop.
        fps: Images per second.
        size_px: Width and height that the boxes refer to.
        tasks: Tasks that should watch the scene.
        zones: Where the tasks apply.
        ground_points: Calibration of the ground.
        incidents: What they should report.
        frames: One `Truth` per image, boxes to a tenth of a pixel.
    """

    scene: str
    duration_s: float
    fps: float
    size_px: tuple[int, int]
    tasks: tuple[str, ...]
    zones: tuple[SceneZone, ...]
    ground_points: tuple[GroundPoint, ...]
    incidents: tuple[SceneIncident, ...]
    frames: tuple[Truth, ...]


def truth(scene: Scene) -> SceneTruth:
    """Draw one loop of a scene and return what is in it; takes as long as drawing the clip."""
    return truth_of(scene, [found for _, found in scene.frames(scene.view())])


def truth_of(scene: Scene, frames: Sequence[Truth]) -> SceneTruth:
    """Return the truth of a scene whose images have been drawn already."""
    return SceneTruth(
        scene.name,
        scene.duration_s,
        scene.fps,
        scene.size_px,
        scene.tasks,
        scene.zones,
        scene.ground_points(),
        scene.incidents,
        tuple(frames),
    )


def _rows(frame: Truth) -> list[list[float]]:
    """Return one list per object: class id, key, ignore, visible, x1, y1, x2, y2."""
    return [
        [
            int(class_id),
            int(key),
            int(ignore),
            round(float(visible), 2),
            *(round(float(side), 1) for side in box),
        ]
        for box, class_id, ignore, visible, key in zip(
            frame.boxes, frame.class_ids, frame.ignore, frame.visible, frame.keys, strict=True
        )
    ]


def write_truth(path: Path, found: SceneTruth) -> None:
    """Write the truth as compact JSON."""
    document = {
        "scene": found.scene,
        "duration_s": found.duration_s,
        "fps": found.fps,
        "size_px": found.size_px,
        "labels": LABELS,
        "tasks": found.tasks,
        "zones": [asdict(zone) for zone in found.zones],
        "ground_points": [asdict(point) for point in found.ground_points],
        "incidents": [asdict(incident) for incident in found.incidents],
        "columns": ["class_id", "key", "ignore", "visible", "x1", "y1", "x2", "y2"],
        "frames": [_rows(frame) for frame in found.frames],
    }
    path.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def _frame(rows: list[list[float]]) -> Truth:
    table: NDArray[np.float64] = np.array(rows, np.float64).reshape(-1, 8)
    return Truth(
        table[:, 4:].astype(np.float32),
        table[:, 0].astype(np.int64),
        table[:, 2] > 0,
        table[:, 3].astype(np.float32),
        table[:, 1].astype(np.int64),
    )


def _polygon(points: list[list[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in points)


def read_truth(path: Path) -> SceneTruth:
    """Read the truth that `write_truth` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        KeyError: The file is of another kind.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    zones = []
    for zone in document["zones"]:
        arrow = None if zone["flow"] is None else _polygon(zone["flow"])
        zones.append(
            SceneZone(
                zone["name"],
                zone["task"],
                _polygon(zone["polygon"]),
                zone["area_m2"],
                None if arrow is None else (arrow[0], arrow[1]),
            )
        )
    width, height = document["size_px"]
    return SceneTruth(
        document["scene"],
        document["duration_s"],
        document["fps"],
        (width, height),
        tuple(document["tasks"]),
        tuple(zones),
        tuple(
            GroundPoint(tuple(p["image"]), tuple(p["ground_m"])) for p in document["ground_points"]
        ),
        tuple(
            SceneIncident(i["kind"], i["zone"], i["start_s"], i["end_s"], tuple(i["keys"]))
            for i in document["incidents"]
        ),
        tuple(_frame(rows) for rows in document["frames"]),
    )
