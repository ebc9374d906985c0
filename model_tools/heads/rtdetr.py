"""RT-DETR as Ultralytics exports it: boxes from 0 to 1 and scores in one output."""

from __future__ import annotations

from collections.abc import Mapping

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
    Numbers,
    classes_beside,
    only_shape,
)
from model_tools.heads.numpy_parts import best_classes, check_columns, corners_of
from model_tools.heads.yolo import is_query_table
from models.graph.contract import Dimension, dimensions


class RtdetrHead(Head):
    """(N, Q, 4 + C) with class scores, or in later exports (N, Q, 6) with score and class."""

    name = "rtdetr"
    choose_for = "boxes from 0 to 1"

    def recognise(self, network: Exported) -> bool:
        """Ultralytics says so, or there is attention before a table of queries."""
        about = network.metadata.get("head", "") + network.metadata.get("description", "")
        if "rtdetr" in about.lower().replace("-", ""):
            return bool(only_shape(network))
        attends = network.has("Softmax") and network.has("MatMul")
        return is_query_table(network) and attends and only_shape(network)[2] != ROW_COLUMNS

    def may_be(self, network: Exported) -> bool:
        """Whether there is a table of queries."""
        return is_query_table(network)

    def class_counts(self, network: Exported) -> tuple[int, ...]:
        """What is left of axis 2 beside the box, if it ends in class scores."""
        return () if gives_rows(network) else classes_beside(network, 2, 4)

    def queries(self, network: Exported) -> Dimension:
        """As many as there are rows."""
        return dimensions(network.first_output)[1]

    def build(self, graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
        """One class per query."""
        rows = gives_rows(network)
        width = ROW_COLUMNS if rows else 4 + task.classes
        self.checked(dimensions(network.first_output), {2: width})
        raw = as_float(graph, network.first_output)
        boxes = to_pixels(graph, graph.take(raw, 2, 0, 4), size)
        if rows:
            scores, labels = (column(graph, raw, place) for place in (4, 5))
            return add_rows_head(graph, boxes, scores, labels, task)
        scores = graph.take(raw, 2, 4, 4 + task.classes)
        found = best_class(graph, boxes, scores, task, axis=2)
        return take_best(graph, found, task.selection)

    def reference(
        self, found: Mapping[str, Numbers], network: Exported, task: HeadTask, size: Size
    ) -> Candidates:
        """Either kind of row."""
        raw = next(iter(found.values()))
        boxes = corners_of(raw[:, :4]) * np.array(size * 2)
        if gives_rows(network):
            return Candidates(boxes, raw[:, 4], raw[:, 5].astype(np.int64))
        check_columns(self.name, raw.shape[1] - 4, task)
        return best_classes(boxes, raw[:, 4:])


def gives_rows(network: Exported) -> bool:
    """Whether the output ends in score and class instead of in all class scores."""
    parts = network.joined(network.first_output.name)
    # With exactly two classes both have six columns, and free exports do not show their columns:
    # the number of parts does, boxes and scores, or boxes, scores and classes.
    if len(parts) in {2, 3}:
        return len(parts) == 3  # noqa: PLR2004
    return dimensions(network.first_output)[-1] == ROW_COLUMNS


HEADS = (RtdetrHead(),)
