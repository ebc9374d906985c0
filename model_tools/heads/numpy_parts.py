"""Steps that references of several heads share, in plain numpy; nothing here is about graphs."""

from __future__ import annotations

import numpy as np

from model_tools.heads.head import Candidates, HeadTask, Numbers, Outputs
from models.errors import GraphError


def corners_of(boxes: Numbers) -> Numbers:
    """Centres and extents (A, 4) → x1 y1 x2 y2."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def cells_of(size: tuple[int, int], strides: tuple[int, ...]) -> tuple[Numbers, Numbers]:
    """(A, 2) column and row of each cell, and (A, 1) its stride, in the order of the strides."""
    cells, sizes = [], []
    for stride in strides:
        for row in range(int(np.ceil(size[1] / stride))):
            for column in range(int(np.ceil(size[0] / stride))):
                cells.append((column, row))
                sizes.append(stride)
    return np.array(cells, float), np.array(sizes, float)[:, None]


def probabilities(raw: Numbers, task: HeadTask) -> Numbers:
    """Class columns (A, K) → scores (A, K)."""
    if task.scores == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-raw)))
    if task.scores == "softmax":
        powers = np.exp(raw - raw.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))
    return raw


def best_classes(boxes: Numbers, scores: Numbers) -> Candidates:
    """Boxes (A, 4) and class scores (A, C): each box is of its best class."""
    return Candidates(boxes, scores.max(1), scores.argmax(1))


def every_class(boxes: Numbers, scores: Numbers, task: HeadTask) -> Candidates:
    """A point may be several classes: each is a candidate of its own, on the best points."""
    merged = np.stack([scores[:, list(members)].max(1) for members in task.groups], axis=1)
    firsts = np.array([members[0] for members in task.groups])
    best = np.argsort(-merged.max(1), kind="stable")[: task.selection.candidates]
    merged, boxes = merged[best], boxes[best]
    points, columns = np.indices(merged.shape)
    return Candidates(boxes[points.ravel()], merged.ravel(), firsts[columns.ravel()])


def best_objects(head: str, boxes: Numbers, raw: Numbers, task: HeadTask) -> Candidates:
    """Centres and extents (A, 4), object and class scores (A, 1 + C)."""
    check_columns(head, raw.shape[1] - 1, task)
    scores = probabilities(raw, task)
    return best_classes(corners_of(boxes), scores[:, :1] * scores[:, 1:])


def rows_of_table(found: Outputs, *_: object) -> Candidates:
    """The only output, (A, 6) rows x1 y1 x2 y2 score class."""
    table = next(iter(found.values()))
    return Candidates(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def check_columns(head: str, columns: int, task: HeadTask) -> None:
    """Compares class columns with the classes; an export may leave them open until it runs.

    Raises:
        GraphError: They are not as many.
    """
    if columns != task.classes:
        raise GraphError(
            head,
            f"the network has {columns} classes, {task.classes} are named; "
            "give --labels with one name per class, in the network's order",
        )
