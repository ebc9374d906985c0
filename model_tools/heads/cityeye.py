"""The built-in networks: (N, 4 + C, A), distances to the four sides in strides, and logits.

Distances may be negative: a point beside a very small object may answer for it.
"""

from __future__ import annotations

import numpy as np

from model_tools.graph.exported import grid
from model_tools.graph.preprocessing import add_clipping
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.head import NetworkHead, letterboxed
from model_tools.heads.numpy_parts import NumpyOutputs
from model_tools.heads.task import Candidates

STRIDES = (8, 16, 32)
"""Cell sizes in pixels of the three maps that the network predicts on."""


def _build(graph: HeadGraph) -> Choice:
    cells, strides = grid(graph.size, STRIDES)
    classes = graph.task.classes
    raw = graph.first_output({1: 4 + classes, 2: len(cells)})
    centres = graph.constant(((cells + 0.5) * strides).T[None])
    distances = graph.node("Mul", graph.take(raw, 1, 0, 4), graph.constant(strides.T[None]))
    near = graph.node("Sub", centres, graph.take(distances, 1, 0, 2))
    far = graph.node("Add", centres, graph.take(distances, 1, 2, 4))
    boxes = graph.node("Transpose", graph.node("Concat", near, far, axis=1), perm=[0, 2, 1])
    scores = graph.node("Sigmoid", graph.take(raw, 1, 4, 4 + classes))
    return graph.every_class(add_clipping(graph, boxes, graph.size), scores)


def _reference(seen: NumpyOutputs) -> Candidates:
    raw = seen.first
    seen.check_columns(len(raw) - 4)
    cells, strides = seen.cells((8, 16, 32))
    middles = cells + 0.5
    sides = np.concatenate([middles - raw[:2].T, middles + raw[2:4].T], axis=1) * strides
    return seen.every_class(seen.clipped(sides), 1 / (1 + np.exp(-raw[4:].T)))


HEADS = (
    NetworkHead(
        name="cityeye",
        choose_for="a network of this project",
        # Nothing in the graph distinguishes it from a YOLO without its sigmoid.
        recognise=lambda _: False,
        may_be=lambda network: network.is_dense,
        build=_build,
        reference=_reference,
        preprocessing=letterboxed,
        class_counts=lambda network: network.classes_beside(1, 4),
        scores=lambda _network, _classes: "sigmoid",
        score_kinds=("sigmoid",),
        suppression="every class",
    ),
)
