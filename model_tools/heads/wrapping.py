"""Wrapping: a network in, a packaged graph out: uint8 (N, H, W, 3) RGB to float32 (N, M, 6).

The network keeps its operators and weights; preprocessing is put before it and its head's
decoding and selection after it, in the network's own opset. Nodes that are added here are called
`cityeye/…`, those of the network `network/…`.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, compose, helper, version_converter

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported, mismatch
from model_tools.graph.placement import ImageSize
from model_tools.graph.preprocessing import Preprocessing, add_preprocessing, add_way_back
from model_tools.graph.selection import Choice, add_rows
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.registry import heads
from model_tools.heads.task import ADDED_PREFIX, ROW_COLUMNS, HeadTask, WrappedGraph
from models import GraphError

INPUT_NAME = "pictures"
OUTPUT_NAME = "detections"
OLDEST_OPSET = 13
NETWORK_PREFIX = "network/"
DETR_SIZE_INPUT = "orig_target_sizes"


def wrap(
    network: ModelProto,
    head: str,
    task: HeadTask,
    preprocessing: Preprocessing | None = None,
) -> WrappedGraph:
    """Wraps a network.

    Args:
        network: As exported, float (N, 3, h, w) images in.
        head: Name of its family of outputs.
        task: Input size, classes and selection limits.
        preprocessing: What it expects; None takes what the family is usually trained on.

    Raises:
        GraphError: The network's tensors are not those of the head.
    """
    exported = Exported(modern(network, head))
    size, batch = exported.image_input(head, task.size)
    wanted = preprocessing or heads()[head].preprocessing(exported)
    placement = wanted.place(task.size, size)
    inner = Exported(compose.add_prefix(exported.model, NETWORK_PREFIX))
    graph = HeadGraph(head, inner, task, size, ADDED_PREFIX)
    prepared = add_preprocessing(graph, INPUT_NAME, wanted, placement)
    _connect_inputs(graph, inner, prepared, size)
    graph.nodes.extend(inner.model.graph.node)
    found = heads()[head].build(graph)
    found = Choice(add_way_back(graph, found.boxes, placement), found.scores, found.labels)
    graph.alias(add_rows(graph, found), OUTPUT_NAME)
    model = _assembled(graph, inner.model, task, batch)
    return WrappedGraph(model, task.selection.rows, exported.opset, batch)


def modern(network: ModelProto, head: str) -> ModelProto:
    """The network in an operator set that packages may have.

    Raises:
        GraphError: It is too old to be converted.
    """
    opset = Exported(network).opset
    if opset >= OLDEST_OPSET:
        return network
    try:
        return version_converter.convert_version(network, OLDEST_OPSET)
    except RuntimeError as error:
        raise mismatch(
            head,
            f"operator set {opset} is too old and cannot be converted",
            f"export it with opset {OLDEST_OPSET} or later",
        ) from error


def _connect_inputs(graph: GraphBuilder, inner: Exported, prepared: str, size: ImageSize) -> None:
    images, *others = inner.inputs
    element = images.type.tensor_type.elem_type
    if element != TensorProto.FLOAT:
        prepared = graph.cast(prepared, element)
    graph.alias(prepared, images.name)
    for other in others:
        if other.name != NETWORK_PREFIX + DETR_SIZE_INPUT:
            name = other.name.removeprefix(NETWORK_PREFIX)
            raise mismatch("detr", f"unknown input {name}", "remove it from the export")
        batch = graph.size_of(INPUT_NAME, 0)
        shape = graph.node("Concat", batch, graph.integers(2), axis=0)
        sizes = graph.node("Expand", graph.constant(np.array([size], np.int64)), shape)
        graph.alias(graph.cast(sizes, other.type.tensor_type.elem_type), other.name)


def _assembled(
    graph: GraphBuilder, inner: ModelProto, task: HeadTask, fixed_batch: int | None
) -> ModelProto:
    batch: str | int = fixed_batch or "N"
    width, height = task.size
    rows = task.selection.rows
    merged = helper.make_graph(
        graph.nodes,
        "cityeye",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [batch, height, width, 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [batch, rows, ROW_COLUMNS])],
        [*inner.graph.initializer, *graph.constants],
        sparse_initializer=list(inner.graph.sparse_initializer),
    )
    model = helper.make_model(
        merged,
        opset_imports=list(inner.opset_import),
        functions=list(inner.functions),
        ir_version=inner.ir_version,
        producer_name="cityeye",
    )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        problem = str(error).splitlines()[0]
        raise GraphError("graph", f"is not valid ONNX ({problem}); export it again") from error
    return model
