"""Keyframes from the test street, with the truth as their overlay."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2

from simulation.scenes import LABELS, SceneIncident, scene_named

SCENES = {
    "traffic.congestion": "crossroad-jam",
    "littering.exposed_rubbish": "park-pile",
    "crowding.density": "square-crowd",
    "traffic.stopped_vehicle": "arterial-stop",
    "traffic.wrong_way": "arterial-wrong-way",
    "littering.dropped_object": "park-bag",
}
MOMENTS = {"opening": 0.4, "peak": 0.75}
"""How far an incident is."""


@dataclass(frozen=True)
class Picture:
    jpeg: bytes
    size_px: tuple[int, int]
    overlay: dict[str, Any]


@lru_cache
def picture_of(kind: str, role: str, size_px: tuple[int, int]) -> Picture:
    """The scene of a kind of incident at one of its moments."""
    scene = scene_named(SCENES[kind])
    it = next(one for one in scene.incidents if one.kind == kind)
    view = scene.view(size_px)
    at_s = it.start_s + MOMENTS[role] * (it.end_s - it.start_s)
    image, truth = view.render(scene.states_at(at_s), round(at_s * scene.fps))
    zone = next(one for one in scene.zones if one.name == it.zone)
    done, encoded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert done
    overlay = {
        "place": [[float(x), float(y)] for x, y in zone.polygon],
        "tracks": _tracks(it, truth, size_px),
    }
    return Picture(encoded.tobytes(), size_px, overlay)


def _tracks(it: SceneIncident, truth: Any, size_px: tuple[int, int]) -> list[dict[str, Any]]:
    width, height = size_px
    found = []
    for box, class_id, key, ignore in zip(
        truth.boxes, truth.class_ids, truth.keys, truth.ignore, strict=True
    ):
        if ignore:
            continue
        x1, y1, x2, y2 = (float(one) for one in box)
        found.append(
            {
                "track": int(key),
                "label": LABELS[class_id],
                "box": [x1 / width, y1 / height, x2 / width, y2 / height],
                "trail": [],
                "subject": int(key) in it.keys,
            }
        )
    return sorted(found, key=lambda one: not one["subject"])[:20]
