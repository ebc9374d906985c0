"""`NumpyOutputs`: what a network says about one image, with steps that references share.

Nothing here, and nothing that a reference calls, is about graphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_tools.graph.exported import Exported
from model_tools.heads.task import Candidates, HeadTask
from models import GraphError

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NumpyOutputs:
    """The outputs of a network for one image.

    Attributes:
        head: Name of the head, for errors.
        found: Outputs by name, without the batch axis.
        network: The network as it was given.
        task: What is wanted; its `scores` are known.
        size: Size of the network's image.
    """

    head: str
    found: Mapping[str, Numbers]
    network: Exported
    task: HeadTask
    size: tuple[int, int]

    @property
    def first(self) -> Numbers:
        """The first output."""
        return next(iter(self.found.values()))

    def cells(self, strides: tuple[int, ...]) -> tuple[Numbers, Numbers]:
        """(A, 2) column and row of each cell, and (A, 1) its stride, in the order of strides."""
        cells, sizes = [], []
        for stride in strides:
            for row in range(int(np.ceil(self.size[1] / stride))):
                for column in range(int(np.ceil(self.size[0] / stride))):
                    cells.append((column, row))
                    sizes.append(stride)
        return np.array(cells, float), np.array(sizes, float)[:, None]

    def clipped(self, boxes: Numbers) -> Numbers:
        """Boxes (A, 4) cut off at the borders of the network's image."""
        return np.asarray(np.clip(boxes, 0, np.array(self.size * 2)))

    def unit_corners(self, boxes: Numbers) -> Numbers:
        """Centres and extents from 0 to 1 (A, 4) → x1 y1 x2 y2 in pixels."""
        return np.asarray(corners_of(boxes) * np.array(self.size * 2))

    def probabilities(self, raw: Numbers) -> Numbers:
        """Class columns (A, K) → scores (A, K)."""
        if self.task.scores == "sigmoid":
            return np.asarray(1 / (1 + np.exp(-raw)))
        if self.task.scores == "softmax":
            powers = np.exp(raw - raw.max(1, keepdims=True))
            return np.asarray(powers / powers.sum(1, keepdims=True))
        return raw

    def best_objects(self, boxes: Numbers, raw: Numbers) -> Candidates:
        """Centres and extents (A, 4), object and class scores (A, 1 + C)."""
        self.check_columns(raw.shape[1] - 1)
        scores = self.probabilities(raw)
        return best_classes(corners_of(boxes), scores[:, :1] * scores[:, 1:])

    def every_class(self, boxes: Numbers, scores: Numbers) -> Candidates:
        """A point may be several classes: each is a candidate of its own, on the best points."""
        groups = self.task.groups
        merged = np.stack([scores[:, list(members)].max(1) for members in groups], axis=1)
        firsts = np.array([members[0] for members in groups])
        best = np.argsort(-merged.max(1), kind="stable")[: self.task.selection.candidates]
        merged, boxes = merged[best], boxes[best]
        points, columns = np.indices(merged.shape)
        return Candidates(boxes[points.ravel()], merged.ravel(), firsts[columns.ravel()])

    def check_columns(self, columns: int) -> None:
        """Compares class columns with the classes; an export may leave them open until it runs.

        Raises:
            GraphError: They are not as many.
        """
        if columns != self.task.classes:
            raise GraphError(
                self.head,
                f"the network has {columns} classes, {self.task.classes} are named; "
                "give --labels with one name per class, in the network's order",
            )


def corners_of(boxes: Numbers) -> Numbers:
    """Centres and extents (A, 4) → x1 y1 x2 y2."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def best_classes(boxes: Numbers, scores: Numbers) -> Candidates:
    """Boxes (A, 4) and class scores (A, C): each box is of its best class."""
    return Candidates(boxes, scores.max(1), scores.argmax(1))


def rows_of_table(seen: NumpyOutputs) -> Candidates:
    """The first output, (A, 6) rows x1 y1 x2 y2 score class."""
    table = seen.first
    return Candidates(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))
