"""Steps that graphs of several heads share: boxes, scores and classes as ONNX nodes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, ValueInfoProto

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from model_tools.graph.placement import Size
from model_tools.graph.selection import Choice, suppress_one_class, take_best
from model_tools.heads.head import HeadTask, ScoreKind, each_alone, only_shape

FREE_SIZE = (640, 640)
"""Taken to count cells where the export leaves the image's size open."""


def grid(
    size: Size, strides: tuple[int, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Cells of all strides in the given order, row by row; a cell may reach over the border.

    Returns:
        (A, 2) column and row of each cell, and (A, 1) its stride in pixels.
    """
    cells, sizes = [], []
    for stride in strides:
        columns, rows = np.meshgrid(
            np.arange(-(-size[0] // stride)), np.arange(-(-size[1] // stride)), indexing="xy"
        )
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        sizes.append(np.full((columns.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(sizes).astype(np.float32)


def as_float(graph: GraphBuilder, output: ValueInfoProto) -> str:
    """An output of the network as float32."""
    if output.type.tensor_type.elem_type == TensorProto.FLOAT:
        return output.name
    return graph.cast(output.name, TensorProto.FLOAT)


def activated(graph: GraphBuilder, raw: str, kind: ScoreKind | None, axis: int) -> str:
    """Class columns → scores from 0 to 1; `axis` is where the classes are."""
    if kind == "sigmoid":
        return graph.node("Sigmoid", raw)
    return graph.node("Softmax", raw, axis=axis) if kind == "softmax" else raw


def best_of_each(
    graph: GraphBuilder, boxes: str, scores: str, task: HeadTask, *, axis: int
) -> Choice:
    """One class per candidate, then class-wise suppression, as most YOLOs do it.

    Args:
        graph: Where the nodes go.
        boxes: (N, A, 4) centre and extent in pixels.
        scores: Class scores, (N, A, C) or (N, C, A).
        task: What is wanted.
        axis: Where the classes are.
    """
    found = best_class(graph, corners(graph, boxes), scores, task, axis=axis)
    return suppress_one_class(graph, found, len(task.groups), task.selection)


def best_of_objects(graph: GraphBuilder, boxes: str, raw: str, task: HeadTask) -> Choice:
    """`best_of_each` of boxes (N, A, 4) and the scores in (N, A, 5 + C): object times class."""
    both = activated(graph, graph.take(raw, 2, 4, 5 + task.classes), task.scores, axis=2)
    classes = graph.take(both, 2, 1, 1 + task.classes)
    scores = graph.node("Mul", classes, graph.take(both, 2, 0, 1))
    return best_of_each(graph, boxes, scores, task, axis=2)


def has_rows_per_cell(network: Exported, strides: tuple[int, ...], boxes: int = 1) -> bool:
    """Whether an output (N, A, K) has `boxes` rows for each cell of the network's image."""
    _, middle, last = only_shape(network) or (None, 0, 0)
    size, _ = network.image_input("not known yet", FREE_SIZE)
    rows = boxes * len(grid(size, strides)[0])
    return middle == rows and isinstance(last, int) and last > 5  # noqa: PLR2004


def add_rows_head(
    graph: GraphBuilder, boxes: str, scores: str, labels: str, task: HeadTask
) -> Choice:
    """What needs no suppression: boxes (N, Q, 4) in pixels, scores and network classes (N, Q)."""
    return take_best(graph, renumbered(graph, boxes, scores, labels, task), task.selection)


def add_table_head(graph: GraphBuilder, table: str, task: HeadTask) -> Choice:
    """(N, Q, 6) rows x1 y1 x2 y2 score class, as end-to-end exports and packages give them."""
    scores, labels = (column(graph, table, place) for place in (4, 5))
    return add_rows_head(graph, graph.take(table, 2, 0, 4), scores, labels, task)


def corners(graph: GraphBuilder, boxes: str) -> str:
    """Centre and extent (N, A, 4) → corners."""
    half = graph.node("Mul", graph.take(boxes, 2, 2, 4), graph.number(0.5))
    centre = graph.take(boxes, 2, 0, 2)
    near, far = graph.node("Sub", centre, half), graph.node("Add", centre, half)
    return graph.node("Concat", near, far, axis=2)


def to_pixels(graph: GraphBuilder, boxes: str, network: Size) -> str:
    """Centre and extent from 0 to 1 (N, Q, 4) → corners in pixels."""
    size = graph.constant(np.array(network * 2, np.float32))
    return graph.node("Mul", corners(graph, boxes), size)


def column(graph: GraphBuilder, table: str, place: int) -> str:
    """One column (N, Q) of a table (N, Q, K)."""
    return graph.node("Gather", table, graph.constant(np.array(place, np.int64)), axis=2)


def best_class(
    graph: GraphBuilder, boxes: str, scores: str, task: HeadTask, *, axis: int
) -> Choice:
    """The best class of every candidate, which counts nothing where that class is dropped."""
    labels = graph.node("ArgMax", scores, axis=axis, keepdims=0)
    return renumbered(graph, boxes, graph.largest(scores, axis), labels, task)


def renumbered(graph: GraphBuilder, boxes: str, scores: str, labels: str, task: HeadTask) -> Choice:
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


def merged_classes(graph: GraphBuilder, scores: str, task: HeadTask) -> str:
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
