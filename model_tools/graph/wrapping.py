"""Wrapping: a network in, a packaged graph out: uint8 (N, H, W, 3) RGB to float32 (N, M, 6).

The network keeps its operators and weights; preprocessing is put before it and its head's
decoding and selection after it, in the network's own opset. Nodes that are added here are called
`cityeye/…`, those of the network `network/…`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, compose, helper, version_converter

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported, shown, shown_shape
from model_tools.graph.heads import (
    HeadName,
    HeadTask,
    add_cityeye_head,
    add_logits_head,
    add_row_head,
    add_rtdetr_head,
    add_table_head,
    add_yolo_head,
    add_yolox_head,
    grid,
)
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import (
    FULL_SCALE,
    Preprocessing,
    add_preprocessing,
    add_way_back,
)
from model_tools.graph.selection import Choice, add_rows
from models.errors import GraphError
from models.graph.contract import Dimension, dimensions

INPUT_NAME = "pictures"
OUTPUT_NAME = "detections"
OLDEST_OPSET = 13
NETWORK_PREFIX = "network/"
ADDED_PREFIX = "cityeye"
DETR_SIZE_INPUT = "orig_target_sizes"
COLUMNS = 6
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16}


@dataclass(frozen=True, slots=True)
class WrappedGraph:
    """A graph that fulfils the package contract.

    Attributes:
        model: The ONNX model.
        rows: Detections per image.
        opset: Version of the default operator set.
        fixed_batch: How many images it takes at once, exactly; None where any number does.
    """

    model: ModelProto
    rows: int
    opset: int
    fixed_batch: int | None = None

    @property
    def dynamic_batch(self) -> bool:
        """Whether it takes any number of images."""
        return self.fixed_batch is None


def wrap(
    network: ModelProto,
    head: HeadName,
    task: HeadTask,
    preprocessing: Preprocessing | None = None,
) -> WrappedGraph:
    """Wraps a network.

    Args:
        network: As exported, float (N, 3, h, w) images in.
        head: Which family of outputs it has.
        task: Input size, classes and selection limits.
        preprocessing: What it expects; None takes the family's habit.

    Raises:
        GraphError: The network's tensors are not those of the head.
    """
    exported = Exported(modern(network, head))
    size, batch = image_input(exported, head, task.size)
    wanted = preprocessing or default_preprocessing(head)
    placement = wanted.place(task.size, size)
    inner = Exported(compose.add_prefix(exported.model, NETWORK_PREFIX))
    graph = GraphBuilder(exported.opset, prefix=ADDED_PREFIX)
    prepared = add_preprocessing(graph, INPUT_NAME, wanted, placement)
    _connect_inputs(graph, inner, prepared, size)
    graph.nodes.extend(inner.model.graph.node)
    found = _add_head(graph, inner, head, task, size)
    found = Choice(add_way_back(graph, found.boxes, placement), found.scores, found.labels)
    graph.alias(add_rows(graph, found), OUTPUT_NAME)
    model = _assembled(graph, inner.model, task, batch)
    return WrappedGraph(model, task.selection.rows, exported.opset, batch)


def default_preprocessing(head: HeadName) -> Preprocessing:
    """What networks of this family are usually trained on."""
    if head in {"yolox", "yolox-decoded"}:
        return Preprocessing(colour_order="bgr", scale=1.0, fit="letterbox", centred=False)
    if head in {"yolo", "yolo-e2e", "cityeye"}:
        return Preprocessing(scale=1.0 / FULL_SCALE, fit="letterbox")
    return Preprocessing(scale=1.0 / FULL_SCALE)


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
        raise _mismatch(
            head,
            f"operator set {opset} is too old and cannot be converted",
            f"export it with opset {OLDEST_OPSET} or later",
        ) from error


def image_input(exported: Exported, head: str, size: Size) -> tuple[Size, int | None]:
    """Size of the network's image, `size` where it is free, and its batch if that is fixed.

    Raises:
        GraphError: It takes no images that can be made here.
    """
    inputs = exported.inputs
    shape = dimensions(inputs[0]) if inputs else ()
    if len(shape) != 4 or shape[1] != 3:  # noqa: PLR2004
        seen = shown(inputs[0]) if inputs else "none"
        raise _mismatch(
            head, f"the first input is {seen}", "it must be float [N, 3, height, width]"
        )
    if inputs[0].type.tensor_type.elem_type not in FLOATS:
        raise _mismatch(
            head, f"the input is {shown(inputs[0])}", "export it with float images as input"
        )
    batch, _, height, width = shape
    network = (
        width if isinstance(width, int) and width > 0 else size[0],
        height if isinstance(height, int) and height > 0 else size[1],
    )
    return network, batch if isinstance(batch, int) and batch > 0 else None


def gives_rows(exported: Exported) -> bool:
    """Whether an RT-DETR output ends in score and class instead of in all class scores."""
    parts = exported.joined(exported.first_output.name)
    # With exactly two classes both have six columns, and free exports do not tell their columns:
    # the number of parts does, boxes and scores, or boxes, scores and classes.
    if len(parts) in {2, 3}:
        return len(parts) == 3  # noqa: PLR2004
    return dimensions(exported.first_output)[-1] == COLUMNS


def _connect_inputs(graph: GraphBuilder, inner: Exported, prepared: str, size: Size) -> None:
    images, *others = inner.inputs
    element = images.type.tensor_type.elem_type
    if element != TensorProto.FLOAT:
        prepared = graph.cast(prepared, element)
    graph.alias(prepared, images.name)
    for other in others:
        if other.name != NETWORK_PREFIX + DETR_SIZE_INPUT:
            name = other.name.removeprefix(NETWORK_PREFIX)
            raise _mismatch("detr", f"unknown input {name}", "remove it from the export")
        batch = graph.size_of(INPUT_NAME, 0)
        shape = graph.node("Concat", batch, graph.integers(2), axis=0)
        sizes = graph.node("Expand", graph.constant(np.array([size], np.int64)), shape)
        graph.alias(graph.cast(sizes, other.type.tensor_type.elem_type), other.name)


def _add_head(
    graph: GraphBuilder, inner: Exported, head: HeadName, task: HeadTask, size: Size
) -> Choice:
    if head in {"detr", "detr-logits"}:
        return _add_named_outputs(graph, inner, head, task, size)
    output = inner.first_output
    shape = dimensions(output)
    if len(shape) != 3:  # noqa: PLR2004
        raise _mismatch(head, f"output {shown_shape(shape)} has not three axes", "check the head")
    raw = _as_float(graph, output)
    if head in {"yolo-e2e", "packaged"}:
        _check_axis(head, shape, 2, COLUMNS)
        return add_table_head(graph, raw, task)
    if head == "rtdetr":
        rows = gives_rows(inner)
        _check_axis(head, shape, 2, COLUMNS if rows else 4 + task.classes)
        return add_rtdetr_head(graph, raw, task, size, rows=rows)
    if head in {"yolox", "yolox-decoded"}:
        _check_axis(head, shape, 2, 5 + task.classes)
        if head == "yolox":
            _check_axis(head, shape, 1, len(grid(size)[0]))
        return add_yolox_head(graph, raw, task, size if head == "yolox" else None)
    _check_axis(head, shape, 1, 4 + task.classes)
    if head == "yolo":
        return add_yolo_head(graph, raw, task)
    _check_axis(head, shape, 2, len(grid(size)[0]))
    return add_cityeye_head(graph, raw, task, size)


def _add_named_outputs(
    graph: GraphBuilder, inner: Exported, head: HeadName, task: HeadTask, size: Size
) -> Choice:
    wanted = ("labels", "boxes", "scores") if head == "detr" else ("logits", "pred_boxes")
    outputs = {name.removeprefix(NETWORK_PREFIX): one for name, one in inner.outputs.items()}
    missing = sorted(set(wanted) - set(outputs))
    if missing:
        raise _mismatch(head, f"it has no output {', '.join(missing)}", "export it so")
    if head == "detr":
        boxes, scores = (_as_float(graph, outputs[name]) for name in ("boxes", "scores"))
        return add_row_head(graph, boxes, scores, outputs["labels"].name, task)
    columns = dimensions(outputs["logits"])[-1]
    softmax = columns == task.classes + 1
    if not softmax:
        _check_axis(head, dimensions(outputs["logits"]), 2, task.classes)
    logits, boxes = (_as_float(graph, outputs[name]) for name in wanted)
    return add_logits_head(graph, logits, boxes, task, size, softmax=softmax)


def _as_float(graph: GraphBuilder, output: ValueInfoProto) -> str:
    if output.type.tensor_type.elem_type == TensorProto.FLOAT:
        return output.name
    return graph.cast(output.name, TensorProto.FLOAT)


def _check_axis(head: str, shape: tuple[Dimension, ...], axis: int, wanted: int) -> None:
    found = shape[axis] if axis < len(shape) else 0
    if isinstance(found, int) and found != wanted:
        raise _mismatch(
            head,
            f"output {shown_shape(shape)} must have {wanted} on axis {axis}",
            "check head, size and labels",
        )


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
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [batch, rows, COLUMNS])],
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


def _mismatch(head: str, problem: str, remedy: str) -> GraphError:
    return GraphError(f"with head {head}", f"{problem}; {remedy}")
