"""NanoDet and NanoDet-Plus: recognised, and equal to numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.selection import Selection
from model_tools.heads.task import HeadTask, each_alone
from model_tools.heads.wrapping import wrap
from model_tools.importing.plan import plan_for
from model_tools.importing.request import ImportRequest
from models.errors import GraphError
from tests.model_tools.heads.numpy_heads import (
    Wanted,
    expected,
    graph_agrees_with_reference,
    run,
    same_rows,
)
from tests.models.tiny import IR_VERSION, OPSET, SIZE, random_images

CLASSES, BINS = 3, 8
PLUS, PLAIN = (8, 16, 32, 64), (8, 16, 32)
ALL = each_alone(tuple(range(CLASSES)))
LABELS = ("person", "car", "bus")


def nanodet_network(
    strides: tuple[int, ...],
    *,
    split: bool = False,
    interleaved: bool = False,
    sigmoid: bool = True,
    bins: int = BINS,
) -> ModelProto:
    """One random map per stride; the last cells of a map may reach over the border."""
    rng = np.random.default_rng(3)
    graph = GraphBuilder(OPSET, prefix="net")
    width, height = SIZE
    scores, sides, counts = [], [], []
    for stride in strides:
        across, down = math.ceil(width / stride), math.ceil(height / stride)
        channels = CLASSES + 4 * bins
        weight = rng.normal(0, 1.5 / stride, (channels, 3, stride, stride)).astype(np.float32)
        bias = rng.normal(0, 1, channels).astype(np.float32)
        bias[:CLASSES] -= 1.2
        found = graph.node(
            "Conv",
            "data",
            graph.constant(weight),
            graph.constant(bias),
            strides=[stride, stride],
            pads=[0, 0, down * stride - height, across * stride - width],
        )
        flat = graph.node("Reshape", found, graph.integers(0, channels, -1))
        rows = graph.node("Transpose", flat, perm=[0, 2, 1])
        some = graph.take(rows, 2, 0, CLASSES)
        scores.append(graph.node("Sigmoid", some) if sigmoid else some)
        sides.append(graph.take(rows, 2, CLASSES, channels))
        counts.append(across * down)
    outputs: dict[str, tuple[str, list[str | int]]] = {}
    if split:
        parts = [("cls", CLASSES, scores), ("dis", 4 * bins, sides)]
        for place, stride in enumerate(strides):
            for kind, columns, names in parts:
                name = f"{kind}_pred_stride_{stride}"
                outputs[name] = (names[place], ["N", counts[place], columns])
        if not interleaved:
            outputs = dict(sorted(outputs.items(), key=lambda item: item[0][:3]))
    else:
        pairs = [graph.node("Concat", *pair, axis=2) for pair in zip(scores, sides, strict=True)]
        raw = graph.node("Concat", *pairs, axis=1)
        outputs["output"] = (raw, ["N", sum(counts), CLASSES + 4 * bins])
    for name, (tensor, _) in outputs.items():
        graph.alias(tensor, name)
    made = helper.make_graph(
        graph.nodes,
        "nanodet",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, height, width])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, (_, shape) in outputs.items()
        ],
        graph.constants,
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(made, opset_imports=opset, ir_version=IR_VERSION)


def decode(outputs: dict[str, np.ndarray], size: tuple[int, int], strides: tuple[int, ...]):
    """Cell by cell; NanoDet-Plus counts from the corner of a cell, NanoDet from its middle."""
    if len(outputs) == 1:
        tables = outputs["output"]
    else:
        tables = np.concatenate(
            [
                np.hstack([outputs[f"cls_pred_stride_{s}"], outputs[f"dis_pred_stride_{s}"]])
                for s in strides
            ]
        )
    shift = 0.0 if strides == PLUS else 0.5
    cells = [
        ((column + shift) * stride, (row + shift) * stride, stride)
        for stride in strides
        for row in range(math.ceil(size[1] / stride))
        for column in range(math.ceil(size[0] / stride))
    ]
    found = []
    for (x, y, stride), columns in zip(cells, tables, strict=True):
        left, top, right, bottom = (
            stride
            * sum(index * share for index, share in enumerate(np.exp(side) / np.exp(side).sum()))
            for side in np.split(columns[CLASSES:], 4)
        )
        box = np.array([x - left, y - top, x + right, y + bottom])
        found.append((np.clip(box, 0, [*size, *size]), dict(enumerate(columns[:CLASSES]))))
    return found


NETWORKS = {
    "plus": (PLUS, {}),
    "plain": (PLAIN, {}),
    "split": (PLAIN, {"split": True}),
    "split of plus": (PLUS, {"split": True, "interleaved": True}),
    "more bins": (PLUS, {"split": True, "bins": 17}),
}


@pytest.mark.parametrize("groups", [ALL, ((2,), (1, 0))])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_equals_numpy_in_any_batch(name, groups):
    strides, options = NETWORKS[name]
    network = nanodet_network(strides, **options)
    made = plan_for(network, ImportRequest(name="street", file="f.onnx", labels=LABELS))
    assert (made.head.name, made.scores, made.package) == ("nanodet", "none", SIZE)
    wrapped = wrap(network, "nanodet", HeadTask(SIZE, CLASSES, groups, Selection(30, 0.3, 0.5)))
    images = random_images(21)
    wanted = Wanted(
        "nanodet",
        SIZE,
        SIZE,
        groups,
        bgr=True,
        factor=1.0,
        mean=(103.53, 116.28, 123.675),
        deviation=(57.375, 57.12, 58.395),
        decode=lambda outputs, size: decode(outputs, size, strides),
        every_class=True,
    )
    rows = expected(network, wanted, images)
    same_rows(run(wrapped.model, images), rows)
    same_rows(np.concatenate([run(wrapped.model, one[None]) for one in images[:3]]), rows[:3], 3)
    graph_agrees_with_reference(network, images)


def test_logits_get_their_sigmoid_from_the_import():
    network = nanodet_network(PLUS, sigmoid=False)
    with pytest.raises(GraphError, match="--head nanodet for a score per class"):
        plan_for(network, ImportRequest(name="street", file="f.onnx", labels=LABELS))
    request = ImportRequest(name="street", file="f.onnx", labels=LABELS, head="nanodet")
    assert plan_for(network, request).scores == "sigmoid"
    task = HeadTask(SIZE, CLASSES, ALL, Selection(30, 0.3, 0.5))
    images = random_images(5)
    rows = run(wrap(nanodet_network(PLUS), "nanodet", task).model, images)
    np.testing.assert_array_equal(run(wrap(network, "nanodet", task).model, images), rows)


def test_rows_that_are_not_one_for_each_cell_are_refused():
    network = nanodet_network(PLUS[:2])
    with pytest.raises(GraphError, match="120 rows are not one for each cell"):
        wrap(network, "nanodet", HeadTask(SIZE, CLASSES, ALL, Selection()))
