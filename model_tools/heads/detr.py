"""DETR and what came of it: final `labels`, `boxes`, `scores`, or `logits` and `pred_boxes`.

Carion et al. 2020 take a softmax over the classes and one more for "no object"; Deformable DETR,
RT-DETR and RF-DETR take a sigmoid for every class, and some keep that last column although nothing
uses it. Bare logits of one column more than classes may be either.
"""

from __future__ import annotations

import numpy as np

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported, mismatch
from model_tools.graph.placement import Size
from model_tools.graph.selection import Choice, take_best
from model_tools.heads.graph_parts import activated, add_rows_head, as_float, best_class, to_pixels
from model_tools.heads.head import Candidates, Head, HeadTask, Outputs, ScoreKind, check_sizes
from model_tools.heads.numpy_parts import best_classes, check_columns, corners_of, probabilities
from models.graph.contract import dimensions

FINAL, LOGITS = "detr", "detr-logits"
LOGITS_AND_BOXES = (("logits", "pred_boxes"), ("labels", "dets"))


def _build_final(graph: GraphBuilder, network: Exported, task: HeadTask, _: Size) -> Choice:
    outputs = {name.rpartition("/")[2]: one for name, one in network.outputs.items()}
    missing = sorted({"labels", "boxes", "scores"} - set(outputs))
    if missing:
        raise mismatch(FINAL, f"it has no output {', '.join(missing)}", "export it so")
    boxes, scores = (as_float(graph, outputs[name]) for name in ("boxes", "scores"))
    return add_rows_head(graph, boxes, scores, outputs["labels"].name, task)


def _final_reference(found: Outputs, *_: object) -> Candidates:
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
    raise mismatch(LOGITS, "it has no output logits and no output pred_boxes", "export it so")


def _class_counts(network: Exported) -> tuple[int, ...]:
    # Every class column is a class, or all but the last.
    columns = dimensions(network.outputs[logits_and_boxes(network)[0]])[-1]
    return (columns, columns - 1) if isinstance(columns, int) else ()


def _scores(network: Exported, classes: int) -> ScoreKind | None:
    logits, _ = logits_and_boxes(network)
    if network.activation(logits):
        return "none"
    return "sigmoid" if dimensions(network.outputs[logits])[-1] == classes else None


def _build(graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
    # With a softmax a query is of its best class, else it may be several.
    logits, boxes = logits_and_boxes(network)
    shape = dimensions(network.outputs[logits])
    if shape[-1] != task.classes + 1:
        check_sizes(LOGITS, shape, {2: task.classes})
    kind = task.scores or _scores(network, task.classes)
    if kind is None:
        raise mismatch(LOGITS, "nothing shows how its scores are made", "give --scores")
    corners = to_pixels(graph, as_float(graph, network.outputs[boxes]), size)
    columns = activated(graph, as_float(graph, network.outputs[logits]), kind, axis=-1)
    wanted = graph.take(columns, 2, 0, task.classes)
    if "softmax" in {kind, network.activation(logits)}:
        found = best_class(graph, corners, wanted, task, axis=2)
        return take_best(graph, found, task.selection)
    flat = graph.node("Reshape", wanted, graph.integers(0, -1))
    most = graph.node("Min", graph.size_of(flat, 1), graph.size_of(wanted, 1))
    best, place = graph.split("TopK", 2, flat, most, axis=1, sorted=1)
    count = graph.integers(task.classes)
    chosen = graph.gather_rows(corners, graph.node("Div", place, count))
    return add_rows_head(graph, chosen, best, graph.node("Mod", place, count), task)


def _reference(found: Outputs, network: Exported, task: HeadTask, size: Size) -> Candidates:
    # One class per query, or the best pairs of query and class, as many as queries.
    names = logits_and_boxes(network)
    logits, units = (found[name] for name in names)
    if logits.shape[1] != task.classes + 1:
        check_columns(LOGITS, logits.shape[1], task)
    boxes = corners_of(units) * np.array(size * 2)
    likely = probabilities(logits, task)[:, : task.classes]
    if task.scores == "softmax" or network.activation(names[0]) == "softmax":
        return best_classes(boxes, likely)
    best = np.argsort(-likely.ravel(), kind="stable")[: len(likely)]
    return Candidates(boxes[best // task.classes], likely.ravel()[best], best % task.classes)


LOGITS_HEAD = Head(
    name=LOGITS,
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
    Head(
        name=FINAL,
        choose_for="outputs labels, boxes in pixels and scores",
        recognise=lambda network: {"labels", "boxes", "scores"} <= set(network.outputs),
        build=_build_final,
        reference=_final_reference,
        class_output=lambda network: "scores",
        queries=lambda net: dimensions(net.outputs.get("scores", net.first_output))[1:2][-1],
    ),
    LOGITS_HEAD,
)
