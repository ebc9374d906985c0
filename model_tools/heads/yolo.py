"""Ultralytics' YOLO v8, 11, 26: (N, 4 + C, A) before suppression, or (N, M, 6) rows after it.

One class per candidate, then class-wise suppression, as `non_max_suppression` there does it with
`multi_label` off.
"""

from __future__ import annotations

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from model_tools.graph.placement import Size
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import activated, add_table_head, as_float, best_of_each
from model_tools.heads.head import (
    ROW_COLUMNS,
    Candidates,
    Head,
    HeadTask,
    Outputs,
    check_sizes,
    classes_beside,
    is_dense,
    is_query_table,
    letterboxed,
    only_shape,
    rows_of_output,
)
from model_tools.heads.numpy_parts import (
    best_classes,
    check_columns,
    corners_of,
    probabilities,
    rows_of_table,
)
from models.graph.contract import dimensions

NAME, END_TO_END = "yolo", "yolo-e2e"


def _recognise(network: Exported) -> bool:
    output = network.first_output.name
    if not only_shape(network) or network.activation(output) != "sigmoid":
        return False
    node = network.joining(output)
    on_columns = node is not None and [one.i for one in node.attribute if one.name == "axis"] == [1]
    is_free = not any(isinstance(one, int) for one in only_shape(network)[1:])
    return is_dense(network) or (is_free and on_columns)


def _recognise_rows(network: Exported) -> bool:
    selects = network.has("TopK") or network.has("NonMaxSuppression")
    return only_shape(network)[2:] == (ROW_COLUMNS,) and selects


def _build(graph: GraphBuilder, network: Exported, task: HeadTask, _: Size) -> Choice:
    check_sizes(NAME, dimensions(network.first_output), {1: 4 + task.classes})
    raw = as_float(graph, network.first_output)
    boxes = graph.node("Transpose", graph.take(raw, 1, 0, 4), perm=[0, 2, 1])
    scores = activated(graph, graph.take(raw, 1, 4, 4 + task.classes), task.scores, axis=1)
    return best_of_each(graph, boxes, scores, task, axis=1)


def _build_rows(graph: GraphBuilder, network: Exported, task: HeadTask, _: Size) -> Choice:
    check_sizes(END_TO_END, dimensions(network.first_output), {2: ROW_COLUMNS})
    return add_table_head(graph, as_float(graph, network.first_output), task)


def _reference(found: Outputs, _: Exported, task: HeadTask, _size: Size) -> Candidates:
    columns = next(iter(found.values())).T
    check_columns(NAME, columns.shape[1] - 4, task)
    return best_classes(corners_of(columns[:, :4]), probabilities(columns[:, 4:], task))


HEADS = (
    Head(
        name=END_TO_END,
        choose_for="rows x1 y1 x2 y2 score class in pixels",
        recognise=_recognise_rows,
        may_be=lambda net: is_query_table(net) and only_shape(net)[2] == ROW_COLUMNS,
        build=_build_rows,
        reference=rows_of_table,
        preprocessing=letterboxed,
        queries=rows_of_output,
    ),
    Head(
        name=NAME,
        choose_for="columns of a box in pixels and class scores (of logits: --scores sigmoid)",
        recognise=_recognise,
        may_be=is_dense,
        build=_build,
        reference=_reference,
        preprocessing=letterboxed,
        class_counts=lambda network: classes_beside(network, 1, 4),
        score_kinds=("none", "sigmoid", "softmax"),
        suppression="best class",
        nms_iou=0.7,
    ),
)
