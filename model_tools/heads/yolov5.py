"""YOLOv5 and YOLOv7: (N, 3 * A, 5 + C), box in pixels, object score and class scores.

Three anchors per cell, on strides 8 to 32, or to 64 in their large variants. Older exports have the
undecoded maps as further outputs. YOLOv6 gives rows of this form for one box per cell; nothing in
them says whether a network was trained as YOLOv6 or as YOLOX, so a person must.
"""

from __future__ import annotations

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported, mismatch
from model_tools.graph.placement import Size
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import as_float, best_of_objects, has_rows_per_cell
from model_tools.heads.head import (
    Candidates,
    Head,
    HeadTask,
    Outputs,
    check_sizes,
    classes_beside,
    is_query_table,
    letterboxed,
)
from model_tools.heads.numpy_parts import best_objects
from models.graph.contract import dimensions

NAME = "yolov5"
ANCHORS = 3
STRIDES = ((8, 16, 32), (8, 16, 32, 64))
NOT_DECODED = {"Conv", "Sigmoid"}
"""What the box columns come from where no decoder is behind them."""


def _has_anchors(network: Exported) -> bool:
    return any(has_rows_per_cell(network, strides, ANCHORS) for strides in STRIDES)


def _is_decoded(network: Exported) -> bool:
    return network.behind(network.first_output.name, last=False) not in NOT_DECODED


def _recognise(network: Exported) -> bool:
    ends_in_scores = network.activation(network.first_output.name) == "sigmoid"
    return _has_anchors(network) and ends_in_scores and _is_decoded(network)


def _may_be(network: Exported) -> bool:
    per_cell = _has_anchors(network) or has_rows_per_cell(network, STRIDES[0])
    return (per_cell or is_query_table(network)) and _is_decoded(network)


def _build(graph: GraphBuilder, network: Exported, task: HeadTask, _: Size) -> Choice:
    if not _is_decoded(network):
        raise mismatch(NAME, "its boxes are not decoded", "export it with its decoder (`--grid`)")
    check_sizes(NAME, dimensions(network.first_output), {2: 5 + task.classes})
    raw = as_float(graph, network.first_output)
    return best_of_objects(graph, graph.take(raw, 2, 0, 4), raw, task)


def _reference(found: Outputs, _: Exported, task: HeadTask, _size: Size) -> Candidates:
    rows = next(iter(found.values()))
    return best_objects(NAME, rows[:, :4], rows[:, 4:], task)


HEADS = (
    Head(
        name=NAME,
        choose_for="rows of box, object score and class scores in pixels, trained on RGB 0 to 1",
        recognise=_recognise,
        may_be=_may_be,
        build=_build,
        reference=_reference,
        preprocessing=letterboxed,
        class_counts=lambda network: classes_beside(network, 2, 5),
        score_kinds=("none", "sigmoid"),
        suppression="best class",
        nms_iou=0.45,
    ),
)
