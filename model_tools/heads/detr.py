"""DETR and what came of it: final `labels`, `boxes`, `scores`, or `logits` and `pred_boxes`.

Carion et al. 2020 take a softmax over the classes and one more for "no object"; Deformable DETR,
RT-DETR and RF-DETR take a sigmoid for every class, and some keep that last column although nothing
uses it. Bare logits of one column more than classes may be either.
"""

from __future__ import annotations

import numpy as np

from model_tools.graph.exported import Exported, mismatch
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.head import NetworkHead
from model_tools.heads.numpy_parts import NumpyOutputs, best_classes
from model_tools.heads.task import Candidates, ScoreKind
from models.graph import dimensions

LOGITS_AND_BOXES = (("logits", "pred_boxes"), ("labels", "dets"))


def _build_final(graph: HeadGraph) -> Choice:
    outputs = {name.rpartition("/")[2]: one for name, one in graph.network.outputs.items()}
    missing = sorted({"labels", "boxes", "scores"} - set(outputs))
    if missing:
        raise mismatch(graph.head, f"it has no output {', '.join(missing)}", "export it so")
    boxes, scores = (graph.as_float(outputs[name]) for name in ("boxes", "scores"))
    return graph.final_rows(boxes, scores, outputs["labels"].name)


def _final_reference(seen: NumpyOutputs) -> Candidates:
    found = seen.found
    return Candidates(found["boxes"], found["scores"], found["labels"].astype(np.int64))


def logits_and_boxes(network: Exported) -> tuple[str, str]:
    """Names of the outputs with class columns (N, Q, K) and with boxes (N, Q, 4).

    Raises:
        GraphError: There are no such two.
    """
    names = {name.rpartition("/")[2]: name for name in network.outputs}
    for logits, boxes in LOGITS_AND_BOXES:
        if {logits, boxes} <= set(names):
            return names[logits], names[boxes]
    shapes = {name: dimensions(value) for name, value in network.outputs.items()}
    four = [name for name, shape in shapes.items() if shape[2:] == (4,)]
    others = [name for name, shape in shapes.items() if len(shape) == 3 and name not in four]  # noqa: PLR2004
    if len(four) == 1 and len(others) == 1:
        return others[0], four[0]
    raise mismatch(
        "detr-logits", "it has no output logits and no output pred_boxes", "export it so"
    )


def _class_counts(network: Exported) -> tuple[int, ...]:
    # Every class column is a class, or all but the last.
    columns = dimensions(network.outputs[logits_and_boxes(network)[0]])[-1]
    return (columns, columns - 1) if isinstance(columns, int) else ()


def _scores(network: Exported, classes: int) -> ScoreKind | None:
    logits, _ = logits_and_boxes(network)
    if network.activation(logits):
        return "none"
    return "sigmoid" if dimensions(network.outputs[logits])[-1] == classes else None


def _build(graph: HeadGraph) -> Choice:
    # With a softmax a query is of its best class, else it may be several.
    network, classes = graph.network, graph.task.classes
    logits, boxes = logits_and_boxes(network)
    shape = dimensions(network.outputs[logits])
    if shape[-1] != classes + 1:
        graph.check(shape, {2: classes})
    kind = graph.task.scores or _scores(network, classes)
    if kind is None:
        raise mismatch(graph.head, "nothing shows how its scores are made", "give --scores")
    corners = graph.unit_corners(graph.as_float(network.outputs[boxes]))
    columns = graph.activated(graph.as_float(network.outputs[logits]), kind, axis=-1)
    scores = graph.take(columns, 2, 0, classes)
    if "softmax" in {kind, network.activation(logits)}:
        return graph.best_class_of_queries(corners, scores)
    flat = graph.node("Reshape", scores, graph.integers(0, -1))
    most = graph.node("Min", graph.size_of(flat, 1), graph.size_of(scores, 1))
    best, place = graph.split("TopK", 2, flat, most, axis=1, sorted=1)
    chosen = graph.gather_rows(corners, graph.node("Div", place, graph.integers(classes)))
    return graph.final_rows(chosen, best, graph.node("Mod", place, graph.integers(classes)))


def _reference(seen: NumpyOutputs) -> Candidates:
    # One class per query, or the best pairs of query and class, as many as queries.
    names, classes = logits_and_boxes(seen.network), seen.task.classes
    logits, units = (seen.found[name] for name in names)
    if logits.shape[1] != classes + 1:
        seen.check_columns(logits.shape[1])
    boxes, scores = seen.unit_corners(units), seen.probabilities(logits)[:, :classes]
    if seen.task.scores == "softmax" or seen.network.activation(names[0]) == "softmax":
        return best_classes(boxes, scores)
    best = np.argsort(-scores.ravel(), kind="stable")[: len(scores)]
    return Candidates(boxes[best // classes], scores.ravel()[best], best % classes)


LOGITS_HEAD = NetworkHead(
    name="detr-logits",
    choose_for="an output of class columns and one of boxes from 0 to 1",
    recognise=lambda network: set(LOGITS_AND_BOXES[0]) <= set(network.outputs),
    build=_build,
    reference=_reference,
    class_counts=_class_counts,
    class_output=lambda network: logits_and_boxes(network)[0],
    queries=lambda network: dimensions(network.outputs[logits_and_boxes(network)[1]])[1],
    scores=_scores,
    score_kinds=("sigmoid", "softmax", "none"),
)
HEADS = (
    NetworkHead(
        name="detr",
        choose_for="outputs labels, boxes in pixels and scores",
        recognise=lambda network: {"labels", "boxes", "scores"} <= set(network.outputs),
        build=_build_final,
        reference=_final_reference,
        class_output=lambda network: "scores",
        queries=lambda net: dimensions(net.outputs.get("scores", net.first_output))[1:2][-1],
    ),
    LOGITS_HEAD,
)
