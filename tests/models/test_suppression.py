"""Suppression in fixed shapes chooses what ONNX's operator chooses."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from benchmarks.subject import package_of
from model_tools.graph.builder import GraphBuilder
from model_tools.graph.selection import Selection, add_rows, suppress_each_class
from models.graph import for_gpu
from models.graph.suppression import with_fixed_shapes

CLASSES, POINTS = 3, 150


@pytest.fixture(scope="module")
def selecting():
    """A graph that only selects: boxes and scores in, rows out."""
    graph = GraphBuilder(17, "selection")
    choice = suppress_each_class(graph, "boxes", "scores", Selection(rows=60, candidates=100))
    graph.alias(add_rows(graph, choice), "rows")
    inputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", POINTS, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", CLASSES, POINTS]),
    ]
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", 60, 6])
    made = helper.make_graph(graph.nodes, "selects", inputs, [rows], graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def both(selecting):
    return session(selecting), session(with_fixed_shapes(selecting))


def boxes_of(rng, images, spread):
    """Random boxes; the smaller the spread, the more of them overlap."""
    corner = rng.uniform(0, spread, (images, POINTS, 2))
    return np.concatenate([corner, corner + rng.uniform(5, 60, corner.shape)], 2).astype(np.float32)


@pytest.mark.parametrize("spread", [5, 80, 600])
@pytest.mark.parametrize("images", [1, 3])
def test_the_choice_is_the_operators(both, spread, images):
    rng = np.random.default_rng(spread + images)
    scores = rng.uniform(0, 1, (images, CLASSES, POINTS)).astype(np.float32) ** 4
    given = {"boxes": boxes_of(rng, images, spread), "scores": scores}
    (wanted,), (found,) = both[0].run(None, given), both[1].run(None, given)
    np.testing.assert_array_equal(found, wanted)
    assert (wanted[:, :, 4] > 0).any()


def test_a_chain_in_which_each_box_decides_about_the_next(both):
    """Every second box of a row stays: the first removes the second, so the third stays."""
    left = np.arange(POINTS) * 3.0
    one = np.stack([left, left * 0, left + 20, left * 0 + 20], 1).astype(np.float32)
    scores = np.zeros((1, CLASSES, POINTS), np.float32)
    scores[0, 1, :20] = np.linspace(0.9, 0.3, 20)
    given = {"boxes": one[None], "scores": scores}
    (wanted,), (found,) = both[0].run(None, given), both[1].run(None, given)
    assert (wanted[0, :, 4] > 0).sum() == 10
    np.testing.assert_array_equal(found, wanted)


def test_images_without_anything_give_no_rows(both):
    rng = np.random.default_rng(0)
    given = {
        "boxes": boxes_of(rng, 2, 100),
        "scores": np.zeros((2, CLASSES, POINTS), np.float32),
    }
    assert not both[1].run(None, given)[0].any()


def test_a_built_in_model_gives_the_same_rows():
    package = package_of("traffic")
    content = package.onnx_path.read_bytes()
    graph, free = for_gpu(content)
    assert free == "N"
    fixed = onnx.load_model_from_string(graph)
    assert "NonMaxSuppression" not in {node.op_type for node in fixed.graph.node}
    images = np.random.default_rng(0).integers(0, 256, (1, 384, 640, 3), np.uint8)
    images[:, :, 320:] = 127
    given = {package.manifest.input.name: images}
    (wanted,) = session(onnx.load_model_from_string(content)).run(None, given)
    (found,) = session(fixed).run(None, given)
    np.testing.assert_array_equal(found, wanted)
    assert (wanted[0, :, 4] > 0).sum() > 20


def test_a_network_that_uses_the_operator_otherwise_is_left_alone(selecting):
    model = onnx.ModelProto()
    model.CopyFrom(selecting)
    (scatter,) = [one for one in model.graph.node if one.op_type == "ScatterND"]
    scatter.input[2] = "other"
    assert with_fixed_shapes(model) == model
    assert with_fixed_shapes(with_fixed_shapes(selecting)) == with_fixed_shapes(selecting)
