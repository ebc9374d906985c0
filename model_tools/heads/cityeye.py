"""The built-in networks: (N, 4 + C, A), distances to the four sides in strides, and logits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import Preprocessing, add_clipping
from model_tools.graph.selection import Choice, suppress_each_class
from model_tools.heads.graph_parts import as_float, grid, merged_classes
from model_tools.heads.head import Candidates, Head, HeadTask, Numbers, ScoreKind, classes_beside
from model_tools.heads.numpy_parts import cells_of, check_columns, every_class
from model_tools.heads.yolo import is_dense
from models.graph.contract import dimensions

STRIDES = (8, 16, 32)
"""Cell sizes in pixels of the three maps that the network predicts on."""


class CityeyeHead(Head):
    """A point may be several classes; it may lie beside a very small object that it answers for."""

    name = "cityeye"
    choose_for = "a network of this project"
    suppression = "every class"
    score_kinds = ("sigmoid",)

    def recognise(self, network: Exported) -> bool:
        """Never: nothing in the graph tells it from a YOLO without its sigmoid."""
        del network
        return False

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

    def scores(self, network: Exported, classes: int) -> ScoreKind | None:
        """The graph ends in logits."""
        del network, classes
        return "sigmoid"

    def build(self, graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
        """Distances may be negative: a point beside a very small object may answer for it."""
        cells, strides = grid(size, STRIDES)
        shape = dimensions(network.first_output)
        self.checked(shape, {1: 4 + task.classes, 2: len(cells)})
        raw = as_float(graph, network.first_output)
        centres = graph.constant(((cells + 0.5) * strides).T[None])
        distances = graph.node("Mul", graph.take(raw, 1, 0, 4), graph.constant(strides.T[None]))
        near = graph.node("Sub", centres, graph.take(distances, 1, 0, 2))
        far = graph.node("Add", centres, graph.take(distances, 1, 2, 4))
        boxes = graph.node("Transpose", graph.node("Concat", near, far, axis=1), perm=[0, 2, 1])
        logits = merged_classes(graph, graph.take(raw, 1, 4, 4 + task.classes), task)
        boxes = add_clipping(graph, boxes, size)
        return suppress_each_class(graph, boxes, graph.node("Sigmoid", logits), task.selection)

    def reference(
        self, found: Mapping[str, Numbers], network: Exported, task: HeadTask, size: Size
    ) -> Candidates:
        """Sides from the middle of each cell."""
        del network
        raw = next(iter(found.values()))
        check_columns(self.name, len(raw) - 4, task)
        cells, strides = cells_of(size, (8, 16, 32))
        middles = cells + 0.5
        sides = np.concatenate([middles - raw[:2].T, middles + raw[2:4].T], axis=1) * strides
        boxes = np.clip(sides, 0, np.array(size * 2))
        return every_class(boxes, 1 / (1 + np.exp(-raw[4:].T)), task)


HEADS = (CityeyeHead(),)
