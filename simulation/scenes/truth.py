"""What really happens in a scene, as a file next to its clip.

A detector is scored against the boxes of each image, the rules against the incidents.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from pydantic_core import to_json

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


_HEADER: Final[dict[str, Any]] = {
    name: type_ for name, type_ in get_type_hints(SceneTruth).items() if name != "frames"
}
"""Types of what stands in the file as it is, by name."""

_OF_SCENE: Final = tuple(name for name in _HEADER if name not in {"scene", "ground_points"})


def truth(scene: Scene) -> SceneTruth:
    """Return what is in every image of one loop of a scene, without drawing them."""
    view, count = scene.view(), scene.frame_count
    return truth_of(scene, [scene.truth_at(view, k / scene.fps) for k in range(count)])


def truth_of(scene: Scene, frames: Sequence[Truth]) -> SceneTruth:
    """Return the truth of a scene whose images have been drawn already."""
    return SceneTruth(
        scene=scene.name,
        ground_points=scene.ground_points(),
        frames=tuple(frames),
        **{name: getattr(scene, name) for name in _OF_SCENE},
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
    document = {name: getattr(found, name) for name in _HEADER}
    document |= {
        "labels": LABELS,
        "columns": ["class_id", "key", "ignore", "visible", "x1", "y1", "x2", "y2"],
        "frames": [_rows(frame) for frame in found.frames],
    }
    path.write_bytes(to_json(document))


def _frame(rows: list[list[float]]) -> Truth:
    table: NDArray[np.float64] = np.array(rows, np.float64).reshape(-1, 8)
    return Truth(
        table[:, 4:].astype(np.float32),
        table[:, 0].astype(np.int64),
        table[:, 2] > 0,
        table[:, 3].astype(np.float32),
        table[:, 1].astype(np.int64),
    )


def read_truth(path: Path) -> SceneTruth:
    """Read the truth that `write_truth` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        KeyError: The file is of another kind.
    """
    document = json.loads(path.read_bytes())
    header = {
        name: TypeAdapter(type_).validate_python(document[name]) for name, type_ in _HEADER.items()
    }
    return SceneTruth(**header, frames=tuple(_frame(rows) for rows in document["frames"]))
