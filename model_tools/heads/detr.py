"""DETR and what came of it: final `labels`, `boxes`, `scores`, or `logits` and `pred_boxes`.

Carion et al. 2020 take a softmax over the classes and one more for "no object"; Deformable DETR,
RT-DETR and RF-DETR take a sigmoid for every class, and some keep that last column although nothing
uses it. Bare logits of one column more than classes may be either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported, mismatch
from model_tools.graph.placement import Size
from model_tools.graph.selection import Choice, take_best
from model_tools.heads.graph_parts import (
    activated,
    add_rows_head,
    as_float,
    best_class,
    to_pixels,
)
from model_tools.heads.head import Candidates, Head, HeadTask, Numbers, ScoreKind
from model_tools.heads.numpy_parts import best_classes, check_columns, corners_of, probabilities
from models.graph.contract import Dimension, dimensions


class DetrHead(Head):
    """Final rows in three outputs: RT-DETR, D-FINE, DEIM, with or without `orig_target_sizes`."""

    name = "detr"
    choose_for = "outputs labels, boxes in pixels and scores"

    def recognise(self, network: Exported) -> bool:
        """Its three outputs, by name."""
        return {"labels", "boxes", "scores"} <= set(network.outputs)

    def queries(self, network: Exported) -> Dimension:
        """As many as there are scores."""
        return (*dimensions(network.outputs.get("scores", network.first_output)), None, None)[1]

    def build(self, graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
        """The best rows of the kept classes."""
        del size
        outputs = {name.rpartition("/")[2]: one for name, one in network.outputs.items()}
        missing = sorted({"labels", "boxes", "scores"} - set(outputs))
        if missing:
            raise mismatch(self.name, f"it has no output {', '.join(missing)}", "export it so")
        boxes, scores = (as_float(graph, outputs[name]) for name in ("boxes", "scores"))
        return add_rows_head(graph, boxes, scores, outputs["labels"].name, task)

    def reference(
        self, found: Mapping[str, Numbers], network: Exported, task: HeadTask, size: Size
    ) -> Candidates:
        """The rows themselves."""
        del network, task, size
        return Candidates(found["boxes"], found["scores"], found["labels"].astype(np.int64))


class LogitsHead(Head):
    """Class columns (N, Q, K) and boxes (N, Q, 4) as centre and extent, 0 to 1 of the image."""

    name = "detr-logits"
    choose_for = "an output of class columns and one of boxes from 0 to 1"
    score_kinds = ("sigmoid", "softmax", "none")
    outputs = ("logits", "pred_boxes")

    def recognise(self, network: Exported) -> bool:
        """Its two outputs, by name."""
        return set(self.outputs) <= set(network.outputs)

    def class_output(self, network: Exported) -> str:
        """`logits`, or the one beside the boxes."""
        return _places(network)[0]

    def class_counts(self, network: Exported) -> tuple[int, ...]:
        """Every column, or all but one for "no object"."""
        columns = dimensions(network.outputs[_places(network)[0]])[-1]
        return (columns, columns - 1) if isinstance(columns, int) else ()

    def queries(self, network: Exported) -> Dimension:
        """As many as there are boxes."""
        return dimensions(network.outputs[_places(network)[1]])[1]

    def scores(self, network: Exported, classes: int) -> ScoreKind | None:
        """What the graph ends in; a sigmoid where every column is a class."""
        logits = _places(network)[0]
        if network.activation(logits):
            return "none"
        return "sigmoid" if dimensions(network.outputs[logits])[-1] == classes else None

    def build(self, graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
        """With a softmax a query is of its best class, else it may be several."""
        logits, boxes = _places(network)
        shape = dimensions(network.outputs[logits])
        if shape[-1] != task.classes + 1:
            self.checked(shape, {2: task.classes})
        kind = task.scores or self.scores(network, task.classes)
        if kind is None:
            raise mismatch(self.name, "nothing shows how its scores are made", "give --scores")
        corners = to_pixels(graph, as_float(graph, network.outputs[boxes]), size)
        columns = activated(graph, as_float(graph, network.outputs[logits]), kind, axis=-1)
        scores = graph.take(columns, 2, 0, task.classes)
        if kind == "softmax" or network.activation(logits) == "softmax":
            found = best_class(graph, corners, scores, task, axis=2)
            return take_best(graph, found, task.selection)
        flat = graph.node("Reshape", scores, graph.integers(0, -1))
        most = graph.node("Min", graph.size_of(flat, 1), graph.size_of(scores, 1))
        best, place = graph.split("TopK", 2, flat, most, axis=1, sorted=1)
        count = graph.integers(task.classes)
        chosen = graph.gather_rows(corners, graph.node("Div", place, count))
        return add_rows_head(graph, chosen, best, graph.node("Mod", place, count), task)

    def reference(
        self, found: Mapping[str, Numbers], network: Exported, task: HeadTask, size: Size
    ) -> Candidates:
        """One class per query, or the best pairs of query and class, as many as queries."""
        logits, units = (found[name] for name in _places(network))
        if logits.shape[1] != task.classes + 1:
            check_columns(self.name, logits.shape[1], task)
        boxes = corners_of(units) * np.array(size * 2)
        scores = probabilities(logits, task)[:, : task.classes]
        if "softmax" in {task.scores, network.activation(_places(network)[0])}:
            return best_classes(boxes, scores)
        best = np.argsort(-scores.ravel(), kind="stable")[: len(scores)]
        return Candidates(boxes[best // task.classes], scores.ravel()[best], best % task.classes)


def _places(network: Exported) -> tuple[str, str]:
    """Names of the outputs with class columns and with boxes.

    Raises:
        GraphError: There are no such two.
    """
    shapes = {name: dimensions(value) for name, value in network.outputs.items()}
    for logits, boxes in (("logits", "pred_boxes"), ("labels", "dets")):
        names = {name.rpartition("/")[2]: name for name in shapes}
        if {logits, boxes} <= set(names):
            return names[logits], names[boxes]
    four = [name for name, shape in shapes.items() if len(shape) == 3 and shape[2] == 4]  # noqa: PLR2004
    others = [name for name, shape in shapes.items() if len(shape) == 3 and name not in four]  # noqa: PLR2004
    if len(four) == 1 and len(others) == 1:
        return others[0], four[0]
    raise mismatch(
        "detr-logits", "it has no output logits and no output pred_boxes", "export it so"
    )


HEADS = (DetrHead(), LogitsHead())
