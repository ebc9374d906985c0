"""Ultralytics' YOLO v8, 11, 26: (N, 4 + C, A) before suppression, or (N, M, 6) rows after it."""

from __future__ import annotations

from collections.abc import Mapping

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import activated, add_table_head, as_float, best_of_each
from model_tools.heads.head import (
    ROW_COLUMNS,
    Candidates,
    Head,
    HeadTask,
    Numbers,
    classes_beside,
    only_shape,
)
from model_tools.heads.numpy_parts import (
    best_classes,
    check_columns,
    corners_of,
    probabilities,
    rows_of_table,
)
from models.graph.contract import Dimension, dimensions

MOST_QUERIES = 1000


class YoloHead(Head):
    """Centre and extent in pixels and class scores, in columns."""

    name = "yolo"
    choose_for = "columns of a box in pixels and class scores (with logits, add --scores sigmoid)"
    suppression = "best class"
    nms_iou = 0.7
    score_kinds = ("none", "sigmoid", "softmax")

    def recognise(self, network: Exported) -> bool:
        """Columns on the middle axis, the last ones made by a sigmoid."""
        _, middle, last = only_shape(network) or (None, 0, 0)
        if not is_dense(network) and (isinstance(middle, int) or isinstance(last, int)):
            return False
        output = network.first_output.name
        return network.activation(output) == "sigmoid" and (
            is_dense(network) or network.joined_on(output) == 1
        )

    def may_be(self, network: Exported) -> bool:
        """Whether there are columns of boxes and classes."""
        return is_dense(network)

    def preprocessing(self, network: Exported) -> Preprocessing:
        """RGB, 0 to 1, centred letterbox."""
        del network
        return Preprocessing(fit="letterbox")

    def class_counts(self, network: Exported) -> tuple[int, ...]:
        """What is left of axis 1 beside the box."""
        return classes_beside(network, 1, 4)

    def build(self, graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
        """As `non_max_suppression` there does it with `multi_label` off."""
        del size
        self.checked(dimensions(network.first_output), {1: 4 + task.classes})
        raw = as_float(graph, network.first_output)
        boxes = graph.node("Transpose", graph.take(raw, 1, 0, 4), perm=[0, 2, 1])
        columns = graph.take(raw, 1, 4, 4 + task.classes)
        scores = activated(graph, columns, task.scores or "none", axis=1)
        return best_of_each(graph, boxes, scores, task, axis=1)

    def reference(
        self, found: Mapping[str, Numbers], network: Exported, task: HeadTask, size: Size
    ) -> Candidates:
        """(4 + C, A), read by columns."""
        del network, size
        columns = next(iter(found.values())).T
        check_columns(self.name, columns.shape[1] - 4, task)
        return best_classes(corners_of(columns[:, :4]), probabilities(columns[:, 4:], task))


class YoloEndToEndHead(Head):
    """Rows x1 y1 x2 y2 score class in pixels, chosen inside the network."""

    name = "yolo-e2e"
    choose_for = "rows x1 y1 x2 y2 score class in pixels"

    def recognise(self, network: Exported) -> bool:
        """Six columns, and a selection inside."""
        selects = network.has("TopK") or network.has("NonMaxSuppression")
        return only_shape(network)[2:] == (ROW_COLUMNS,) and selects

    def may_be(self, network: Exported) -> bool:
        """Whether there are rows of six."""
        return is_query_table(network) and only_shape(network)[2] == ROW_COLUMNS

    def preprocessing(self, network: Exported) -> Preprocessing:
        """RGB, 0 to 1, centred letterbox."""
        del network
        return Preprocessing(fit="letterbox")

    def queries(self, network: Exported) -> Dimension:
        """As many as there are rows."""
        return dimensions(network.first_output)[1]

    def build(self, graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
        """The best rows of the kept classes."""
        del size
        self.checked(dimensions(network.first_output), {2: ROW_COLUMNS})
        return add_table_head(graph, as_float(graph, network.first_output), task)

    def reference(
        self, found: Mapping[str, Numbers], network: Exported, task: HeadTask, size: Size
    ) -> Candidates:
        """The rows themselves."""
        del network, task, size
        return rows_of_table(next(iter(found.values())))


def is_dense(network: Exported) -> bool:
    """Whether an output has few rows of many columns: (N, 4 + C, A)."""
    _, middle, last = only_shape(network) or (None, 0, 0)
    return isinstance(middle, int) and middle > 4 and not (isinstance(last, int) and last < middle)  # noqa: PLR2004


def is_query_table(network: Exported) -> bool:
    """Whether an output has some hundred rows of some columns: (N, Q, K)."""
    _, middle, last = only_shape(network) or (None, 0, 0)
    if not (isinstance(middle, int) and isinstance(last, int)):
        return False
    return last > 4 and middle <= MOST_QUERIES and not is_dense(network)  # noqa: PLR2004


HEADS = (YoloEndToEndHead(), YoloHead())
