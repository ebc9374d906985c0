"""fp16: the body of a network in half precision, for GPUs, whose kernels take it at twice the pace.

Preprocessing, head and selection stay in float32: pixel positions of large pictures do not fit into
half precision's eleven bits. On a processor half precision gains nothing and costs conversions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from models.errors import GraphError
from models.graph.ordering import in_order
from models.precision.network import copy_with_names, finished, parts_of

KEPT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that stay float32 whatever the others are: regions and scales, by place."""

GREATEST = float(np.finfo(np.float16).max)


def to_fp16(model: ModelProto, *, name: str = "to convert") -> ModelProto:
    """A copy of a packaged graph whose network computes in half precision up to its head.

    Args:
        model: uint8 (N, H, W, 3) to float32 (N, M, 6); so is the copy.
        name: Who it is, for errors.

    Raises:
        GraphError: The network has no layer to convert, or holds what cannot be converted.
    """
    copy = copy_with_names(model)
    body = set(parts_of(copy, name).body)
    try:
        converted = _Halving(onnx.shape_inference.infer_shapes(copy), body).converted()
        return finished(in_order(converted), model)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())
        raise GraphError(
            name, f"it cannot be converted to half precision ({reason}); keep fp32"
        ) from error


@dataclass(slots=True)
class _Halving:
    """One conversion; a value that crosses the body's border is cast there once."""

    model: ModelProto
    body: set[str]
    _added: dict[str, NodeProto] = field(default_factory=dict)
    _weights: dict[str, TensorProto] = field(default_factory=dict)

    def converted(self) -> ModelProto:
        graph = self.model.graph
        floats = self._float_values()
        weights = {one.name: one for one in graph.initializer}
        inside = {out for node in graph.node if node.name in self.body for out in node.output}
        for node in graph.node:
            within = node.name in self.body
            kept = KEPT_INPUTS.get(node.op_type, ()) if within else ()
            for place, value in enumerate(node.input):
                if value not in floats:
                    continue
                half = within and place not in kept
                if value in weights:
                    node.input[place] = self._weight(weights[value]) if half else value
                elif half != (value in inside):
                    node.input[place] = self._cast(value, half=half)
            if within:
                _halve_attributes(node)
        for one in graph.output:
            if one.name in inside:
                raise onnx.checker.ValidationError(f"{one.name} comes out of the network's body")
        graph.node.extend(self._added.values())
        graph.initializer.extend(self._weights.values())
        used = {value for node in graph.node for value in node.input}
        unused = [one for one in graph.initializer if one.name not in used]
        for one in unused:
            graph.initializer.remove(one)
        return self.model

    def _float_values(self) -> set[str]:
        """Names of all float32 values."""
        graph = self.model.graph
        declared = (*graph.value_info, *graph.input, *graph.output)
        values = {
            one.name for one in declared if one.type.tensor_type.elem_type == TensorProto.FLOAT
        }
        return values | {
            one.name for one in graph.initializer if one.data_type == TensorProto.FLOAT
        }

    def _cast(self, value: str, *, half: bool) -> str:
        kind, suffix = (TensorProto.FLOAT16, "half") if half else (TensorProto.FLOAT, "full")
        name = f"{value}/{suffix}"
        if name not in self._added:
            self._added[name] = helper.make_node("Cast", [value], [name], name=name, to=kind)
        return name

    def _weight(self, tensor: TensorProto) -> str:
        name = f"{tensor.name}/half"
        if name not in self._weights:
            self._weights[name] = _halved(tensor, name)
        return name


def _halved(tensor: TensorProto, name: str) -> TensorProto:
    # What is beyond half precision is mostly an infinity in disguise: the greatest value serves.
    values = np.clip(numpy_helper.to_array(tensor), -GREATEST, GREATEST)
    return numpy_helper.from_array(values.astype(np.float16), name)


def _halve_attributes(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            if attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(_halved(attribute.t, attribute.t.name))
        elif attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
