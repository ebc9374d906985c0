"""`HeadGraph`: the graph in which a head is built, with the steps that several heads share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto, ValueInfoProto

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported, mismatch, shown_shape
from model_tools.graph.placement import ImageSize
from model_tools.graph.selection import (
    Choice,
    suppress_each_class,
    suppress_one_class,
    take_best,
)
from model_tools.heads.task import HeadTask, ScoreKind, each_alone
from models.graph import Dimension, dimensions


class HeadGraph(GraphBuilder):
    """Collects the nodes of a head; boxes of candidates stay in the network's pixels.

    Attributes:
        head: Name of the head, for errors.
        network: The network, whose outputs are tensors of the graph.
        task: What is wanted.
        size: Size of the network's image.
    """

    def __init__(
        self, head: str, network: Exported, task: HeadTask, size: ImageSize, prefix: str
    ) -> None:
        super().__init__(network.opset, prefix)
        self.head = head
        self.network = network
        self.task = task
        self.size = size

    def first_output(self, sizes: Mapping[int, int]) -> str:
        """The first output as float32, once it has the sizes (axis → size) that it must have."""
        self.check(dimensions(self.network.first_output), sizes)
        return self.as_float(self.network.first_output)

    def check(self, shape: tuple[Dimension, ...], sizes: Mapping[int, int]) -> None:
        """Compares sizes of some axes of a (N, ., .) output, as far as the export has them.

        Raises:
            GraphError: It has not three axes, or one of them is of another size.
        """
        seen = f"output {shown_shape(shape)}"
        if len(shape) != 3:  # noqa: PLR2004
            raise mismatch(self.head, f"{seen} has not three axes", "check the head")
        for axis, size in sizes.items():
            if isinstance(shape[axis], int) and shape[axis] != size:
                problem = f"{seen} must have {size} on axis {axis}"
                raise mismatch(self.head, problem, "check head, size and labels")

    def as_float(self, output: ValueInfoProto) -> str:
        """An output of the network as float32."""
        if output.type.tensor_type.elem_type == TensorProto.FLOAT:
            return output.name
        return self.cast(output.name, TensorProto.FLOAT)

    def activated(self, raw: str, kind: ScoreKind | None, axis: int) -> str:
        """Class columns → scores from 0 to 1; `axis` is where the classes are."""
        if kind == "sigmoid":
            return self.node("Sigmoid", raw)
        return self.node("Softmax", raw, axis=axis) if kind == "softmax" else raw

    def best_of_each(self, boxes: str, scores: str, axis: int) -> Choice:
        """One class per candidate, then class-wise suppression, as most YOLOs do it.

        Args:
            boxes: (N, A, 4) centre and extent in pixels.
            scores: Class scores, (N, A, C) or (N, C, A).
            axis: Where the classes are.
        """
        found = self.best_class(self.corners(boxes), scores, axis)
        return suppress_one_class(self, found, len(self.task.groups), self.task.selection)

    def best_of_objects(self, boxes: str, raw: str) -> Choice:
        """`best_of_each` of boxes (N, A, 4) and the scores in (N, A, 5 + C): object times class."""
        classes = self.task.classes
        both = self.activated(self.take(raw, 2, 4, 5 + classes), self.task.scores, axis=2)
        objects = self.take(both, 2, 0, 1)
        return self.best_of_each(
            boxes, self.node("Mul", self.take(both, 2, 1, 1 + classes), objects), axis=2
        )

    def every_class(self, boxes: str, scores: str) -> Choice:
        """Suppression where a candidate may be several classes.

        Args:
            boxes: (N, A, 4) corners in pixels.
            scores: (N, C, A).
        """
        return suppress_each_class(self, boxes, self._merged(scores), self.task.selection)

    def final_rows(self, boxes: str, scores: str, labels: str) -> Choice:
        """No suppression: boxes (N, Q, 4) in pixels, scores and network classes (N, Q)."""
        found = self._renumbered(boxes, scores, labels)
        return take_best(self, found, self.task.selection)

    def final_table(self, table: str) -> Choice:
        """(N, Q, 6) rows x1 y1 x2 y2 score class, as end-to-end exports and packages give them."""
        boxes = self.take(table, 2, 0, 4)
        return self.final_rows(boxes, self.column(table, 4), self.column(table, 5))

    def best_class_of_queries(self, boxes: str, scores: str) -> Choice:
        """No suppression: corners (N, Q, 4) in pixels and class scores (N, Q, C)."""
        return take_best(self, self.best_class(boxes, scores, axis=2), self.task.selection)

    def corners(self, boxes: str) -> str:
        """Centre and extent (N, A, 4) → corners."""
        half = self.node("Mul", self.take(boxes, 2, 2, 4), self.number(0.5))
        centre = self.take(boxes, 2, 0, 2)
        near, far = self.node("Sub", centre, half), self.node("Add", centre, half)
        return self.node("Concat", near, far, axis=2)

    def unit_corners(self, boxes: str) -> str:
        """Centre and extent from 0 to 1 (N, Q, 4) → corners in pixels."""
        size = self.constant(np.array(self.size * 2, np.float32))
        return self.node("Mul", self.corners(boxes), size)

    def column(self, table: str, place: int) -> str:
        """One column (N, Q) of a table (N, Q, K)."""
        return self.node("Gather", table, self.constant(np.array(place, np.int64)), axis=2)

    def best_class(self, boxes: str, scores: str, axis: int) -> Choice:
        """The best class of every candidate, which counts nothing where that class is dropped."""
        labels = self.node("ArgMax", scores, axis=axis, keepdims=0)
        return self._renumbered(boxes, self.largest(scores, axis), labels)

    def _renumbered(self, boxes: str, scores: str, labels: str) -> Choice:
        """Network classes → labels of the package; scores of all others become 0."""
        zero, beyond = (
            self.constant(np.array(number, np.int64)) for number in (0, self.task.classes)
        )
        whole = self.cast(labels, TensorProto.INT64)
        # A class that the labels do not know must not read beyond the table.
        known = self.node(
            "And",
            self.node("GreaterOrEqual", whole, zero),
            self.node("Less", whole, beyond),
        )
        place = self.node("Where", known, whole, beyond)
        ids = self.node("Gather", self.constant(self.task.new_ids()), place, axis=0)
        ours = self.node("GreaterOrEqual", ids, zero)
        scores = self.node("Where", ours, scores, self.number(0.0))
        return Choice(boxes, scores, self.node("Max", ids, zero))

    def _merged(self, scores: str) -> str:
        """(N, C, A) → (N, L, A): the best score of the classes that make each label."""
        groups = self.task.groups
        if groups == each_alone(tuple(range(self.task.classes))):
            return scores
        widest = max(len(members) for members in groups)
        layers = [
            self.node(
                "Gather",
                scores,
                self.integers(*(members[min(layer, len(members) - 1)] for members in groups)),
                axis=1,
            )
            for layer in range(widest)
        ]
        return layers[0] if widest == 1 else self.node("Max", *layers)
