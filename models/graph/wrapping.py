"""Wrapping: a network in, a packaged graph out: uint8 (N, H, W, 3) RGB to float32 (N, M, 6).

The network keeps its operators and weights; preprocessing is put before it and its head's
decoding and selection after it, in the network's own opset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, compose, helper, version_converter

from models.errors import GraphError
from models.graph.builder import GraphBuilder
from models.graph.contract import Dimension, dimensions, opset_of
from models.graph.heads import (
    HeadName,
    HeadTask,
    add_cityeye_head,
    add_detr_head,
    add_yolox_head,
    grid,
)
from models.graph.preprocessing import FULL_SCALE, Preprocessing, add_preprocessing

INPUT_NAME = "pictures"
OUTPUT_NAME = "detections"
OLDEST_OPSET = 13
NETWORK_PREFIX = "network/"
DETR_SIZE_INPUT = "orig_target_sizes"


@dataclass(frozen=True, slots=True)
class WrappedGraph:
    """A graph that fulfils the package contract.

    Attributes:
        model: The ONNX model.
        rows: Detections per picture.
        dynamic_batch: False where the network was exported for exactly one picture.
        opset: Version of the default operator set.
    """

    model: ModelProto
    rows: int
    dynamic_batch: bool
    opset: int


def wrap(
    network: ModelProto,
    head: HeadName,
    task: HeadTask,
    preprocessing: Preprocessing | None = None,
) -> WrappedGraph:
    """Wraps a network.

    Args:
        network: As exported, float32 (N, 3, h, w) pictures in.
        head: Which family of outputs it has.
        task: Input size, classes and selection limits.
        preprocessing: What it expects; None takes the family's habit.

    Raises:
        GraphError: The network's tensors are not those of the head.
    """
    if opset_of(network) < OLDEST_OPSET:
        network = _converted(network, head)
    opset = opset_of(network)
    network_size, dynamic_batch = _network_input(network, head, task.size)
    wanted = preprocessing or default_preprocessing(head)
    if network_size != task.size:
        wanted = replace(wanted, stretch_to=network_size)
    inner = compose.add_prefix(network, NETWORK_PREFIX)
    graph = GraphBuilder(opset, prefix="cityeye")
    prepared = add_preprocessing(graph, INPUT_NAME, wanted)
    _connect_inputs(graph, inner, prepared, task.size)
    graph.nodes.extend(inner.graph.node)
    rows = _add_head(graph, inner, head, task)
    graph.nodes.append(helper.make_node("Identity", [rows], [OUTPUT_NAME], name="cityeye/output"))
    model = _assembled(graph, inner, task, dynamic_batch)
    return WrappedGraph(model, task.selection.rows, dynamic_batch, opset)


def default_preprocessing(head: HeadName) -> Preprocessing:
    """What networks of this family are usually trained on."""
    if head == "yolox":
        return Preprocessing(colour_order="bgr", scale=1.0)
    return Preprocessing(scale=1.0 / FULL_SCALE)


def _converted(network: ModelProto, head: HeadName) -> ModelProto:
    try:
        return version_converter.convert_version(network, OLDEST_OPSET)
    except RuntimeError as error:
        raise _mismatch(
            head, f"opset {opset_of(network)} is too old", f"export with {OLDEST_OPSET} or later"
        ) from error


def _picture_inputs(network: ModelProto) -> list[ValueInfoProto]:
    weights = {tensor.name for tensor in network.graph.initializer}
    return [value for value in network.graph.input if value.name not in weights]


def _network_input(
    network: ModelProto, head: HeadName, size: tuple[int, int]
) -> tuple[tuple[int, int], bool]:
    inputs = _picture_inputs(network)
    shape = dimensions(inputs[0]) if inputs else ()
    if len(shape) != 4 or shape[1] != 3:  # noqa: PLR2004
        raise _mismatch(
            head, f"the first input has shape {list(shape)}", "it must be (N, 3, height, width)"
        )
    batch, _, height, width = shape
    if isinstance(batch, int) and batch != 1:
        raise _mismatch(head, f"batch is fixed to {batch}", "export it with a free batch")
    network_size = (
        width if isinstance(width, int) else size[0],
        height if isinstance(height, int) else size[1],
    )
    if head != "detr" and network_size != size:
        raise _mismatch(
            head,
            f"it takes {network_size[0]}x{network_size[1]} pictures, not {size[0]}x{size[1]}",
            "choose that size for the package",
        )
    return network_size, not isinstance(batch, int)


def _connect_inputs(
    graph: GraphBuilder, inner: ModelProto, prepared: str, size: tuple[int, int]
) -> None:
    pictures, *others = _picture_inputs(inner)
    graph.nodes.append(helper.make_node("Identity", [prepared], [pictures.name]))
    for other in others:
        if other.name != NETWORK_PREFIX + DETR_SIZE_INPUT:
            raise _mismatch("detr", f"unknown input {other.name}", "remove it from the export")
        batch = graph.size_of(INPUT_NAME, 0)
        shape = graph.node("Concat", batch, graph.integers(2), axis=0)
        sizes = graph.node("Expand", graph.constant(np.array([size], np.int64)), shape)
        element = other.type.tensor_type.elem_type
        graph.nodes.append(helper.make_node("Cast", [sizes], [other.name], to=element))


def _add_head(graph: GraphBuilder, inner: ModelProto, head: HeadName, task: HeadTask) -> str:
    outputs = {value.name.removeprefix(NETWORK_PREFIX): value for value in inner.graph.output}
    if head == "detr":
        missing = {"labels", "boxes", "scores"} - set(outputs)
        if missing:
            raise _mismatch(head, f"it has no output {', '.join(sorted(missing))}", "export it so")
        labels, boxes, scores = (outputs[key].name for key in ("labels", "boxes", "scores"))
        _check_axis(head, dimensions(outputs["scores"]), 1, task.selection.rows, at_least=True)
        return add_detr_head(graph, labels, boxes, scores, task)
    raw = inner.graph.output[0]
    points = len(grid(task.size)[0])
    channel_axis, point_axis, fixed = (1, 2, 4) if head == "cityeye" else (2, 1, 5)
    _check_axis(head, dimensions(raw), channel_axis, fixed + task.classes)
    _check_axis(head, dimensions(raw), point_axis, points)
    add = add_cityeye_head if head == "cityeye" else add_yolox_head
    return add(graph, raw.name, task)


def _check_axis(
    head: HeadName, shape: tuple[Dimension, ...], axis: int, wanted: int, *, at_least: bool = False
) -> None:
    found = shape[axis] if axis < len(shape) else 0
    if isinstance(found, int) and (found < wanted if at_least else found != wanted):
        relation = "at least " if at_least else ""
        raise _mismatch(
            head,
            f"output {list(shape)} must have {relation}{wanted} on axis {axis}",
            "check head, size and labels",
        )


def _assembled(
    graph: GraphBuilder, inner: ModelProto, task: HeadTask, dynamic_batch: bool
) -> ModelProto:
    batch: str | int = "N" if dynamic_batch else 1
    width, height = task.size
    rows = task.selection.rows
    merged = helper.make_graph(
        graph.nodes,
        "cityeye",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [batch, height, width, 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [batch, rows, 6])],
        [*inner.graph.initializer, *graph.constants],
    )
    model = helper.make_model(
        merged,
        opset_imports=list(inner.opset_import),
        functions=list(inner.functions),
        ir_version=inner.ir_version,
        producer_name="cityeye",
    )
    onnx.checker.check_model(model)
    return model


def _mismatch(head: HeadName, problem: str, remedy: str) -> GraphError:
    return GraphError(f"with head {head}", f"{problem}; {remedy}")
