"""`Detections`: what a model saw in one frame, as a struct of arrays with no optional fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Detections of one frame, best score first.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the analysis picture.
        scores: (N,) float32 in 0..1.
        class_ids: (N,) int64, rows of the package's `labels.txt`.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes.shape != (count, 4) or self.class_ids.shape != (count,):
            raise ValueError(
                f"detections do not line up: boxes {self.boxes.shape}, "
                f"scores {self.scores.shape}, class ids {self.class_ids.shape}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def from_rows(cls, rows: npt.NDArray[np.float32], threshold: float = 0.0) -> Detections:
        """Reads one picture's model output.

        Args:
            rows: (M, 6) float32: x1, y1, x2, y2, score, class; padding rows have score 0.
            threshold: Rows with a score at or below it are left out (padding always is).
        """
        kept = rows[rows[:, 4] > max(threshold, 0.0)]
        kept = kept[np.argsort(-kept[:, 4], kind="stable")]
        return cls(
            boxes=np.ascontiguousarray(kept[:, :4], np.float32),
            scores=np.ascontiguousarray(kept[:, 4], np.float32),
            class_ids=kept[:, 5].astype(np.int64),
        )

    def where(self, mask: npt.NDArray[np.bool_]) -> Detections:
        """The detections for which `mask` (N,) is true."""
        return Detections(self.boxes[mask], self.scores[mask], self.class_ids[mask])


def overlaps(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Intersection over union of (N, 4) with (M, 4) boxes: (N, M)."""
    near = np.maximum(first[:, None, :2], second[None, :, :2])
    far = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(far - near, 0, None).prod(-1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - common
    return np.asarray(common / np.maximum(union, np.finfo(np.float32).tiny), np.float32)
