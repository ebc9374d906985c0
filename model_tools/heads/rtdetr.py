"""RT-DETR as Ultralytics exports it: boxes from 0 to 1 and scores in one output.

Either (N, Q, 4 + C) with class scores, of which the best counts, or, in later exports, (N, Q, 6)
rows that end in score and class.
"""

from __future__ import annotations

import numpy as np

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from model_tools.graph.placement import Size
from model_tools.graph.selection import Choice, take_best
from model_tools.heads.graph_parts import add_rows_head, as_float, best_class, column, to_pixels
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
    rows_of_output,
)
from model_tools.heads.numpy_parts import best_classes, check_columns, corners_of
from models.graph.contract import dimensions

NAME = "rtdetr"


def _recognise(network: Exported) -> bool:
    about = network.metadata.get("head", "") + network.metadata.get("description", "")
    if "rtdetr" in about.lower().replace("-", ""):
        return bool(only_shape(network))
    attends = network.has("Softmax") and network.has("MatMul")
    return is_query_table(network) and attends and only_shape(network)[2] != ROW_COLUMNS


def _gives_rows(network: Exported) -> bool:
    node = network.joining(network.first_output.name)
    parts = len(node.input) if node else 0
    # With exactly two classes both have six columns, and free exports do not show their columns:
    # the number of parts does, boxes and scores, or boxes, scores and classes.
    if parts in {2, 3}:
        return parts == 3  # noqa: PLR2004
    return dimensions(network.first_output)[-1] == ROW_COLUMNS


def _build(graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
    rows = _gives_rows(network)
    width = ROW_COLUMNS if rows else 4 + task.classes
    check_sizes(NAME, dimensions(network.first_output), {2: width})
    raw = as_float(graph, network.first_output)
    boxes = to_pixels(graph, graph.take(raw, 2, 0, 4), size)
    if rows:
        return add_rows_head(graph, boxes, column(graph, raw, 4), column(graph, raw, 5), task)
    scores = graph.take(raw, 2, 4, 4 + task.classes)
    return take_best(graph, best_class(graph, boxes, scores, task, axis=2), task.selection)


def _reference(found: Outputs, network: Exported, task: HeadTask, size: Size) -> Candidates:
    raw = next(iter(found.values()))
    boxes = corners_of(raw[:, :4]) * np.array(size * 2)
    if _gives_rows(network):
        return Candidates(boxes, raw[:, 4], raw[:, 5].astype(np.int64))
    check_columns(NAME, raw.shape[1] - 4, task)
    return best_classes(boxes, raw[:, 4:])


HEADS = (
    Head(
        name=NAME,
        choose_for="boxes from 0 to 1",
        recognise=_recognise,
        may_be=is_query_table,
        build=_build,
        reference=_reference,
        class_counts=lambda net: () if _gives_rows(net) else classes_beside(net, 2, 4),
        queries=rows_of_output,
    ),
)
