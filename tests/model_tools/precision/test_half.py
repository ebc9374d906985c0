"""Half precision: the body in float16, everything else as it was."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_tools.precision import to_fp16
from models.errors import GraphError
from tests.model_tools.precision.networks import (
    BODY_LAYERS,
    deep_network,
    images,
    keeps_the_contract,
    network_of,
    packaged,
    rows_of,
    weight_types,
)
from tests.models.tiny import Patches, cityeye_network


def test_the_body_is_float16_and_the_head_is_not():
    types = weight_types(to_fp16(packaged(deep_network())))
    assert {types[layer] for layer in BODY_LAYERS[:2]} == {TensorProto.FLOAT16}
    assert {types[f"map{stride}"] for stride in (8, 16, 32)} == {TensorProto.FLOAT}


def test_it_finds_the_same_and_keeps_the_contract():
    model = packaged(deep_network())
    half = to_fp16(model)
    keeps_the_contract(half)
    batch = images(3)
    wanted, found = rows_of(model, batch), rows_of(half, batch)
    assert (wanted[..., 4] > 0.3).any(axis=1).all()
    np.testing.assert_allclose(found[..., 4], wanted[..., 4], atol=5e-3)
    assert not np.array_equal(found, wanted), "nothing was rounded, so nothing was converted"


def test_the_original_is_left_alone():
    model = packaged(deep_network())
    before = model.SerializeToString()
    to_fp16(model)
    assert model.SerializeToString() == before


def test_a_fixed_batch_stays_fixed():
    half = to_fp16(packaged(deep_network(batch=2)))
    keeps_the_contract(half, batch=2)
    assert rows_of(half, images(2)).shape[0] == 2


def test_the_head_rounds_nothing():
    """With a body whose values are exact in half precision, the rows are the very same."""
    exact = {f"{layer}_b": np.full(16, 0.5, np.float32) for layer in BODY_LAYERS}
    for layer, shape in zip(BODY_LAYERS, [(16, 3, 8, 8), *2 * [(16, 16, 2, 2)]], strict=True):
        exact[f"{layer}_w"] = np.zeros(shape, np.float32)
    model = packaged(deep_network(weights=exact))
    wanted = rows_of(model, images(1))
    np.testing.assert_array_equal(rows_of(to_fp16(model), images(1)), wanted)
    boxes = wanted[wanted[..., 4] > 0][:, :4]
    assert not np.array_equal(boxes.astype(np.float16), boxes), "half precision would hold them"


def test_a_weight_beyond_the_range_becomes_the_largest_there_is():
    weights = {"middle_b": np.full(16, -1e9, np.float32)}
    half = to_fp16(packaged(deep_network(weights=weights)))
    (bias,) = [one for one in half.graph.initializer if one.name == "network/middle_b/fp16"]
    assert numpy_helper.to_array(bias).tolist() == [-65504.0] * 16
    assert np.isfinite(rows_of(half, images(1))).all()


def test_a_weight_of_body_and_head_is_there_in_both():
    network = deep_network()
    for node in network.graph.node:
        if node.name == "map16":
            node.input[0] = "shifted"
    shift = helper.make_node("Add", ["middle_out", "amount"], ["shifted"], name="shifted")
    body = helper.make_node("Add", ["stem_out", "amount"], ["moved"], name="moved")
    for node in network.graph.node:
        if node.name == "middle":
            node.input[0] = "moved"
    nodes = list(network.graph.node)
    nodes.insert(2, body)
    nodes.insert(nodes.index(next(n for n in nodes if n.name == "map16")), shift)
    values = {one.name: numpy_helper.to_array(one) for one in network.graph.initializer}
    model = packaged(network_of(nodes, {**values, "amount": np.array(0.1, np.float32)}))
    half = to_fp16(model)
    wanted, found = rows_of(model, images(2)), rows_of(half, images(2))
    np.testing.assert_allclose(found[..., 4], wanted[..., 4], atol=5e-3)


def test_branches_in_the_body_stay_as_they_are():
    """What an inner graph takes from outside must still be there, in fp32."""
    network = deep_network()
    negative = helper.make_node("Neg", ["stem_out"], ["negative"])
    same = helper.make_node("Identity", ["stem_out"], ["same"])
    value = helper.make_tensor_value_info("negative", TensorProto.FLOAT, None)
    other = helper.make_tensor_value_info("same", TensorProto.FLOAT, None)
    branch = helper.make_node(
        "If",
        ["yes"],
        ["chosen"],
        name="chosen",
        then_branch=helper.make_graph([same], "then", [], [other]),
        else_branch=helper.make_graph([negative], "else", [], [value]),
    )
    for node in network.graph.node:
        if node.name == "middle":
            node.input[0] = "chosen"
    nodes = list(network.graph.node)
    nodes.insert(2, branch)
    values = {one.name: numpy_helper.to_array(one) for one in network.graph.initializer}
    model = packaged(network_of(nodes, {**values, "yes": np.array(True)}))
    half = to_fp16(model)
    assert weight_types(half)["middle"] == TensorProto.FLOAT16
    np.testing.assert_allclose(
        rows_of(half, images(2))[..., 4], rows_of(model, images(2))[..., 4], atol=5e-3
    )


def test_scales_of_a_resize_stay_float32():
    network = deep_network()
    resize = helper.make_node("Resize", ["stem_out", "", "twice"], ["large"], name="large")
    pool = helper.make_node(
        "MaxPool", ["large"], ["pooled"], name="pooled", kernel_shape=[2, 2], strides=[2, 2]
    )
    for node in network.graph.node:
        if node.name == "middle":
            node.input[0] = "pooled"
    nodes = list(network.graph.node)
    nodes[2:2] = [resize, pool]
    values = {one.name: numpy_helper.to_array(one) for one in network.graph.initializer}
    twice = np.array([1, 1, 2, 2], np.float32)
    model = packaged(network_of(nodes, {**values, "twice": twice}))
    half = to_fp16(model)
    types = {one.name: one.data_type for one in half.graph.initializer}
    assert types["network/twice"] == TensorProto.FLOAT
    assert rows_of(half, images(1)).shape == (1, 20, 6)


def test_a_network_that_is_only_a_head_is_refused():
    model = packaged(cityeye_network(Patches(7, 1, gain=1.0, score_bias=-1.0), 3))
    with pytest.raises(GraphError, match="model street: the network has 3 convolutions or other"):
        to_fp16(model, name="street")
