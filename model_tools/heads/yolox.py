"""YOLOX: (N, A, 5 + C), box, object score and class scores, with its decoder inside or not.

After Ge et al., "YOLOX: Exceeding YOLO Series in 2021": centre = (offset + cell) * stride, extent =
exp(size) * stride.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import activated, as_float, best_of_each, grid
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
    cells_of,
    check_columns,
    corners_of,
    probabilities,
)
from model_tools.heads.yolo import is_query_table
from models.graph.contract import dimensions

STRIDES = (8, 16, 32)
FREE_SIZE = (640, 640)
"""Taken to count cells where the export leaves the image's size open."""


class YoloxHead(Head):
    """Offsets from cells, in strides."""

    name = "yolox"
    choose_for = "rows of a box that is not decoded, object score and class scores"
    suppression = "best class"
    nms_iou = 0.65
    score_kinds = ("none", "sigmoid")
    decoded = False

    def recognise(self, network: Exported) -> bool:
        """A row for every cell whose box comes straight from a convolution."""
        return has_row_per_cell(network, STRIDES) and (
            network.behind(network.first_output.name, last=False) == "Conv"
            and network.activation(network.first_output.name) == "sigmoid"
        )

    def may_be(self, network: Exported) -> bool:
        """Whether there is a row for every cell."""
        return has_row_per_cell(network, STRIDES)

    def preprocessing(self, network: Exported) -> Preprocessing:
        """BGR, 0 to 255, letterbox in the upper left corner."""
        del network
        return Preprocessing(colour_order="bgr", scale=1.0, fit="letterbox", centred=False)

    def class_counts(self, network: Exported) -> tuple[int, ...]:
        """What is left of axis 2 beside box and object score."""
        return classes_beside(network, 2, 5)

    def build(self, graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
        """Decodes if need be; the score is that of the object times that of the class."""
        shape = dimensions(network.first_output)
        self.checked(shape, {2: 5 + task.classes})
        raw = as_float(graph, network.first_output)
        boxes = graph.take(raw, 2, 0, 4)
        if not self.decoded:
            cells, strides = grid(size, STRIDES)
            self.checked(shape, {1: len(cells)})
            offset = graph.node("Add", graph.take(raw, 2, 0, 2), graph.constant(cells[None]))
            extent = graph.node("Exp", graph.take(raw, 2, 2, 4))
            both = graph.node("Concat", offset, extent, axis=2)
            boxes = graph.node("Mul", both, graph.constant(strides[None]))
        kind = task.scores or "none"
        classes = activated(graph, graph.take(raw, 2, 5, 5 + task.classes), kind, axis=2)
        objects = activated(graph, graph.take(raw, 2, 4, 5), kind, axis=2)
        scores = graph.node("Mul", classes, objects)
        return best_of_each(graph, boxes, scores, task, axis=2)

    def reference(
        self, found: Mapping[str, Numbers], network: Exported, task: HeadTask, size: Size
    ) -> Candidates:
        """(A, 5 + C), decoded or not."""
        del network
        raw = next(iter(found.values()))
        check_columns(self.name, raw.shape[1] - 5, task)
        boxes = raw[:, :4]
        if not self.decoded:
            cells, strides = cells_of(size, (8, 16, 32))
            centres = (raw[:, :2] + cells) * strides
            boxes = np.concatenate([centres, np.exp(raw[:, 2:4]) * strides], axis=1)
        scores = probabilities(raw[:, 4:5], task) * probabilities(raw[:, 5:], task)
        return best_classes(corners_of(boxes), scores)


class DecodedYoloxHead(YoloxHead):
    """Boxes as centre and extent in pixels."""

    name = "yolox-decoded"
    choose_for = "rows of a box, object score and class scores in pixels, trained on BGR 0 to 255"
    decoded = True

    def recognise(self, network: Exported) -> bool:
        """A row for every cell, and the exponential of the decoder inside."""
        return has_row_per_cell(network, STRIDES) and network.has("Exp")

    def may_be(self, network: Exported) -> bool:
        """Whether there are rows of more than six columns."""
        rows = is_query_table(network) and only_shape(network)[2] != ROW_COLUMNS
        return rows or has_row_per_cell(network, STRIDES)


def has_row_per_cell(network: Exported, strides: tuple[int, ...], boxes: int = 1) -> bool:
    """Whether an output (N, A, K) has `boxes` rows for each cell of an image."""
    _, middle, last = only_shape(network) or (None, 0, 0)
    size, _ = network.image_input("not known yet", FREE_SIZE)
    rows = boxes * len(grid(size, strides)[0])
    return middle == rows and isinstance(last, int) and last > 5  # noqa: PLR2004


HEADS = (DecodedYoloxHead(), YoloxHead())
