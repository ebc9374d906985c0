"""Heads: how a network family's raw output becomes boxes, scores and classes in input pixels.

A head is chosen when a package is assembled; at run time every package looks the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from models.graph.builder import GraphBuilder
from models.graph.selection import Selection, add_clipping, add_rows, add_suppression

HeadName = Literal["cityeye", "yolox", "detr"]
STRIDES = (8, 16, 32)
"""Cell sizes in pixels of the three maps that both the built-in network and YOLOX predict on."""


@dataclass(frozen=True, slots=True)
class HeadTask:
    """What a head must produce.

    Attributes:
        size: Width and height of the input picture in pixels.
        classes: Number of classes that the network knows.
        kept: Network class ids that the package keeps, in the order of its labels.
        selection: Limits of the selection.
    """

    size: tuple[int, int]
    classes: int
    kept: tuple[int, ...]
    selection: Selection


def grid(size: tuple[int, int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Cells of all strides, stride 8 first, row by row.

    Returns:
        (A, 2) column and row of each cell, and (A, 1) its stride in pixels.
    """
    cells, strides = [], []
    for stride in STRIDES:
        columns, rows = np.meshgrid(
            np.arange(size[0] // stride), np.arange(size[1] // stride), indexing="xy"
        )
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((columns.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def add_cityeye_head(graph: GraphBuilder, raw: str, task: HeadTask) -> str:
    """The built-in network: (N, 4 + C, A), ltrb distances in strides and logits.

    Distances may be negative: a point beside a very small object may answer for it.
    """
    cells, strides = grid(task.size)
    centres = graph.constant(((cells + 0.5) * strides).T[None])
    distances = graph.node("Mul", graph.take(raw, 1, 0, 4), graph.constant(strides.T[None]))
    near = graph.node("Sub", centres, graph.take(distances, 1, 0, 2))
    far = graph.node("Add", centres, graph.take(distances, 1, 2, 4))
    boxes = graph.node("Transpose", graph.node("Concat", near, far, axis=1), perm=[0, 2, 1])
    logits = _kept_classes(graph, graph.take(raw, 1, 4, 4 + task.classes), task, axis=1)
    boxes = add_clipping(graph, boxes, task.size)
    return add_suppression(graph, boxes, graph.node("Sigmoid", logits), task.selection)


def add_yolox_head(graph: GraphBuilder, raw: str, task: HeadTask) -> str:
    """YOLOX without its decoder: (N, A, 5 + C), offsets, log sizes, object and class scores.

    Decoding after Ge et al., "YOLOX: Exceeding YOLO Series in 2021": centre = (offset + cell) *
    stride, extent = exp(size) * stride, score = object * class.
    """
    cells, strides = grid(task.size)
    stride = graph.constant(strides[None])
    offset = graph.node("Add", graph.take(raw, 2, 0, 2), graph.constant(cells[None]))
    centre = graph.node("Mul", offset, stride)
    extent = graph.node("Mul", graph.node("Exp", graph.take(raw, 2, 2, 4)), stride)
    half = graph.node("Mul", extent, graph.constant(np.array(0.5, np.float32)))
    near, far = graph.node("Sub", centre, half), graph.node("Add", centre, half)
    boxes = add_clipping(graph, graph.node("Concat", near, far, axis=2), task.size)
    classes = _kept_classes(graph, graph.take(raw, 2, 5, 5 + task.classes), task, axis=2)
    scores = graph.node("Mul", classes, graph.take(raw, 2, 4, 5))
    scores = graph.node("Transpose", scores, perm=[0, 2, 1])
    return add_suppression(graph, boxes, scores, task.selection)


def add_detr_head(graph: GraphBuilder, labels: str, boxes: str, scores: str, task: HeadTask) -> str:
    """DETR family: labels (N, Q), boxes (N, Q, 4) in pixels, scores (N, Q); needs no suppression.

    The number of queries must be at least `selection.rows`.
    """
    new_ids = np.full(task.classes, -1, np.int64)
    new_ids[list(task.kept)] = np.arange(len(task.kept))
    labels = graph.cast(labels, TensorProto.INT64)
    ids = graph.node("Gather", graph.constant(new_ids), labels, axis=0)
    wanted = graph.node(
        "And",
        graph.node("GreaterOrEqual", ids, graph.constant(np.array(0, np.int64))),
        graph.node(
            "Greater", scores, graph.constant(np.array(task.selection.least_score, np.float32))
        ),
    )
    scores = graph.node("Where", wanted, scores, graph.constant(np.array(0.0, np.float32)))
    best, index = graph.split(
        "TopK", 2, scores, graph.integers(task.selection.rows), axis=1, sorted=1
    )
    classes = graph.cast(graph.gather_rows(ids, index), TensorProto.FLOAT)
    chosen = add_clipping(graph, graph.gather_rows(boxes, index), task.size)
    return add_rows(graph, chosen, best, classes)


def _kept_classes(graph: GraphBuilder, scores: str, task: HeadTask, axis: int) -> str:
    if task.kept == tuple(range(task.classes)):
        return scores
    return graph.node("Gather", scores, graph.integers(*task.kept), axis=axis)
