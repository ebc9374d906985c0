"""`Exported`: what can be read off a network file before anything is decided about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from models.graph.contract import Dimension, dimensions, opset_of

PASSED_OVER = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose"})
"""Operators that change how values lie, not what they are."""


@dataclass(frozen=True)
class Exported:
    """A network as it was exported.

    Attributes:
        model: The ONNX model.
    """

    model: ModelProto

    @cached_property
    def inputs(self) -> tuple[ValueInfoProto, ...]:
        """Inputs that are not weights."""
        weights = {tensor.name for tensor in self.model.graph.initializer}
        return tuple(value for value in self.model.graph.input if value.name not in weights)

    @cached_property
    def outputs(self) -> dict[str, ValueInfoProto]:
        """Outputs by name."""
        return {value.name: value for value in self.model.graph.output}

    @property
    def first_output(self) -> ValueInfoProto:
        """The only output of most heads."""
        output: ValueInfoProto = self.model.graph.output[0]
        return output

    @cached_property
    def metadata(self) -> dict[str, str]:
        """What the exporter wrote beside the graph."""
        return {entry.key: entry.value for entry in self.model.metadata_props}

    @property
    def opset(self) -> int:
        """Version of the default operator set."""
        return opset_of(self.model)

    @cached_property
    def producers(self) -> dict[str, NodeProto]:
        """The node that makes each tensor."""
        return {name: node for node in self.model.graph.node for name in node.output}

    def has(self, operator: str) -> bool:
        """Whether the operator occurs at the top of the graph."""
        return any(node.op_type == operator for node in self.model.graph.node)

    def origin(self, tensor: str) -> NodeProto | None:
        """The node that computes a tensor, beyond nodes that only rearrange values."""
        for node in self._upwards(tensor):
            if node.op_type not in PASSED_OVER:
                return node
        return None

    def joined(self, tensor: str) -> tuple[str, ...]:
        """Operators behind the parts of a tensor that is put together; empty if it is not."""
        node = self.origin(tensor)
        if node is None or node.op_type != "Concat":
            return ()
        parts = (self.origin(part) for part in node.input)
        return tuple(part.op_type if part else "" for part in parts)

    def joined_on(self, tensor: str) -> int | None:
        """The axis on which the parts of a tensor are put together; None if they are not."""
        node = self.origin(tensor)
        if node is None or node.op_type != "Concat":
            return None
        return next((one.i for one in node.attribute if one.name == "axis"), None)

    def _upwards(self, tensor: str) -> Iterator[NodeProto]:
        for _ in range(len(self.model.graph.node)):
            node = self.producers.get(tensor)
            if node is None or not node.input:
                return
            yield node
            tensor = node.input[0]

    def told(self) -> str:
        """Inputs and outputs with their shapes, for a person."""
        inputs = ", ".join(shown(value) for value in self.inputs) or "no input"
        outputs = ", ".join(shown(value) for value in self.model.graph.output) or "no output"
        return f"{inputs} → {outputs}"


def shown(value: ValueInfoProto) -> str:
    """`images float [1, 3, 640, 640]`."""
    element = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{value.name} {element} {shown_shape(dimensions(value))}"


def shown_shape(shape: tuple[Dimension, ...]) -> str:
    """A shape as `[N, 3, 640, 640]`; unknown sizes are `?`."""
    return "[" + ", ".join("?" if one is None else str(one) for one in shape) + "]"
