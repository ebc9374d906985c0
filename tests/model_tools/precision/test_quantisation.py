"""int8: the body in 8 bits as far as it bears them, everything else as it was."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from onnx import TensorProto

from model_tools.precision import fidelity, to_int8
from model_tools.precision.network import LAYERS
from models.errors import GraphError, ImageError
from tests.model_tools.precision.networks import (
    BODY_LAYERS,
    deep_network,
    images,
    keeps_the_contract,
    packaged,
    rows_of,
    weight_types,
)
from tests.models.tiny import Patches, cityeye_network

HEAD = ("map8", "map16", "map32")


@pytest.fixture(scope="module")
def model():
    return packaged(deep_network())


@pytest.fixture(scope="module")
def quantised(model):
    return to_int8(model, images(16))


def test_the_body_is_int8_and_the_head_is_not(quantised):
    types = weight_types(quantised)
    assert {types[layer] for layer in BODY_LAYERS[:2]} == {TensorProto.INT8}
    assert {types[layer] for layer in HEAD} == {TensorProto.FLOAT}


def test_weights_have_a_scale_for_every_channel(quantised):
    sizes = {one.name: list(one.dims) for one in quantised.graph.initializer}
    assert sizes["network/stem_w_scale"] == [16]


def test_it_keeps_the_contract_with_standard_operators_only(quantised):
    keeps_the_contract(quantised)
    assert {node.domain for node in quantised.graph.node} == {""}
    assert [one.domain for one in quantised.opset_import] == [""]
    assert not quantised.metadata_props


def test_it_finds_nearly_the_same_in_images_that_did_not_calibrate(model, quantised):
    batch = images(24, seed=9)
    found = fidelity(rows_of(model, batch), rows_of(quantised, batch), 0.3)
    assert found.objects > 24
    assert found.ap50 > 0.9
    assert found.iou > 0.9
    assert found.iou < 1.0, "nothing was rounded, so nothing was converted"


def test_it_takes_any_number_of_images(quantised):
    batch = images(5, seed=3)
    together = rows_of(quantised, batch)
    alone = np.concatenate([rows_of(quantised, one[None]) for one in batch])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_the_original_is_left_alone(model):
    before = model.SerializeToString()
    to_int8(model, images(8))
    assert model.SerializeToString() == before


def test_a_fixed_batch_is_filled_up_and_stays_fixed():
    fixed = to_int8(packaged(deep_network(batch=3)), images(8))
    keeps_the_contract(fixed, batch=3)
    assert rows_of(fixed, images(3)).shape[0] == 3
    assert weight_types(fixed)["stem"] == TensorProto.INT8


def test_a_layer_that_does_not_tolerate_int8_stays_in_fp32():
    """One channel a thousand times as large as the others leaves these no steps to differ by."""
    stem = np.random.default_rng(0).normal(0, 0.02, (16, 3, 8, 8)).astype(np.float32)
    stem[0] *= 1000.0
    later = np.random.default_rng(1).normal(0, 0.4, (16, 16, 2, 2)).astype(np.float32)
    later[:, 0] = 0.0
    last = np.random.default_rng(2).normal(0, 0.7, (7, 16, 1, 1)).astype(np.float32)
    last[:, 0] = 0.0
    weights = {"stem_w": stem, "middle_w": later, "last8_w": last}
    original = packaged(deep_network(weights=weights))
    types = weight_types(to_int8(original, images(16)))
    assert types["stem"] == TensorProto.FLOAT
    assert types["deep"] == TensorProto.INT8


def test_nothing_is_logged(model, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        to_int8(model, images(8))
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_too_few_images_are_refused(model):
    with pytest.raises(ImageError, match="model street: 7 calibration images are too few"):
        to_int8(model, images(7), name="street")


def test_an_image_of_another_size_is_named(model):
    some = [*images(8), np.zeros((32, 32, 3), np.uint8)]
    with pytest.raises(ImageError, match=r"calibration image 8 is uint8 \(32, 32, 3\)"):
        to_int8(model, some)


def test_a_network_that_is_only_a_head_is_refused():
    shallow = packaged(cityeye_network(Patches(7, 1, gain=1.0, score_bias=-1.0), 3))
    with pytest.raises(GraphError, match="gain nothing; keep it as it is"):
        to_int8(shallow, images(8))


def test_layers_behind_unnamed_nodes_are_found_too(model):
    nameless = packaged(deep_network())
    for node in nameless.graph.node:
        if node.op_type in LAYERS:
            node.name = ""
    changed = to_int8(nameless, images(8))
    held = {one.data_type for one in changed.graph.initializer if one.name.startswith("network/")}
    assert TensorProto.INT8 in held
    batch = images(4)
    np.testing.assert_allclose(
        rows_of(changed, batch)[..., 4], rows_of(model, batch)[..., 4], atol=0.2
    )
