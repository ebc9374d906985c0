"""`GraphBuilder`: writes ONNX nodes one call at a time, with fresh names and inline constants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

REDUCE_AXES_AS_INPUT_SINCE = 18
"""The opset from which ReduceMax takes its axes as an input instead of an attribute."""

AttributeValue = int | float | str | list[int]


class GraphBuilder:
    """Collects nodes and constants; tensors are referred to by name.

    Attributes:
        opset: Version of the default operator set that the nodes must fit.
        nodes: Nodes in execution order.
        constants: Initializers.
    """

    def __init__(self, opset: int, prefix: str) -> None:
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = prefix

    def fresh(self, hint: str) -> str:
        """A tensor name not used before."""
        return f"{self._prefix}/{hint}_{len(self.nodes)}_{len(self.constants)}"

    def constant(self, value: npt.NDArray[np.generic]) -> str:
        """A constant tensor."""
        name = self.fresh("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def number(self, value: float) -> str:
        """A constant float32 scalar."""
        return self.constant(np.array(value, np.float32))

    def integers(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, **attributes: AttributeValue) -> str:
        """Adds a node and returns its only output."""
        return self.split(operator, 1, *inputs, **attributes)[0]

    def split(
        self, operator: str, outputs: int, *inputs: str, **attributes: AttributeValue
    ) -> list[str]:
        """Adds a node and returns its outputs."""
        base = self.fresh(operator.lower())
        names = [f"{base}_{index}" for index in range(outputs)]
        added = helper.make_node(operator, list(inputs), names, name=base)
        added.attribute.extend(helper.make_attribute(key, attributes[key]) for key in attributes)
        self.nodes.append(added)
        return names

    def cast(self, tensor: str, element: int) -> str:
        """Converts the element type (a `TensorProto` constant)."""
        return self.node("Cast", tensor, to=element)

    def size_of(self, tensor: str, axis: int) -> str:
        """The size of one axis as an int64 vector of length 1."""
        return self.node("Gather", self.node("Shape", tensor), self.integers(axis), axis=0)

    def take(self, tensor: str, axis: int, start: int, end: int) -> str:
        """A slice along one axis."""
        return self.node(
            "Slice", tensor, self.integers(start), self.integers(end), self.integers(axis)
        )

    def zeros(self, shape: str) -> str:
        """A float32 tensor of zeros; `shape` names an int64 vector."""
        name = self.fresh("zeros")
        zero = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
        self.nodes.append(
            helper.make_node("ConstantOfShape", [shape], [name], name=name, value=zero)
        )
        return name

    def alias(self, tensor: str, name: str) -> None:
        """Gives a tensor a second name."""
        node = helper.make_node("Identity", [tensor], [name], name=self.fresh("identity"))
        self.nodes.append(node)

    def largest(self, tensor: str, axis: int) -> str:
        """Maximum along one axis, which disappears."""
        if self.opset >= REDUCE_AXES_AS_INPUT_SINCE:
            return self.node("ReduceMax", tensor, self.integers(axis), keepdims=0)
        return self.node("ReduceMax", tensor, axes=[axis], keepdims=0)

    def gather_rows(self, tensor: str, rows: str) -> str:
        """`tensor` (N, A, ...) and `rows` (N, K) int64 → (N, K, ...), per image."""
        index = self.node("Unsqueeze", rows, self.integers(-1))
        return self.node("GatherND", tensor, index, batch_dims=1)
