"""Ultralytics' YOLO v8, 11, 26: (N, 4 + C, A) before suppression, or (N, M, 6) rows after it.

One class per candidate, then class-wise suppression, as `non_max_suppression` there does it with
`multi_label` off.
"""

from __future__ import annotations

from model_tools.graph.exported import Exported
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.head import NetworkHead, letterboxed, rows_of_output
from model_tools.heads.numpy_parts import NumpyOutputs, best_classes, corners_of, rows_of_table
from model_tools.heads.task import ROW_COLUMNS, Candidates


def _recognise(network: Exported) -> bool:
    output = network.first_output.name
    if not network.only_shape or network.activation(output) != "sigmoid":
        return False
    node = network.joining(output)
    on_columns = node is not None and [one.i for one in node.attribute if one.name == "axis"] == [1]
    is_free = not any(isinstance(one, int) for one in network.only_shape[1:])
    return network.is_dense or (is_free and on_columns)


def _has_rows(network: Exported) -> bool:
    return network.only_shape[2:] == (ROW_COLUMNS,)


def _recognise_rows(network: Exported) -> bool:
    selects = network.has("TopK") or network.has("NonMaxSuppression")
    return _has_rows(network) and selects


def _build(graph: HeadGraph) -> Choice:
    task = graph.task
    raw = graph.first_output({1: 4 + task.classes})
    boxes = graph.node("Transpose", graph.take(raw, 1, 0, 4), perm=[0, 2, 1])
    scores = graph.activated(graph.take(raw, 1, 4, 4 + task.classes), task.scores, axis=1)
    return graph.best_of_each(boxes, scores, axis=1)


def _reference(seen: NumpyOutputs) -> Candidates:
    columns = seen.first.T
    seen.check_columns(columns.shape[1] - 4)
    return best_classes(corners_of(columns[:, :4]), seen.probabilities(columns[:, 4:]))


HEADS = (
    NetworkHead(
        name="yolo-e2e",
        choose_for="rows x1 y1 x2 y2 score class in pixels",
        recognise=_recognise_rows,
        may_be=lambda network: network.is_query_table and _has_rows(network),
        build=lambda graph: graph.final_table(graph.first_output({2: ROW_COLUMNS})),
        reference=rows_of_table,
        preprocessing=letterboxed,
        queries=rows_of_output,
    ),
    NetworkHead(
        name="yolo",
        choose_for="columns of a box in pixels and class scores (of logits: --scores sigmoid)",
        recognise=_recognise,
        may_be=lambda network: network.is_dense,
        build=_build,
        reference=_reference,
        preprocessing=letterboxed,
        class_counts=lambda network: network.classes_beside(1, 4),
        score_kinds=("none", "sigmoid", "softmax"),
        suppression="best class",
        nms_iou=0.7,
    ),
)
