"""Decoding for the reference: what each head's output means, in plain numpy.

It shares nothing with the graph builder, so that a mistake there cannot hide here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model_tools.importing.plan import Plan
from models.errors import GraphError

Numbers = npt.NDArray[np.float64]


class Candidates(NamedTuple):
    """Boxes (A, 4) x1 y1 x2 y2 in network pixels, scores (A,) and network classes (A,)."""

    boxes: Numbers
    scores: Numbers
    classes: npt.NDArray[np.int64]


def candidates(found: Mapping[str, Numbers], plan: Plan) -> Candidates:
    """Everything that a network says about one image; outputs by name, without the batch axis.

    Raises:
        GraphError: It has another number of classes than are named.
    """
    if plan.head == "detr":
        return Candidates(found["boxes"], found["scores"], found["labels"].astype(np.int64))
    if plan.head == "detr-logits":
        return _from_logits(found["logits"], found["pred_boxes"], plan)
    raw = next(iter(found.values()))
    _check_classes(raw, plan)
    if plan.head in {"yolo-e2e", "packaged"}:
        return Candidates(raw[:, :4], raw[:, 4], raw[:, 5].astype(np.int64))
    if plan.head == "rtdetr":
        return _from_queries(raw, plan)
    if plan.head == "cityeye":
        return _from_distances(raw, plan)
    boxes, scores = _from_columns(raw) if plan.head == "yolo" else _from_yolox(raw, plan)
    return Candidates(_corners(boxes), scores.max(1), scores.argmax(1))


def _from_columns(raw: Numbers) -> tuple[Numbers, Numbers]:
    """Ultralytics' (4 + C, A): centres and extents (A, 4), class scores (A, C)."""
    return raw[:4].T, raw[4:].T


def _from_yolox(raw: Numbers, plan: Plan) -> tuple[Numbers, Numbers]:
    """(A, 5 + C), decoded or not: centres and extents (A, 4), class scores (A, C)."""
    boxes = raw[:, :4]
    if plan.head == "yolox":
        cells, strides = _cells(plan.network)
        centres = (raw[:, :2] + cells) * strides
        boxes = np.concatenate([centres, np.exp(raw[:, 2:4]) * strides], axis=1)
    return boxes, raw[:, 4:5] * raw[:, 5:]


def _from_queries(raw: Numbers, plan: Plan) -> Candidates:
    """Ultralytics' RT-DETR: boxes from 0 to 1, then score and class, or all class scores."""
    boxes = _corners(raw[:, :4]) * np.array(plan.network * 2)
    if plan.table:
        return Candidates(boxes, raw[:, 4], raw[:, 5].astype(np.int64))
    return Candidates(boxes, raw[:, 4:].max(1), raw[:, 4:].argmax(1))


def _check_classes(raw: Numbers, plan: Plan) -> None:
    """An export may leave the number of its classes open until it runs."""
    places = {"yolo": (0, 4), "yolox": (1, 5), "yolox-decoded": (1, 5), "rtdetr": (1, 4)}
    axis, others = places.get(plan.head, (0, 0))
    if others and not plan.table and raw.shape[axis] != others + len(plan.classes):
        raise GraphError(
            plan.head,
            f"the network has {raw.shape[axis] - others} classes, {len(plan.classes)} are named; "
            "give --labels with one name per class, in the network's order",
        )


def _from_logits(logits: Numbers, boxes: Numbers, plan: Plan) -> Candidates:
    """DETR: a softmax with a class for nothing at its end, or a sigmoid for every class."""
    corners = _corners(boxes) * np.array(plan.network * 2)
    if logits.shape[1] == len(plan.classes) + 1:
        powers = np.exp(logits - logits.max(1, keepdims=True))
        scores = (powers / powers.sum(1, keepdims=True))[:, :-1]
        return Candidates(corners, scores.max(1), scores.argmax(1))
    scores = 1 / (1 + np.exp(-logits))
    best = np.argsort(-scores.ravel(), kind="stable")[: len(logits)]
    columns = scores.shape[1]
    return Candidates(corners[best // columns], scores.ravel()[best], best % columns)


def _from_distances(raw: Numbers, plan: Plan) -> Candidates:
    """The built-in head: a point may be several classes, so each is a candidate of its own."""
    cells, strides = _cells(plan.network)
    centres = cells + 0.5
    corners = np.concatenate([centres - raw[:2].T, centres + raw[2:4].T], axis=1) * strides
    scores = 1 / (1 + np.exp(-raw[4:].T))
    boxes = np.clip(corners, 0, np.array(plan.network * 2))
    merged = np.stack([scores[:, list(members)].max(1) for members in plan.groups], axis=1)
    firsts = np.array([members[0] for members in plan.groups])
    best = np.argsort(-merged.max(1), kind="stable")[: plan.selection.candidates]
    merged, boxes = merged[best], boxes[best]
    points, columns = np.indices(merged.shape)
    return Candidates(boxes[points.ravel()], merged.ravel(), firsts[columns.ravel()])


def _corners(boxes: Numbers) -> Numbers:
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _cells(size: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """(A, 2) column and row of each cell, and (A, 1) its stride, stride 8 first."""
    cells, strides = [], []
    for stride in (8, 16, 32):
        for row in range(size[1] // stride):
            for column in range(size[0] // stride):
                cells.append((column, row))
                strides.append(stride)
    return np.array(cells, float), np.array(strides, float)[:, None]
