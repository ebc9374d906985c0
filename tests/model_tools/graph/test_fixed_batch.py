"""Exports for a fixed batch, rewritten for any."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_tools.graph.fixed_batch import follow_batch, pinned, with_free_batch
from tests.model_tools.heads.numpy_heads import session_of


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ((1, 64, 20, 20), (1, 64, 400), [0, 0, -1]),
        ((2, 64, 20, 20), (2, 64, 400), [0, 0, -1]),
        ((1, 256, 400), (8, 32, 400), [-1, 32, 400]),
        ((8, 32, 400), (1, 256, 400), [-1, 256, 400]),
        ((300, 1, 256), (300, 8, 32), [0, -1, 32]),
        ((300, 1, 256), (300, 256), [-1, 256]),
        ((300, 256), (1, 300, 256), [-1, 300, 256]),
        ((1, 300, 256), (300, 256), [-1, 256]),
        ((4, 8), (32,), [-1]),
    ],
)
def test_a_reshape_follows_the_batch_wherever_it_is(before, after, wanted):
    assert follow_batch(before, after) == wanted
    values = np.arange(np.prod(before)).reshape(before)
    plain = [before[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    np.testing.assert_array_equal(values.reshape(plain), values.reshape(after))


def attention_like(batch: int) -> ModelProto:
    """Heads split off and joined again, a query spread over the batch, shapes as numbers."""
    rng = np.random.default_rng(0)
    constants = {
        "weights": rng.normal(size=(12, 8)).astype(np.float32),
        "query": rng.normal(size=(1, 4, 8)).astype(np.float32),
        "rows": np.array([batch, 3, 16]),
        "columns": np.array([batch, 4, 12]),
        "spread": np.array([batch, 4, 8]),
        "heads": np.array([batch * 2, 4, 4]),
        "joined": np.array([batch, 4, 8]),
    }
    nodes = [
        helper.make_node("Reshape", ["images", "rows"], ["a"]),
        helper.make_node("Reshape", ["a", "columns"], ["b"]),
        helper.make_node("MatMul", ["b", "weights"], ["c"]),
        helper.make_node("Expand", ["query", "spread"], ["d"]),
        helper.make_node("Concat", ["c", "d"], ["both"], axis=2),
        helper.make_node("Slice", ["both", "zero", "eight", "two"], ["e"]),
        helper.make_node("Add", ["e", "d"], ["f"]),
        helper.make_node("Reshape", ["f", "heads"], ["g"]),
        helper.make_node("Softmax", ["g"], ["h"], axis=2),
        helper.make_node("Reshape", ["h", "joined"], ["output"]),
    ]
    constants |= {"zero": np.array([0]), "eight": np.array([8]), "two": np.array([2])}
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, 4, 4])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 4, 8])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "attention", [images], [output], initializers)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_freed_network_gives_for_each_image_what_it_gave(batch, count):
    images = np.random.default_rng(1).random((count, 3, 4, 4), np.float32)
    network = attention_like(batch)
    found = session_of(with_free_batch(network, batch)).run(None, {"images": images})[0]
    fixed = session_of(network)
    for image, mine in zip(images, found, strict=True):
        filled = np.repeat(image[None], batch, axis=0)
        np.testing.assert_allclose(mine, fixed.run(None, {"images": filled})[0][0], atol=1e-6)
    assert network.graph.input[0].type.tensor_type.shape.dim[0].dim_value == batch


def test_a_pinned_network_takes_that_many():
    copy = pinned(with_free_batch(attention_like(1), 1), 4)
    assert copy.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    assert copy.graph.output[0].type.tensor_type.shape.dim[0].dim_value == 4
