"""Heads: how a network family's raw output becomes boxes, scores and classes.

A head is chosen when a package is made; at run time every package looks the same. Boxes leave a
head in the network's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import add_clipping
from model_tools.graph.selection import (
    Choice,
    Selection,
    suppress_each_class,
    suppress_one_class,
    take_best,
)

HeadName = Literal[
    "cityeye",
    "yolo",
    "yolo-e2e",
    "yolox",
    "yolox-decoded",
    "detr",
    "detr-logits",
    "rtdetr",
    "packaged",
]
STRIDES = (8, 16, 32)
"""Cell sizes in pixels of the three maps that both the built-in network and YOLOX predict on."""

Groups = tuple[tuple[int, ...], ...]
"""Network class ids that make each of the package's labels."""


@dataclass(frozen=True, slots=True)
class HeadTask:
    """What a head must produce.

    Attributes:
        size: Width and height of the package's image in pixels.
        classes: Number of classes that the network knows.
        groups: Which of them the package keeps, in the order of its labels.
        selection: Limits of the selection.
    """

    size: Size
    classes: int
    groups: Groups
    selection: Selection

    def new_ids(self) -> npt.NDArray[np.int64]:
        """(classes + 1,) label of each network class, -1 where it is dropped; last one too."""
        ids = np.full(self.classes + 1, -1, np.int64)
        for label, members in enumerate(self.groups):
            ids[list(members)] = label
        return ids


def each_alone(kept: tuple[int, ...]) -> Groups:
    """Every kept class is a label of its own."""
    return tuple((one,) for one in kept)


def grid(size: Size) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
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


def add_cityeye_head(graph: GraphBuilder, raw: str, task: HeadTask, network: Size) -> Choice:
    """The built-in network: (N, 4 + C, A), ltrb distances in strides and logits.

    Distances may be negative: a point beside a very small object may answer for it.
    """
    cells, strides = grid(network)
    centres = graph.constant(((cells + 0.5) * strides).T[None])
    distances = graph.node("Mul", graph.take(raw, 1, 0, 4), graph.constant(strides.T[None]))
    near = graph.node("Sub", centres, graph.take(distances, 1, 0, 2))
    far = graph.node("Add", centres, graph.take(distances, 1, 2, 4))
    boxes = graph.node("Transpose", graph.node("Concat", near, far, axis=1), perm=[0, 2, 1])
    logits = _merged_classes(graph, graph.take(raw, 1, 4, 4 + task.classes), task)
    boxes = add_clipping(graph, boxes, network)
    return suppress_each_class(graph, boxes, graph.node("Sigmoid", logits), task.selection)


def add_yolo_head(graph: GraphBuilder, raw: str, task: HeadTask) -> Choice:
    """Ultralytics YOLO: (N, 4 + C, A), centre and extent in pixels, class scores.

    One class per candidate, then class-wise suppression, as `non_max_suppression` there does it
    with `multi_label` off.
    """
    boxes = graph.node("Transpose", graph.take(raw, 1, 0, 4), perm=[0, 2, 1])
    scores = graph.take(raw, 1, 4, 4 + task.classes)
    found = _best_class(graph, _corners(graph, boxes), scores, task, axis=1)
    return suppress_one_class(graph, found, len(task.groups), task.selection)


def add_yolox_head(graph: GraphBuilder, raw: str, task: HeadTask, grid_of: Size | None) -> Choice:
    """YOLOX: (N, A, 5 + C), boxes, object score, class scores; one class per candidate.

    Args:
        graph: Where the nodes go.
        raw: The output.
        task: What is wanted.
        grid_of: Size of the network's image where the graph has no decoder. Then decoding is
            after Ge et al., "YOLOX: Exceeding YOLO Series in 2021": centre = (offset + cell) *
            stride, extent = exp(size) * stride.
    """
    boxes = graph.take(raw, 2, 0, 4)
    if grid_of is not None:
        cells, strides = grid(grid_of)
        stride = graph.constant(strides[None])
        offset = graph.node("Add", graph.take(raw, 2, 0, 2), graph.constant(cells[None]))
        extent = graph.node("Exp", graph.take(raw, 2, 2, 4))
        boxes = graph.node("Mul", graph.node("Concat", offset, extent, axis=2), stride)
    classes = graph.take(raw, 2, 5, 5 + task.classes)
    scores = graph.node("Mul", classes, graph.take(raw, 2, 4, 5))
    found = _best_class(graph, _corners(graph, boxes), scores, task, axis=2)
    return suppress_one_class(graph, found, len(task.groups), task.selection)


def add_row_head(
    graph: GraphBuilder, boxes: str, scores: str, labels: str, task: HeadTask
) -> Choice:
    """What needs no suppression: boxes (N, Q, 4) in pixels, scores and network classes (N, Q)."""
    return take_best(graph, _renumbered(graph, boxes, scores, labels, task), task.selection)


