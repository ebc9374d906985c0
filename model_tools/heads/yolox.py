"""YOLOX: (N, A, 5 + C), box, object score and class scores, with its decoder inside or not.

After Ge et al., "YOLOX: Exceeding YOLO Series in 2021": centre = (offset + cell) * stride, extent =
exp(size) * stride, score = object score * class score.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import as_float, best_of_objects, grid, has_rows_per_cell
from model_tools.heads.head import (
    ROW_COLUMNS,
    Candidates,
    Head,
    HeadTask,
    Outputs,
    check_sizes,
    classes_beside,
    is_query_table,
    only_shape,
)
from model_tools.heads.numpy_parts import best_objects, cells_of
from models.graph.contract import dimensions

NAME, DECODED = "yolox", "yolox-decoded"
STRIDES = (8, 16, 32)


def _has_cells(network: Exported) -> bool:
    return has_rows_per_cell(network, STRIDES)


def _recognise(network: Exported) -> bool:
    output = network.first_output.name
    is_raw = network.behind(output, last=False) == "Conv"
    return _has_cells(network) and is_raw and network.activation(output) == "sigmoid"


def _may_be_decoded(network: Exported) -> bool:
    rows = is_query_table(network) and only_shape(network)[2] != ROW_COLUMNS
    return rows or _has_cells(network)


def _preprocessing(_: Exported) -> Preprocessing:
    return Preprocessing(colour_order="bgr", scale=1.0, fit="letterbox", centred=False)


def _build(graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
    cells, strides = grid(size, STRIDES)
    check_sizes(NAME, dimensions(network.first_output), {2: 5 + task.classes, 1: len(cells)})
    raw = as_float(graph, network.first_output)
    offset = graph.node("Add", graph.take(raw, 2, 0, 2), graph.constant(cells[None]))
    extent = graph.node("Exp", graph.take(raw, 2, 2, 4))
    both = graph.node("Concat", offset, extent, axis=2)
    boxes = graph.node("Mul", both, graph.constant(strides[None]))
    return best_of_objects(graph, boxes, raw, task)


def _build_decoded(graph: GraphBuilder, network: Exported, task: HeadTask, _: Size) -> Choice:
    check_sizes(DECODED, dimensions(network.first_output), {2: 5 + task.classes})
    raw = as_float(graph, network.first_output)
    return best_of_objects(graph, graph.take(raw, 2, 0, 4), raw, task)


def _reference(found: Outputs, _: Exported, task: HeadTask, size: Size) -> Candidates:
    raw = next(iter(found.values()))
    cells, strides = cells_of(size, (8, 16, 32))
    centres = (raw[:, :2] + cells) * strides
    boxes = np.concatenate([centres, np.exp(raw[:, 2:4]) * strides], axis=1)
    return best_objects(NAME, boxes, raw[:, 4:], task)


def _reference_decoded(found: Outputs, _: Exported, task: HeadTask, _size: Size) -> Candidates:
    raw = next(iter(found.values()))
    return best_objects(DECODED, raw[:, :4], raw[:, 4:], task)


RAW = Head(
    name=NAME,
    choose_for="rows of a box that is not decoded, object score and class scores",
    recognise=_recognise,
    may_be=_has_cells,
    build=_build,
    reference=_reference,
    preprocessing=_preprocessing,
    class_counts=lambda network: classes_beside(network, 2, 5),
    score_kinds=("none", "sigmoid"),
    suppression="best class",
    nms_iou=0.65,
)
HEADS = (
    replace(
        RAW,
        name=DECODED,
        choose_for="rows of box, object score and class scores in pixels, trained on BGR 0 to 255",
        recognise=lambda network: _has_cells(network) and network.has("Exp"),
        may_be=_may_be_decoded,
        build=_build_decoded,
        reference=_reference_decoded,
    ),
    RAW,
)
