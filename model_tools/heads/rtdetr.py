"""RT-DETR as Ultralytics exports it: boxes from 0 to 1 and scores in one output.

Either (N, Q, 4 + C) with class scores, of which the best counts, or, in later exports, (N, Q, 6)
rows that end in score and class.
"""

from __future__ import annotations

import numpy as np

from model_tools.graph.exported import Exported
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.head import NetworkHead, rows_of_output
from model_tools.heads.numpy_parts import NumpyOutputs, best_classes
from model_tools.heads.task import ROW_COLUMNS, Candidates
from models.graph import dimensions


def _recognise(network: Exported) -> bool:
    about = network.metadata.get("head", "") + network.metadata.get("description", "")
    if "rtdetr" in about.lower().replace("-", ""):
        return bool(network.only_shape)
    attends = network.has("Softmax") and network.has("MatMul")
    return network.is_query_table and attends and network.only_shape[2] != ROW_COLUMNS


def _gives_rows(network: Exported) -> bool:
    node = network.joining(network.first_output.name)
    parts = len(node.input) if node else 0
    # With exactly two classes both have six columns, and free exports do not show their columns:
    # the number of parts does, boxes and scores, or boxes, scores and classes.
    if parts in {2, 3}:
        return parts == 3  # noqa: PLR2004
    return dimensions(network.first_output)[-1] == ROW_COLUMNS


def _build(graph: HeadGraph) -> Choice:
    classes, rows = graph.task.classes, _gives_rows(graph.network)
    raw = graph.first_output({2: ROW_COLUMNS if rows else 4 + classes})
    boxes = graph.unit_corners(graph.take(raw, 2, 0, 4))
    if rows:
        return graph.final_rows(boxes, graph.column(raw, 4), graph.column(raw, 5))
    return graph.best_class_of_queries(boxes, graph.take(raw, 2, 4, 4 + classes))


def _reference(seen: NumpyOutputs) -> Candidates:
    raw = seen.first
    boxes = seen.unit_corners(raw[:, :4])
    if _gives_rows(seen.network):
        return Candidates(boxes, raw[:, 4], raw[:, 5].astype(np.int64))
    seen.check_columns(raw.shape[1] - 4)
    return best_classes(boxes, raw[:, 4:])


HEADS = (
    NetworkHead(
        name="rtdetr",
        choose_for="boxes from 0 to 1",
        recognise=_recognise,
        may_be=lambda network: network.is_query_table,
        build=_build,
        reference=_reference,
        class_counts=lambda net: () if _gives_rows(net) else net.classes_beside(2, 4),
        queries=rows_of_output,
    ),
)
