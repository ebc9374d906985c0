"""RF-DETR: recognised, normalised as it was trained, and equal to numpy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper

from model_tools.graph.exported import Exported
from model_tools.graph.selection import Selection
from model_tools.heads.task import HeadTask, each_alone
from model_tools.heads.wrapping import wrap
from model_tools.importing.coco import COCO_LABELS
from model_tools.importing.plan import Plan, plan_for
from model_tools.importing.request import ImportRequest
from tests.model_tools.heads.numpy_heads import (
    Wanted,
    centred,
    expected,
    graph_agrees_with_reference,
    run,
    same_rows,
)
from tests.model_tools.networks import Drawing
from tests.models.tiny import QUERIES, SIZE, random_images

CLASSES = 3
IMAGENET = {"mean": (0.485, 0.456, 0.406), "deviation": (0.229, 0.224, 0.225)}
ALL = each_alone(tuple(range(CLASSES)))


def rfdetr_network(columns: int = CLASSES + 1, *, attends: bool = True) -> ModelProto:
    drawing = Drawing(4 + columns, seed=5)
    graph = drawing.graph
    unit = graph.constant((1.0 / np.array([*SIZE, *SIZE], np.float32)).reshape(1, 4, 1))
    boxes = drawing.node("Mul", drawing.centres_and_extents(), unit)
    logits = graph.take("cells", 1, 4, 4 + columns)
    boxes, logits = (
        graph.take(drawing.node("Transpose", one, perm=[0, 2, 1]), 1, 60, 60 + QUERIES)
        for one in (boxes, logits)
    )
    if attends:
        shares = drawing.node("Softmax", logits, axis=-1)
        one = drawing.node("ReduceSum", shares, graph.integers(-1), keepdims=1)
        boxes = drawing.node("Mul", boxes, one)
    return drawing.model(
        {
            "dets": (boxes, TensorProto.FLOAT, ["N", QUERIES, 4]),
            "labels": (logits, TensorProto.FLOAT, ["N", QUERIES, columns]),
        }
    )


def decode(outputs: dict[str, np.ndarray], size: tuple[int, int]):
    """The best pairs of query and class, as many as queries; the last column counts nothing."""
    pairs = []
    for box, logits in zip(outputs["dets"], outputs["labels"], strict=True):
        corners = centred(*(box * [*size, *size]))
        pairs += [(corners, {k: 1 / (1 + np.exp(-x))}) for k, x in enumerate(logits[:-1])]
    return sorted(pairs, key=lambda pair: -max(pair[1].values()))[:QUERIES]


@pytest.mark.parametrize("attends", [True, False])
@pytest.mark.parametrize("groups", [ALL, ((2, 0),), ((2,), (1, 0))])
def test_it_equals_numpy_in_any_batch(groups, attends):
    network = rfdetr_network(attends=attends)
    task = HeadTask(SIZE, CLASSES, groups, Selection(30, 0.3), "sigmoid")
    wrapped = wrap(network, "rf-detr", task)
    images = random_images(21, seed=6)
    more = IMAGENET if attends else {}
    wanted = Wanted("rf-detr", SIZE, SIZE, groups, decode=decode, suppressed=False, **more)
    rows = expected(network, wanted, images)
    same_rows(run(wrapped.model, images), rows)
    same_rows(np.concatenate([run(wrapped.model, one[None]) for one in images]), rows)
    graph_agrees_with_reference(network, images)


def plan(columns: int, **options) -> Plan:
    request = ImportRequest(name="street", file="f.onnx", **options)
    return plan_for(rfdetr_network(columns), request)


def test_it_is_recognised_with_sigmoid_scores_and_a_column_that_is_no_class():
    made = plan(4, labels=("person", "car", "bus"))
    assert (made.head.name, made.scores, made.labels) == ("rf-detr", "sigmoid", made.classes)
    assert made.preprocessing.mean == IMAGENET["mean"]
    assert plan(3, labels=("person", "car", "bus")).scores == "sigmoid"
    assert plan(4, labels=("person", "car", "bus"), scores="softmax").scores == "softmax"


def test_columns_by_coco_number_are_coco_classes():
    made = plan(91)
    assert made.labels == COCO_LABELS
    assert [made.classes[one] for one in (1, 3, 90)] == ["person", "car", "toothbrush"]
    assert made.groups[:2] == ((1,), (2,))
    assert plan(91, labels=COCO_LABELS).groups == made.groups
    assert plan(92, labels=COCO_LABELS).groups == made.groups


def test_an_activation_in_the_graph_is_not_repeated():
    network = rfdetr_network()
    raw = network.graph.node[-1].input[0]
    network.graph.node[-1].input[0] = "activated"
    network.graph.node.insert(len(network.graph.node) - 1, _sigmoid(raw))
    made = plan_for(network, ImportRequest(name="s", file="f", labels=("a", "b", "c")))
    assert made.scores == "none"
    assert Exported(network).activation("labels") == "sigmoid"


def _sigmoid(tensor: str) -> NodeProto:
    return helper.make_node("Sigmoid", [tensor], ["activated"])
