"""`GroundTruth`: the labelled objects of one image, with all that COCO can say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.detections import Boxes, areas


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """The objects of one image.

    Attributes:
        boxes: (N, 4) float64 x1 y1 x2 y2 in pixels of the image.
        class_ids: (N,) int64.
        ignore: (N,) bool; neither wanted nor a mistake, however many detections there are.
        crowd: (N,) bool, where `ignore` is true too; a detection is compared by the share of it
            that lies inside, since the box goes around many objects.
        areas: (N,) float64, square pixels; of the outline where the labels have one.
    """

    boxes: npt.NDArray[np.float64]
    class_ids: npt.NDArray[np.int64]
    ignore: npt.NDArray[np.bool_]
    crowd: npt.NDArray[np.bool_]
    areas: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.class_ids)

    @classmethod
    def of(
        cls,
        boxes: Boxes,
        class_ids: npt.NDArray[np.int64],
        ignore: npt.NDArray[np.bool_] | None = None,
    ) -> GroundTruth:
        """Objects without crowds, their boxes as their outlines; none is ignored by default."""
        nowhere = np.zeros(len(class_ids), np.bool_)
        ignore = nowhere if ignore is None else ignore
        return cls(boxes.astype(np.float64), class_ids, ignore, nowhere, areas(boxes))

    def where(self, mask: npt.NDArray[np.bool_]) -> GroundTruth:
        """The objects for which `mask` (N,) is true."""
        return GroundTruth(
            self.boxes[mask],
            self.class_ids[mask],
            self.ignore[mask],
            self.crowd[mask],
            self.areas[mask],
        )

    def among(self, labels: Sequence[str], known: Sequence[str]) -> GroundTruth:
        """The same in another class numbering, other classes left out.

        Args:
            labels: Classes to number by.
            known: Classes that the present numbers mean.
        """
        numbers = np.array([labels.index(one) if one in labels else -1 for one in known])
        renumbered = replace(self, class_ids=numbers[self.class_ids])
        return renumbered.where(renumbered.class_ids >= 0)
