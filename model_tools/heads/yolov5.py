"""YOLOv5 and YOLOv7: (N, 3 * A, 5 + C), box in pixels, object score and class scores.

Three anchors per cell, on strides 8 to 32, or to 64 in their large variants. Older exports have the
undecoded maps as further outputs. YOLOv6 gives rows of this form for one box per cell; nothing in
them says whether a network was trained as YOLOv6 or as YOLOX, so a person must.
"""

from __future__ import annotations

from model_tools.graph.exported import Exported, mismatch
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.head import NetworkHead, letterboxed

ANCHORS = 3
STRIDES = ((8, 16, 32), (8, 16, 32, 64))
NOT_DECODED = {"Conv", "Sigmoid"}
"""What the box columns come from where no decoder is behind them."""


def _has_anchors(network: Exported) -> bool:
    return any(network.has_rows_per_cell(strides, ANCHORS) for strides in STRIDES)


def _is_decoded(network: Exported) -> bool:
    return network.behind(network.first_output.name, last=False) not in NOT_DECODED


def _recognise(network: Exported) -> bool:
    ends_in_scores = network.activation(network.first_output.name) == "sigmoid"
    return _has_anchors(network) and ends_in_scores and _is_decoded(network)


def _may_be(network: Exported) -> bool:
    per_cell = _has_anchors(network) or network.has_rows_per_cell(STRIDES[0])
    return (per_cell or network.is_query_table) and _is_decoded(network)


def _build(graph: HeadGraph) -> Choice:
    if not _is_decoded(graph.network):
        remedy = "export it with its decoder (`--grid`)"
        raise mismatch(graph.head, "its boxes are not decoded", remedy)
    raw = graph.first_output({2: 5 + graph.task.classes})
    return graph.best_of_objects(graph.take(raw, 2, 0, 4), raw)


HEADS = (
    NetworkHead(
        name="yolov5",
        choose_for="rows of box, object score and class scores in pixels, trained on RGB 0 to 1",
        recognise=_recognise,
        may_be=_may_be,
        build=_build,
        reference=lambda seen: seen.best_objects(seen.first[:, :4], seen.first[:, 4:]),
        preprocessing=letterboxed,
        class_counts=lambda network: network.classes_beside(2, 5),
        score_kinds=("none", "sigmoid"),
        suppression="best class",
        nms_iou=0.45,
    ),
)
