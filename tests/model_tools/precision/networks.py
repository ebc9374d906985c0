"""Small networks with a body and a head, packaged, and what is inside a converted graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from model_tools.graph.selection import Selection
from model_tools.heads.cityeye import STRIDES
from model_tools.heads.task import HeadTask, each_alone
from model_tools.heads.wrapping import wrap
from model_tools.precision.network import LAYERS
from models.graph.contract import check_model
from models.session import open_session
from tests.models.tiny import IR_VERSION, LABELS, OPSET, SIZE, cell_count

WIDTH = 16
ROWS = 20
BODY_LAYERS = ("stem", "middle", "deep")


def deep_network(
    seed: int = 1, batch: str | int = "N", weights: dict[str, np.ndarray] | None = None
) -> ModelProto:
    """Three layers in a row, and a last layer on each of them: (N, 3, H, W) → (N, 4 + C, A).

    Args:
        seed: Of the weights.
        batch: Free or fixed.
        weights: Values to put in place of the random ones, by name.
    """
    rng = np.random.default_rng(seed)
    channels = 4 + len(LABELS)
    values = {"flat": np.array([0, channels, -1])}
    nodes: list[NodeProto] = []
    below, wide = "images", 3
    for layer, stride, step in zip(BODY_LAYERS, STRIDES, (8, 2, 2), strict=True):
        spread = (2.0 / (wide * step * step)) ** 0.5
        shape = (WIDTH, wide, step, step)
        values[f"{layer}_w"] = rng.normal(0, spread, shape).astype(np.float32)
        values[f"{layer}_b"] = rng.normal(0, 0.1, WIDTH).astype(np.float32)
        # Boxes of about a cell that hardly move, so that suppression has nothing to flip.
        last = rng.normal(0, 0.4, (channels, WIDTH, 1, 1))
        last[:4] *= 0.1
        values[f"last{stride}_w"] = last.astype(np.float32)
        bias = rng.normal(0.5, 0.3, channels)
        bias[4:] -= 1.5
        values[f"last{stride}_b"] = bias.astype(np.float32)
        nodes += [
            _node("Conv", layer, [below, f"{layer}_w", f"{layer}_b"], strides=[step, step]),
            _node("Relu", f"{layer}_out", [layer]),
            _node("Conv", f"map{stride}", [f"{layer}_out", f"last{stride}_w", f"last{stride}_b"]),
            _node("Reshape", f"flat{stride}", [f"map{stride}", "flat"]),
        ]
        below, wide = f"{layer}_out", WIDTH
    nodes.append(_node("Concat", "raw", [f"flat{stride}" for stride in STRIDES], axis=2))
    values |= weights or {}
    return network_of(nodes, values, batch)


def network_of(
    nodes: list[NodeProto], values: dict[str, np.ndarray], batch: str | int = "N"
) -> ModelProto:
    """A network for the built-in head."""
    width, height = SIZE
    raw = [batch, 4 + len(LABELS), cell_count()]
    graph = helper.make_graph(
        nodes,
        "deep",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, height, width])],
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, raw)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def packaged(network: ModelProto) -> ModelProto:
    """The network with the built-in head, as an import leaves it."""
    task = HeadTask(SIZE, len(LABELS), each_alone(tuple(range(len(LABELS)))), Selection(rows=ROWS))
    return wrap(network, "cityeye", task).model


def images(count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """(N, H, W, 3): patches of colours, so that neighbouring pixels are alike."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (count, SIZE[1] // 8, SIZE[0] // 8, 3), np.uint8)
    return patches.repeat(8, axis=1).repeat(8, axis=2)


def rows_of(model: ModelProto, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    session = open_session("test", model.SerializeToString())
    (rows,) = session.run(None, {"pictures": batch})
    return rows


def keeps_the_contract(model: ModelProto, batch: int | None = None) -> None:
    check_model(
        model,
        input_name="pictures",
        size=SIZE,
        batch=batch,
        output_name="detections",
        rows=ROWS,
        opset=OPSET,
    )


def weight_types(model: ModelProto) -> dict[str, int]:
    """Element type of the weights that each layer of the network computes with, by its output."""
    weights = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    sources = {name: node for node in model.graph.node for name in node.output}
    types = {}
    for node in model.graph.node:
        if node.op_type in LAYERS:
            tensor = node.input[1]
            while tensor not in weights:
                tensor = sources[tensor].input[0]
            name = node.name.removeprefix("network/")
            types[name] = weights[tensor]
    return types


def _node(operator: str, output: str, inputs: list[str], **attributes) -> NodeProto:
    return helper.make_node(operator, inputs, [output], name=output, **attributes)
