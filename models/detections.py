"""`Detections`: what a model saw in one frame, as a struct of arrays with no optional fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Detections of one frame, best score first.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the analysis image.
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
        """Reads one image's model output.

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
    first: Boxes, second: Boxes, crowd: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.float64]:
    """Overlap of (N, 4) with (M, 4) boxes x1 y1 x2 y2: (N, M).

    Args:
        first: Detections, where it matters.
        second: Objects.
        crowd: (M,) bool; where true, the share of `first` that lies inside instead of the
            intersection over union.
    """
    one, other = first.astype(np.float64), second.astype(np.float64)
    near = np.maximum(one[:, None, :2], other[None, :, :2])
    far = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.clip(far - near, 0, None).prod(-1)
    mine, theirs = areas(one)[:, None], areas(other)[None, :]
    whole = mine + theirs - common
    if crowd is not None:
        whole = np.where(crowd[None, :], mine, whole)
    share: npt.NDArray[np.float64] = common / np.maximum(whole, np.finfo(np.float64).tiny)
    return share


def areas(boxes: Boxes) -> npt.NDArray[np.float64]:
    """Areas of (N, 4) boxes x1 y1 x2 y2: (N,)."""
    sides = np.clip(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0, None)
    area: npt.NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return area


def plain_label(name: str) -> str:
    """The spelling in which class names are compared: `Bin bag` → `bin_bag`."""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())
