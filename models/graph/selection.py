"""Selection inside the graph: candidates in, a fixed number of final rows per picture out.

Class-wise greedy non-maximum suppression per picture, correct for any batch size and for pictures
without a single detection; rows are sorted by score and padded with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper

from models.graph.builder import GraphBuilder


@dataclass(frozen=True, slots=True)
class Selection:
    """Limits of the selection.

    Attributes:
        rows: Output rows per picture.
        least_score: Candidates at or below this score are dropped.
        overlap: Intersection over union above which the weaker candidate of a class goes.
        candidates: Anchor points per picture, best class score first, that suppression looks at.
    """

    rows: int = 200
    least_score: float = 0.02
    overlap: float = 0.6
    candidates: int = 1000


def add_suppression(graph: GraphBuilder, boxes: str, scores: str, wanted: Selection) -> str:
    """Adds non-maximum suppression.

    Args:
        graph: Where the nodes go.
        boxes: (N, A, 4) float32 x1 y1 x2 y2.
        scores: (N, C, A) float32.
        wanted: The limits.

    Returns:
        (N, rows, 6) float32: x1 y1 x2 y2 score class.
    """
    boxes, scores = _best_candidates(graph, boxes, scores, wanted.candidates)
    kept = _suppressed_scores(graph, boxes, scores, wanted)
    # Zeros at the end guarantee enough entries however few anchor points the network has.
    spare_shape = graph.node(
        "Concat", graph.size_of(scores, 0), graph.integers(wanted.rows), axis=0
    )
    flat = graph.node(
        "Concat",
        graph.node("Reshape", kept, graph.integers(0, -1)),
        _zeros(graph, spare_shape),
        axis=1,
    )
    best, index = graph.split("TopK", 2, flat, graph.integers(wanted.rows), axis=1, sorted=1)
    points = graph.size_of(scores, 2)
    classes = graph.cast(graph.node("Div", index, points), TensorProto.FLOAT)
    chosen = graph.gather_rows(boxes, graph.node("Mod", index, points))
    return add_rows(graph, chosen, best, classes)


def add_rows(graph: GraphBuilder, boxes: str, scores: str, classes: str) -> str:
    """Boxes (N, M, 4), scores (N, M), classes (N, M) → (N, M, 6); rows without score are zero."""
    last = graph.integers(-1)
    score = graph.node("Unsqueeze", scores, last)
    label = graph.node("Unsqueeze", classes, last)
    rows = graph.node("Concat", boxes, score, label, axis=-1)
    real = graph.node("Greater", score, graph.constant(np.array(0.0, np.float32)))
    return graph.node("Where", real, rows, graph.constant(np.array(0.0, np.float32)))


def add_clipping(graph: GraphBuilder, boxes: str, size: tuple[int, int]) -> str:
    """Boxes (N, A, 4) cut off at the picture's borders; `size` is width and height."""
    width, height = size
    far = graph.constant(np.array([width, height, width, height], np.float32))
    inside = graph.node("Max", boxes, graph.constant(np.array(0.0, np.float32)))
    return graph.node("Min", inside, far)


def _best_candidates(graph: GraphBuilder, boxes: str, scores: str, most: int) -> tuple[str, str]:
    best = graph.largest(scores, 1)
    count = graph.node("Min", graph.size_of(best, 1), graph.integers(most))
    _, index = graph.split("TopK", 2, best, count, axis=1, sorted=1)
    per_point = graph.gather_rows(graph.node("Transpose", scores, perm=[0, 2, 1]), index)
    return graph.gather_rows(boxes, index), graph.node("Transpose", per_point, perm=[0, 2, 1])


def _suppressed_scores(graph: GraphBuilder, boxes: str, scores: str, wanted: Selection) -> str:
    kept = graph.node(
        "NonMaxSuppression",
        boxes,
        scores,
        graph.integers(wanted.rows),
        graph.constant(np.array([wanted.overlap], np.float32)),
        graph.constant(np.array([wanted.least_score], np.float32)),
    )
    blank = _zeros(graph, graph.node("Shape", scores))
    return graph.node("ScatterND", blank, kept, graph.node("GatherND", scores, kept))


def _zeros(graph: GraphBuilder, shape: str) -> str:
    base = graph.fresh("zeros")
    zero = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    graph.nodes.append(helper.make_node("ConstantOfShape", [shape], [base], name=base, value=zero))
    return base
