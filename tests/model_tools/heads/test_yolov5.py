"""YOLOv5 and YOLOv7: recognised, distinguished from YOLOX, and equal to numpy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from model_tools.graph.selection import Selection
from model_tools.heads.task import HeadTask, each_alone
from model_tools.heads.wrapping import wrap
from model_tools.importing.plan import Plan, plan_for
from model_tools.importing.request import ImportRequest
from models.errors import GraphError
from tests.model_tools.heads.numpy_heads import (
    Wanted,
    centred,
    expected,
    graph_agrees_with_reference,
    run,
    same_rows,
)
from tests.model_tools.networks import Drawing
from tests.models.tiny import LABELS, SIZE, cell_count, random_images

CLASSES = 3
ALL = each_alone(tuple(range(CLASSES)))


def yolov5_network(anchors: int = 3, *, decoded: bool = True, maps: bool = False) -> ModelProto:
    """Boxes in pixels as its `Detect` layer makes them; the same cells for every anchor."""
    drawing = Drawing(5 + CLASSES, seed=8, score_bias=0.3)
    graph = drawing.graph
    boxes = drawing.centres_and_extents() if decoded else graph.take("cells", 1, 0, 4)
    tables = []
    for anchor in range(anchors):
        scale = graph.number(1.0 + 0.02 * anchor)
        sized = drawing.node("Mul", boxes, scale) if decoded else boxes
        scores = drawing.scores(5 + CLASSES)
        rows = drawing.node("Concat", sized, scores, axis=1)
        tables.append(drawing.node("Transpose", rows, perm=[0, 2, 1]))
    raw = drawing.node("Concat", *tables, axis=1)
    shape: list[str | int] = ["N", anchors * cell_count(), 5 + CLASSES]
    outputs: dict[str, tuple[str, int, list[str | int]]]
    outputs = {"output": (raw, TensorProto.FLOAT, shape)}
    if maps:
        shape = ["N", 1, 1, cell_count(), 5 + CLASSES]
        flat = graph.node("Unsqueeze", tables[0], graph.integers(1, 2))
        outputs["524"] = (flat, TensorProto.FLOAT, shape)
    return drawing.model(outputs)


def decode(outputs: dict[str, np.ndarray], _: tuple[int, int]):
    return [
        (centred(*row[:4]), {k: row[4] * score for k, score in enumerate(row[5:])})
        for row in outputs["output"]
    ]


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("groups", [ALL, ((2,), (1, 0))])
def test_it_equals_numpy_in_any_batch(groups, maps):
    network = yolov5_network(maps=maps)
    wrapped = wrap(network, "yolov5", HeadTask(SIZE, CLASSES, groups, Selection(30, 0.3, 0.5)))
    images = random_images(21)
    rows = expected(network, Wanted("yolov5", SIZE, SIZE, groups, decode=decode), images)
    same_rows(run(wrapped.model, images), rows)
    same_rows(np.concatenate([run(wrapped.model, one[None]) for one in images[:3]]), rows[:3], 3)
    graph_agrees_with_reference(network, images)


def plan(network: ModelProto, **options) -> Plan:
    return plan_for(network, ImportRequest(name="s", file="f.onnx", labels=LABELS, **options))


@pytest.mark.parametrize("maps", [False, True])
def test_three_boxes_per_cell_are_its_own(maps):
    made = plan(yolov5_network(maps=maps))
    assert (made.head.name, made.selection.nms_iou) == ("yolov5", 0.45)
    assert (made.preprocessing.colour_order, made.preprocessing.fit) == ("rgb", "letterbox")


def test_one_decoded_box_per_cell_may_be_yolox_too():
    network = yolov5_network(anchors=1)
    with pytest.raises(GraphError, match=r"--head yolov5 for .*, --head yolox-decoded"):
        plan(network)
    assert plan(network, head="yolov5").preprocessing.colour_order == "rgb"


def test_boxes_that_are_not_decoded_are_refused():
    network = yolov5_network(decoded=False)
    with pytest.raises(GraphError, match="may be one of several heads") as caught:
        plan(network)
    assert "yolov5" not in str(caught.value)
    with pytest.raises(GraphError, match="not decoded; export it with its decoder"):
        wrap(network, "yolov5", HeadTask(SIZE, CLASSES, ALL, Selection()))
