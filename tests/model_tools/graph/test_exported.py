"""What is read off a network file: activations behind its outputs, and its number format."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_tools.graph.exported import Exported
from model_tools.importing.building import inspect
from model_tools.importing.request import ImportRequest
from model_tools.precision import to_fp16
from models.errors import GraphError
from tests.model_tools.networks import decoded_yolox_network, yolo_network
from tests.model_tools.precision.networks import deep_network, packaged
from tests.models.tiny import Patches, cityeye_network, detr_network, yolox_network


@pytest.mark.parametrize(
    ("network", "output", "first", "activation"),
    [
        (yolox_network(Patches(8, 9, 0.008, 0.3), 3), "raw", "Conv", "sigmoid"),
        (decoded_yolox_network(3), "output", "Mul", "sigmoid"),
        (yolo_network(3), "output0", "Mul", "sigmoid"),
        (cityeye_network(Patches(7, 1, 1, 0), 3), "raw", "Conv", None),
        (detr_network((96, 64), 3), "scores", "Sigmoid", "sigmoid"),
        (detr_network((96, 64), 3), "labels", "ArgMax", None),
    ],
)
def test_operators_behind_an_output_are_found(network, output, first, activation):
    exported = Exported(network)
    assert exported.behind(output, last=False) == first
    assert exported.activation(output) == activation


def with_weights(values: np.ndarray, *operators: str) -> ModelProto:
    nodes = [helper.make_node(one, ["w"], [f"x{place}"]) for place, one in enumerate(operators)]
    output = helper.make_tensor_value_info("x0", TensorProto.FLOAT, [])
    graph = helper.make_graph(nodes, "g", [], [output], [numpy_helper.from_array(values, "w")])
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("network", "precision"),
    [
        (yolo_network(3), "fp32"),
        (yolo_network(3, element=TensorProto.FLOAT16), "fp32"),
        (with_weights(np.ones(9, np.float16), "Cast"), "fp16"),
        (with_weights(np.ones(9, np.int8), "Cast"), "int8"),
        (with_weights(np.ones(9, np.float32), "ConvInteger"), "int8"),
        (with_weights(np.ones(9, np.float32), "QLinearConv"), "int8"),
        (with_weights(np.ones(9, np.float32), "DequantizeLinear"), "int8"),
        (with_weights(np.ones(9, np.float32), "MatMulNBits"), "int8"),
        (with_weights(np.ones(9, np.int64), "Reshape"), "fp32"),
    ],
)
def test_the_number_format_is_that_of_layers_and_weights(network, precision):
    assert Exported(network).precision == precision


def test_what_was_lowered_before_is_recorded_and_not_lowered_again(tmp_path):
    half = to_fp16(packaged(deep_network()))
    path = tmp_path / "half.onnx"
    onnx.save_model(half, str(path))

    def inspected(precision: str) -> dict[str, object]:
        request = ImportRequest.model_validate(
            {"name": "s", "file": "f", "labels": ["a", "b", "c"], "precision": precision}
        )
        given = {"network": str(path), "beside": str(tmp_path), "request": request.to_json()}
        return inspect(given, lambda step, seconds=None: None)

    assert inspected("fp32")["precision"] == "fp16"
    with pytest.raises(GraphError, match="is fp16 already; leave --int8 out"):
        inspected("int8")
