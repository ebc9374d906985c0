"""Fixed batches: an export for exactly B images is rewritten for any number of them.

Exporters write the batch into constants: into the shapes of Reshape, Expand and the like. Each is
rewritten so that it says the same for B images and follows the batch otherwise. Whether that was
enough is not known here: the result counts only after it gave the same rows as the original.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported
from models.graph import dimensions, opset_of

BATCH = "N"
SHAPE_INPUT = {"ConstantOfShape": 0, "Expand": 1, "Resize": 3}
"""Operators that take a whole shape, and as which input."""


def with_free_batch(network: ModelProto, batch: int) -> ModelProto:
    """A copy of a network, exported for `batch` images, that takes any number of them.

    Args:
        network: With a fixed first size of its input.
        batch: That size.

    Raises:
        onnx.shape_inference.InferenceError: Its shapes contradict each other.
    """
    shapes = _static_shapes(network)
    freed = ModelProto()
    freed.CopyFrom(network)
    del freed.graph.value_info[:]
    for value in Exported(freed).inputs:
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    for value in freed.graph.output:
        for size in value.type.tensor_type.shape.dim[:1]:
            size.dim_param = BATCH
    rewriting = _Rewriting(shapes, batch, _constants(freed.graph))
    graph = GraphBuilder(opset_of(freed), prefix="batch")
    current = graph.size_of(Exported(freed).inputs[0].name, 0)
    nodes = list(freed.graph.node)
    for node in nodes:
        rewriting.rewrite(graph, node, current)
    del freed.graph.node[:]
    freed.graph.node.extend([*graph.nodes, *nodes])
    freed.graph.initializer.extend(graph.constants)
    return freed


def pinned(network: ModelProto, batch: int) -> ModelProto:
    """A copy of a network that takes exactly `batch` images."""
    copy = ModelProto()
    copy.CopyFrom(network)
    for value in [*Exported(copy).inputs, *copy.graph.output]:
        for size in value.type.tensor_type.shape.dim[:1]:
            size.dim_value = batch
    return copy


def follow_batch(before: tuple[int, ...], after: tuple[int, ...]) -> list[int]:
    """The shape argument of a Reshape that does the same for every batch.

    Axes that stay what they are at the front are copied (0), those at the end keep their size, and
    the first of those between them takes what is left (-1): wherever the batch is, it is followed.
    """
    shorter = min(len(before), len(after))
    front = 0
    while front < shorter and before[front] == after[front]:
        front += 1
    back = 0
    while back < shorter - front and before[-1 - back] == after[-1 - back]:
        back += 1
    middle = len(after) - front - back
    if middle > 0:
        rest = after[front + 1 :]
        return [0] * front + [-1, *rest]
    # An axis of size 1 went away, perhaps the batch itself: it joins the first one.
    return [-1, *after[1:]]


@dataclass(frozen=True, slots=True)
class _Rewriting:
    shapes: dict[str, tuple[int, ...]]
    batch: int
    constants: dict[str, list[int]]

    def rewrite(self, graph: GraphBuilder, node: NodeProto, current: str) -> None:
        """Lets one node follow the batch, in place; what it needs goes to the builder."""
        if node.op_type == "Reshape":
            self._reshape(graph, node)
        elif node.op_type in SHAPE_INPUT:
            self._shape(graph, node, SHAPE_INPUT[node.op_type], current)

    def _reshape(self, graph: GraphBuilder, node: NodeProto) -> None:
        before, after = (self.shapes.get(name) for name in (node.input[0], node.output[0]))
        if before is None or not after or node.input[1] not in self.constants:
            return
        if before == after or 0 in after or (len(after) == 1 and before != after):
            wanted = [-1] if len(after) == 1 else [0] * len(after)
        else:
            wanted = follow_batch(before, after)
        del node.attribute[:]
        node.input[1] = graph.integers(*wanted)

    def _shape(self, graph: GraphBuilder, node: NodeProto, place: int, current: str) -> None:
        if len(node.input) <= place:
            return
        wanted = self.constants.get(node.input[place])
        if not wanted or wanted[0] != self.batch:
            return
        rest = graph.integers(*wanted[1:])
        node.input[place] = graph.node("Concat", current, rest, axis=0) if wanted[1:] else current


def _static_shapes(network: ModelProto) -> dict[str, tuple[int, ...]]:
    inferred = onnx.shape_inference.infer_shapes(network, data_prop=True).graph
    shapes: dict[str, tuple[int, ...]] = {
        tensor.name: tuple(tensor.dims) for tensor in inferred.initializer
    }
    for value in [*inferred.value_info, *inferred.input, *inferred.output]:
        sizes = dimensions(value)
        if value.type.tensor_type.HasField("shape") and all(isinstance(one, int) for one in sizes):
            shapes[value.name] = tuple(int(one) for one in sizes if isinstance(one, int))
    return shapes


def _constants(graph: GraphProto) -> dict[str, list[int]]:
    """Short int64 vectors, from initializers and Constant nodes."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            values = [
                helper.get_attribute_value(one) for one in node.attribute if one.name == "value"
            ]
            tensors |= dict.fromkeys(node.output[:1], values[0]) if values else {}
    short = {
        name: tensor
        for name, tensor in tensors.items()
        if tensor.data_type == onnx.TensorProto.INT64
        and len(tensor.dims) == 1
        and tensor.dims[0] < 9  # noqa: PLR2004
    }
    return {
        name: [int(one) for one in np.asarray(numpy_helper.to_array(tensor)).ravel()]
        for name, tensor in short.items()
    }
