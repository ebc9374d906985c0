"""Selection inside the graph: candidates in, a fixed number of final rows per image out.

Class-wise greedy non-maximum suppression per image, correct for any batch size and for images
without a single detection; rows are sorted by score and padded with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from model_tools.graph.builder import GraphBuilder


@dataclass(frozen=True, slots=True)
class Selection:
    """Limits of the selection.

    Attributes:
        rows: Output rows per image.
        min_score: Candidates at or below this score are dropped.
        nms_iou: Intersection over union above which the candidate with the lower score is removed.
        candidates: Anchor points per image, best class score first, that suppression considers.
    """

    rows: int = 200
    min_score: float = 0.02
    nms_iou: float = 0.6
    candidates: int = 1000


@dataclass(frozen=True, slots=True)
class Choice:
    """Names of tensors: at most one label per candidate.

    Attributes:
        boxes: (N, A, 4) float32 x1 y1 x2 y2.
        scores: (N, A) float32; 0 where the candidate is none of ours.
        labels: (N, A) int64, class of the package.
    """

    boxes: str
    scores: str
    labels: str


def suppress_each_class(graph: GraphBuilder, boxes: str, scores: str, wanted: Selection) -> Choice:
    """Non-maximum suppression where a candidate may be several classes at once.

    Args:
        graph: Where the nodes go.
        boxes: (N, A, 4) float32 x1 y1 x2 y2.
        scores: (N, C, A) float32.
        wanted: The limits.
    """
    _, index = _best(graph, graph.largest(scores, 1), wanted.candidates)
    per_point = graph.gather_rows(graph.node("Transpose", scores, perm=[0, 2, 1]), index)
    boxes = graph.gather_rows(boxes, index)
    scores = graph.node("Transpose", per_point, perm=[0, 2, 1])
    kept = graph.node("Reshape", _kept(graph, boxes, scores, wanted), graph.integers(0, -1))
    best, place = _best(graph, _at_least(graph, kept, wanted.rows), wanted.rows)
    points = graph.size_of(scores, 2)
    chosen = graph.gather_rows(boxes, graph.node("Mod", place, points))
    return Choice(chosen, best, graph.node("Div", place, points))


def suppress_one_class(
    graph: GraphBuilder, found: Choice, classes: int, wanted: Selection
) -> Choice:
    """Class-wise non-maximum suppression where every candidate is of one class."""
    best, index = _best(graph, found.scores, wanted.candidates)
    boxes = graph.gather_rows(found.boxes, index)
    labels = graph.gather_rows(found.labels, index)
    own_class = graph.node(
        "Equal",
        graph.node("Unsqueeze", labels, graph.integers(1)),
        graph.constant(np.arange(classes, dtype=np.int64).reshape(1, classes, 1)),
    )
    score = graph.node("Unsqueeze", best, graph.integers(1))
    scores = graph.node("Where", own_class, score, graph.number(0.0))
    kept = graph.largest(_kept(graph, boxes, scores, wanted), 1)
    return take_best(graph, Choice(boxes, kept, labels), wanted)


def take_best(graph: GraphBuilder, found: Choice, wanted: Selection) -> Choice:
    """The best candidates above the least score, as many as there are rows, sorted by score."""
    good = graph.node("Greater", found.scores, graph.number(wanted.min_score))
    scores = graph.node("Where", good, found.scores, graph.number(0.0))
    best, index = _best(graph, _at_least(graph, scores, wanted.rows), wanted.rows)
    # Padding rows lie beyond the last candidate; any candidate does for them.
    last = graph.node("Sub", graph.size_of(scores, 1), graph.integers(1))
    index = graph.node("Min", index, last)
    boxes, labels = graph.gather_rows(found.boxes, index), graph.gather_rows(found.labels, index)
    return Choice(boxes, best, labels)


def add_rows(graph: GraphBuilder, found: Choice) -> str:
    """The final (N, M, 6) float32 rows; those without score are zero."""
    last = graph.integers(-1)
    score = graph.node("Unsqueeze", found.scores, last)
    label = graph.node("Unsqueeze", graph.cast(found.labels, TensorProto.FLOAT), last)
    rows = graph.node("Concat", found.boxes, score, label, axis=-1)
    real = graph.node("Greater", score, graph.number(0.0))
    return graph.node("Where", real, rows, graph.number(0.0))


def _best(graph: GraphBuilder, scores: str, most: int) -> tuple[str, str]:
    """Scores (N, A) → the best `most` of them or all, sorted, and their places."""
    count = graph.node("Min", graph.size_of(scores, 1), graph.integers(most))
    best, index = graph.split("TopK", 2, scores, count, axis=1, sorted=1)
    return best, index


def _at_least(graph: GraphBuilder, scores: str, count: int) -> str:
    """Scores (N, A) with `count` zeros behind: enough entries however few candidates there are."""
    shape = graph.node("Concat", graph.size_of(scores, 0), graph.integers(count), axis=0)
    return graph.node("Concat", scores, graph.zeros(shape), axis=1)


def _kept(graph: GraphBuilder, boxes: str, scores: str, wanted: Selection) -> str:
    """Scores (N, C, A) in which suppressed candidates have score 0."""
    kept = graph.node(
        "NonMaxSuppression",
        boxes,
        scores,
        graph.integers(wanted.rows),
        graph.constant(np.array([wanted.nms_iou], np.float32)),
        graph.constant(np.array([wanted.min_score], np.float32)),
    )
    blank = graph.zeros(graph.node("Shape", scores))
    return graph.node("ScatterND", blank, kept, graph.node("GatherND", scores, kept))
