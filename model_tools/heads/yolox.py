"""YOLOX: (N, A, 5 + C), box, object score and class scores, with its decoder inside or not.

After Ge et al., "YOLOX: Exceeding YOLO Series in 2021": centre = (offset + cell) * stride, extent =
exp(size) * stride, score = object score * class score.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model_tools.graph.exported import Exported, grid
from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.head import NetworkHead
from model_tools.heads.numpy_parts import NumpyOutputs
from model_tools.heads.task import ROW_COLUMNS, Candidates

STRIDES = (8, 16, 32)


def _has_cells(network: Exported) -> bool:
    return network.has_rows_per_cell(STRIDES)


def _recognise(network: Exported) -> bool:
    output = network.first_output.name
    is_raw = network.behind(output, last=False) == "Conv"
    return _has_cells(network) and is_raw and network.activation(output) == "sigmoid"


def _may_be_decoded(network: Exported) -> bool:
    rows = network.is_query_table and network.only_shape[2] != ROW_COLUMNS
    return rows or _has_cells(network)


def _preprocessing(_: Exported) -> Preprocessing:
    return Preprocessing(colour_order="bgr", scale=1.0, fit="letterbox", centred=False)


def _build(graph: HeadGraph) -> Choice:
    cells, strides = grid(graph.size, STRIDES)
    raw = graph.first_output({2: 5 + graph.task.classes, 1: len(cells)})
    offset = graph.node("Add", graph.take(raw, 2, 0, 2), graph.constant(cells[None]))
    extent = graph.node("Exp", graph.take(raw, 2, 2, 4))
    both = graph.node("Concat", offset, extent, axis=2)
    return graph.best_of_objects(graph.node("Mul", both, graph.constant(strides[None])), raw)


def _build_decoded(graph: HeadGraph) -> Choice:
    raw = graph.first_output({2: 5 + graph.task.classes})
    return graph.best_of_objects(graph.take(raw, 2, 0, 4), raw)


def _reference(seen: NumpyOutputs) -> Candidates:
    raw = seen.first
    cells, strides = seen.cells((8, 16, 32))
    centres = (raw[:, :2] + cells) * strides
    boxes = np.concatenate([centres, np.exp(raw[:, 2:4]) * strides], axis=1)
    return seen.best_objects(boxes, raw[:, 4:])


RAW = NetworkHead(
    name="yolox",
    choose_for="rows of a box that is not decoded, object score and class scores",
    recognise=_recognise,
    may_be=_has_cells,
    build=_build,
    reference=_reference,
    preprocessing=_preprocessing,
    class_counts=lambda network: network.classes_beside(2, 5),
    score_kinds=("none", "sigmoid"),
    suppression="best class",
    nms_iou=0.65,
)
HEADS = (
    replace(
        RAW,
        name="yolox-decoded",
        choose_for="rows of box, object score and class scores in pixels, trained on BGR 0 to 255",
        recognise=lambda network: _has_cells(network) and network.has("Exp"),
        may_be=_may_be_decoded,
        build=_build_decoded,
        reference=lambda seen: seen.best_objects(seen.first[:, :4], seen.first[:, 4:]),
    ),
    RAW,
)
