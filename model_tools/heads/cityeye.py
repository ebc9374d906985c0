"""The built-in networks: (N, 4 + C, A), distances to the four sides in strides, and logits.

Distances may be negative: a point beside a very small object may answer for it.
"""

from __future__ import annotations

import numpy as np

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import add_clipping
from model_tools.graph.selection import Choice, suppress_each_class
from model_tools.heads.graph_parts import as_float, grid, merged_classes
from model_tools.heads.head import (
    Candidates,
    Head,
    HeadTask,
    Outputs,
    check_sizes,
    classes_beside,
    is_dense,
    letterboxed,
)
from model_tools.heads.numpy_parts import cells_of, check_columns, every_class
from models.graph.contract import dimensions

NAME = "cityeye"
STRIDES = (8, 16, 32)
"""Cell sizes in pixels of the three maps that the network predicts on."""


def _build(graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
    cells, strides = grid(size, STRIDES)
    check_sizes(NAME, dimensions(network.first_output), {1: 4 + task.classes, 2: len(cells)})
    raw = as_float(graph, network.first_output)
    centres = graph.constant(((cells + 0.5) * strides).T[None])
    distances = graph.node("Mul", graph.take(raw, 1, 0, 4), graph.constant(strides.T[None]))
    near = graph.node("Sub", centres, graph.take(distances, 1, 0, 2))
    far = graph.node("Add", centres, graph.take(distances, 1, 2, 4))
    boxes = graph.node("Transpose", graph.node("Concat", near, far, axis=1), perm=[0, 2, 1])
    logits = merged_classes(graph, graph.take(raw, 1, 4, 4 + task.classes), task)
    boxes = add_clipping(graph, boxes, size)
    return suppress_each_class(graph, boxes, graph.node("Sigmoid", logits), task.selection)


def _reference(found: Outputs, _: Exported, task: HeadTask, size: Size) -> Candidates:
    raw = next(iter(found.values()))
    check_columns(NAME, len(raw) - 4, task)
    cells, strides = cells_of(size, (8, 16, 32))
    middles = cells + 0.5
    sides = np.concatenate([middles - raw[:2].T, middles + raw[2:4].T], axis=1) * strides
    boxes = np.clip(sides, 0, np.array(size * 2))
    return every_class(boxes, 1 / (1 + np.exp(-raw[4:].T)), task)


HEADS = (
    Head(
        name=NAME,
        choose_for="a network of this project",
        # Nothing in the graph distinguishes it from a YOLO without its sigmoid.
        recognise=lambda _: False,
        may_be=is_dense,
        build=_build,
        reference=_reference,
        preprocessing=letterboxed,
        class_counts=lambda network: classes_beside(network, 1, 4),
        scores=lambda _network, _classes: "sigmoid",
        score_kinds=("sigmoid",),
        suppression="every class",
    ),
)
