"""The objects in an image, in two levels of detail: with and without crowds and outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.detections import areas


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """What there is to see in one image.

    Attributes:
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels of the image.
        class_ids: (N,) int64.
        ignore: (N,) bool; neither demand nor punish a detection there.
    """

    boxes: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    ignore: npt.NDArray[np.bool_]

    def among(self, labels: Sequence[str], known: Sequence[str]) -> GroundTruth:
        """The same in another class numbering, other classes left out.

        Args:
            labels: Classes to number by.
            known: Classes that the present numbers mean.
        """
        numbers = np.array([labels.index(one) if one in labels else -1 for one in known])
        class_ids = numbers[self.class_ids]
        mine = class_ids >= 0
        return GroundTruth(self.boxes[mine], class_ids[mine], self.ignore[mine])


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """What there is to see in one image, with all that COCO can say about it.

    Attributes:
        boxes: (N, 4) float64 x1 y1 x2 y2 in pixels of the image.
        class_ids: (N,) int64.
        ignore: (N,) bool; neither demand nor punish any number of detections there.
        crowd: (N,) bool, where `ignore` is true too; a detection counts as there with the share
            of it that lies inside, since the box goes around many objects.
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
    def of(cls, truth: GroundTruth) -> Objects:
        """Objects without crowds, their boxes as their outlines."""
        crowd = np.zeros(len(truth.ignore), np.bool_)
        boxes = truth.boxes.astype(np.float64)
        return cls(boxes, truth.class_ids, truth.ignore, crowd, areas(boxes))

    def of_class(self, class_id: int) -> Objects:
        """The objects of one class."""
        mine = self.class_ids == class_id
        return Objects(
            self.boxes[mine],
            self.class_ids[mine],
            self.ignore[mine],
            self.crowd[mine],
            self.areas[mine],
        )
