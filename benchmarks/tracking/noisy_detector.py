"""A detector that makes the faults of real ones, over the truth of a drawn scene.

What spoils a box lasts: an object that is hard to see now is hard to see in the next frame too. So
scores and edges follow processes with a correlation time (Uhlenbeck and Ornstein, 1930), and
duplicates come in spells. All faults are drawn from a seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.detections import Detections, pairwise_iou
from simulation.scenes import CLASS_ID, Truth

MIN_SCORE: Final = 0.2
"""Below it nothing is passed on, as in a city: half of the threshold."""

NMS_IOU: Final = 0.6
"""Of two boxes of one class that overlap by more the weaker one is dropped."""

CYCLES: Final = (CLASS_ID["motorcycle"], CLASS_ID["bicycle"])
PERSON: Final = CLASS_ID["person"]
_OTHER_NAME: Final = {CLASS_ID["car"]: CLASS_ID["truck"], CLASS_ID["truck"]: CLASS_ID["car"],
                      CLASS_ID["bus"]: CLASS_ID["truck"]}  # fmt: skip
_WHITE_SCORE, _WHITE_EDGE = 0.04, 0.012
_POST_PX = (0.045, 0.22)
"""Width and height of a false box, in image widths and heights."""


_LASTS_S: Final = np.array([0.6, 0.4, 0.4, 0.4, 0.4, 2.0, 2.0, 2.0])
"""Correlation times of what is wrong with one object, in units of its own deviation: the score,
the four edges, and the spells of a second name, of a part, and of a rider that is missed."""
_POST_LASTS_S = 2.0


class NoisyDetector:
    """Sees one scene, frame after frame."""

    def __init__(self, seed: int, size_px: tuple[int, int], fps: float, posts: int = 4) -> None:
        """Starts a recording.

        Args:
            seed: Of all faults.
            size_px: Width and height of the images.
            fps: Frames per second of the truth.
            posts: How many fixed places look a little like a person all the time.
        """
        self._rng = np.random.default_rng(seed)
        self._step_s = 1 / fps
        self._faults: dict[int, npt.NDArray[np.float64]] = {}
        width, height = size_px
        corner = self._rng.uniform((0.05, 0.3), (0.9, 0.7), (posts, 2)) * size_px
        size = np.array(_POST_PX) * size_px
        self._posts = np.concatenate((corner, corner + size), axis=1).astype(np.float32)
        self._post_scores = self._rng.normal(size=posts)
        self._image = np.array([width, height, width, height], np.float32)

    def detect(self, truth: Truth) -> Detections:
        """What is detected in the next frame, best score first."""
        rows: list[tuple[npt.NDArray[np.float64], float, int]] = []
        for box, class_id, visible, key in zip(
            truth.boxes, truth.class_ids.tolist(), truth.visible.tolist(), truth.keys.tolist(),
            strict=True,
        ):  # fmt: skip
            rows += self._see(box.astype(np.float64), class_id, visible, key)
        rows += self._false()
        return _detections(rows, self._image)

    def _see(
        self, box: npt.NDArray[np.float64], class_id: int, visible: float, key: int
    ) -> list[tuple[npt.NDArray[np.float64], float, int]]:
        fault = self._fault(key)
        if visible < 0.12:  # noqa: PLR2004 - nobody sees less
            return []
        size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
        clear = min(1.0, (visible - 0.1) / 0.6) * min(1.0, size[1] / 22.0)
        score = 0.2 + 0.6 * clear + 0.13 * fault[0] + self._white(_WHITE_SCORE)
        spread = 0.02 if visible > 0.6 else 0.05  # noqa: PLR2004 - an object half hidden
        shaken = box + size * (spread * fault[1:5] + self._rng.normal(0, _WHITE_EDGE, 4))
        rows = [(shaken, score, class_id)]
        second, part, rider = fault[5:].tolist()
        other = _OTHER_NAME.get(class_id)
        if other is not None and second > 1.3:  # noqa: PLR2004 - a tenth of the time
            rows.append((shaken + size * self._rng.normal(0, 0.02, 4), score - 0.12, other))
        if part > 1.6:  # noqa: PLR2004 - a twentieth of the time
            rows.append((_part(shaken, class_id), score - 0.2, class_id))
        if class_id in CYCLES and rider > -1.3:  # noqa: PLR2004 - nine tenths of the time
            rows.append((rider_of(shaken), score - 0.05, PERSON))
        return rows

    def _fault(self, key: int) -> npt.NDArray[np.float64]:
        """The faults of an object, carried on by one frame."""
        draw = self._rng.normal(size=len(_LASTS_S))
        if key in self._faults:
            kept = np.exp(-self._step_s / _LASTS_S)
            draw = self._faults[key] * kept + draw * np.sqrt(1 - kept * kept)
        self._faults[key] = draw
        return draw

    def _false(self) -> list[tuple[npt.NDArray[np.float64], float, int]]:
        """Posts that look a little like persons, and flashes of anything anywhere."""
        kept = math.exp(-self._step_s / _POST_LASTS_S)
        self._post_scores *= kept
        self._post_scores += math.sqrt(1 - kept * kept) * self._rng.normal(size=len(self._posts))
        rows = [
            (
                post + self._rng.normal(0, 1.0, 4),
                min(0.28 + 0.05 * score + self._white(0.02), 0.39),
                PERSON,
            )
            for post, score in zip(self._posts.astype(np.float64), self._post_scores, strict=True)
        ]
        if self._rng.random() < 0.6 * self._step_s:
            corner = self._rng.uniform(0, 0.85, 2) * self._image[:2]
            size = self._rng.uniform(0.04, 0.15, 2) * self._image[:2]
            box = np.concatenate((corner, corner + size))
            rows.append((box, float(self._rng.uniform(0.2, 0.55)), PERSON))
        return rows

    def _white(self, deviation: float) -> float:
        return float(self._rng.normal(0, deviation))


def rider_of(box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The box of the person on a cycle whose box encloses both."""
    x1, y1, x2, y2 = box
    return np.array([x1 + 0.15 * (x2 - x1), y1, x2 - 0.15 * (x2 - x1), y2 - 0.2 * (y2 - y1)])


def _part(box: npt.NDArray[np.float64], class_id: int) -> npt.NDArray[np.float64]:
    """The upper half of a person, the front of a vehicle."""
    x1, y1, x2, y2 = box
    if class_id == PERSON:
        return np.array([x1, y1, x2, y1 + 0.55 * (y2 - y1)])
    return np.array([x1, y1, x1 + 0.6 * (x2 - x1), y2])


def _detections(
    rows: Sequence[tuple[npt.NDArray[np.float64], float, int]], image: npt.NDArray[np.float32]
) -> Detections:
    """Rows that count, cut at the image and without what NMS drops."""
    rows = sorted((row for row in rows if row[1] > MIN_SCORE), key=lambda row: -row[1])
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    boxes = np.minimum(np.maximum(boxes, 0), image)
    class_ids = np.array([row[2] for row in rows], np.int64)
    scores = np.clip(np.array([row[1] for row in rows], np.float32), 0.0, 0.98)
    sides = boxes[:, 2:] - boxes[:, :2]
    kept = np.all(sides > 2, axis=1)  # noqa: PLR2004 - pixels
    overlap = pairwise_iou(boxes, boxes) > NMS_IOU
    overlap &= np.equal.outer(class_ids, class_ids)
    for row in range(len(rows)):
        if kept[row]:
            kept[row + 1 :] &= ~overlap[row, row + 1 :]
    return Detections(boxes[kept], scores[kept], class_ids[kept])