def add_table_head(graph: GraphBuilder, table: str, task: HeadTask) -> Choice:
    """(N, Q, 6) rows x1 y1 x2 y2 score class, as end-to-end exports and packages give them."""
    scores, labels = (_column(graph, table, column) for column in (4, 5))
    return add_row_head(graph, graph.take(table, 2, 0, 4), scores, labels, task)


def add_rtdetr_head(
    graph: GraphBuilder, raw: str, task: HeadTask, network: Size, *, rows: bool
) -> Choice:
    """Ultralytics RT-DETR: boxes as centre and extent, 0 to 1 of the image.

    Either (N, Q, 4 + C) with class scores, of which the best counts, or, in later exports,
    (N, Q, 6) `rows` that end in score and class.
    """
    boxes = _to_pixels(graph, graph.take(raw, 2, 0, 4), network)
    if rows:
        scores, labels = (_column(graph, raw, column) for column in (4, 5))
        return add_row_head(graph, boxes, scores, labels, task)
    scores = graph.take(raw, 2, 4, 4 + task.classes)
    found = _best_class(graph, boxes, scores, task, axis=2)
    return take_best(graph, found, task.selection)


def add_logits_head(
    graph: GraphBuilder, logits: str, boxes: str, task: HeadTask, network: Size, *, softmax: bool
) -> Choice:
    """DETR without post-processing: logits (N, Q, C), boxes (N, Q, 4) as centre and extent, 0 to 1.

    With `softmax` the class after the last one means that there is nothing (Carion et al. 2020);
    else every class has a sigmoid score and a query may be several (Deformable DETR, RT-DETR).
    """
    corners = _to_pixels(graph, boxes, network)
    if softmax:
        scores = graph.take(graph.node("Softmax", logits, axis=-1), 2, 0, task.classes)
        return take_best(graph, _best_class(graph, corners, scores, task, axis=2), task.selection)
    scores = graph.node("Reshape", graph.node("Sigmoid", logits), graph.integers(0, -1))
    count = graph.integers(task.classes)
    most = graph.node("Min", graph.size_of(scores, 1), graph.size_of(logits, 1))
    best, place = graph.split("TopK", 2, scores, most, axis=1, sorted=1)
    chosen = graph.gather_rows(corners, graph.node("Div", place, count))
    return add_row_head(graph, chosen, best, graph.node("Mod", place, count), task)


def _corners(graph: GraphBuilder, boxes: str) -> str:
    """Centre and extent (N, A, 4) → corners."""
    half = graph.node("Mul", graph.take(boxes, 2, 2, 4), graph.number(0.5))
    centre = graph.take(boxes, 2, 0, 2)
    near, far = graph.node("Sub", centre, half), graph.node("Add", centre, half)
    return graph.node("Concat", near, far, axis=2)


def _to_pixels(graph: GraphBuilder, boxes: str, network: Size) -> str:
    size = graph.constant(np.array(network * 2, np.float32))
    return graph.node("Mul", _corners(graph, boxes), size)


def _column(graph: GraphBuilder, table: str, column: int) -> str:
    return graph.node("Gather", table, graph.constant(np.array(column, np.int64)), axis=2)


def _best_class(
    graph: GraphBuilder, boxes: str, scores: str, task: HeadTask, *, axis: int
) -> Choice:
    """The best class of every candidate, which counts nothing where that class is dropped."""
    labels = graph.node("ArgMax", scores, axis=axis, keepdims=0)
    return _renumbered(graph, boxes, graph.largest(scores, axis), labels, task)


def _renumbered(
    graph: GraphBuilder, boxes: str, scores: str, labels: str, task: HeadTask
) -> Choice:
    """Network classes → labels of the package; scores of all others become 0."""
    whole = graph.cast(labels, TensorProto.INT64)
    # A class that the labels do not know must not read beyond the table.
    known = graph.node(
        "And",
        graph.node("GreaterOrEqual", whole, graph.constant(np.array(0, np.int64))),
        graph.node("Less", whole, graph.constant(np.array(task.classes, np.int64))),
    )
    beyond = graph.constant(np.array(task.classes, np.int64))
    ids = graph.node(
        "Gather", graph.constant(task.new_ids()), graph.node("Where", known, whole, beyond), axis=0
    )
    ours = graph.node("GreaterOrEqual", ids, graph.constant(np.array(0, np.int64)))
    scores = graph.node("Where", ours, scores, graph.number(0.0))
    return Choice(boxes, scores, graph.node("Max", ids, graph.constant(np.array(0, np.int64))))


def _merged_classes(graph: GraphBuilder, scores: str, task: HeadTask) -> str:
    """(N, C, A) → (N, L, A): the best score of the classes that make each label."""
    if task.groups == each_alone(tuple(range(task.classes))):
        return scores
    widest = max(len(members) for members in task.groups)
    layers = [
        graph.node(
            "Gather",
            scores,
            graph.integers(*(members[min(layer, len(members) - 1)] for members in task.groups)),
            axis=1,
        )
        for layer in range(widest)
    ]
    return layers[0] if widest == 1 else graph.node("Max", *layers)
