"""`Exported`: what can be read off a network file before anything is decided about it."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from model_tools.graph.placement import ImageSize
from models import GraphError, Precision
from models.graph import Dimension, dimensions, nodes, opset_of, tensors

REARRANGING = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose"})
"""Operators that change how values lie, not what they are."""
SELECTING = frozenset(
    {
        *("Gather", "GatherElements", "GatherND", "ReduceMax"),
        *("Slice", "Split", "TopK", "Unsqueeze"),
    }
)
"""Operators whose result holds some of the values of their first input."""
QUANTISING = frozenset({"DequantizeLinear", "QuantizeLinear"})
QUANTISED = re.compile("[Qq]uantize|^QLinear|^Q(Gemm|Attention)$|Integer|NBits")
"""Operators of quantised networks, by name."""
ACTIVATIONS = frozenset({"Sigmoid", "Softmax"})
MOST_QUERIES = 1000
FREE_SIZE = (640, 640)
"""Taken to count cells where the export leaves the image's size open."""
FLOAT_ELEMENTS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16})


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

    @cached_property
    def precision(self) -> Precision:
        """The number format of its weights and layers; `int8` for 8 bits or fewer."""
        if any(QUANTISED.search(node.op_type) for node in nodes(self.model)):
            return "int8"
        held: Counter[int] = Counter()
        for tensor in tensors(self.model):
            held[tensor.data_type] += math.prod(tensor.dims)
        whole, half = held[TensorProto.FLOAT], held[TensorProto.FLOAT16]
        if held[TensorProto.INT8] + held[TensorProto.UINT8] > whole + half:
            return "int8"
        return "fp16" if half > whole else "fp32"

    def has(self, operator: str) -> bool:
        """Whether the operator occurs at the top of the graph."""
        return any(node.op_type == operator for node in self.model.graph.node)

    def joining(self, tensor: str) -> NodeProto | None:
        """The `Concat` that makes a tensor, beyond nodes that only rearrange values."""
        node = self.producers.get(tensor)
        for _ in range(len(self.model.graph.node)):
            if node is None or not node.input or node.op_type not in REARRANGING:
                break
            node = self.producers.get(node.input[0])
        return node if node is not None and node.op_type == "Concat" else None

    def behind(self, tensor: str, *, last: bool) -> str:
        """The operator that computes the first, or the last, columns of a tensor.

        Nodes that rearrange, select or join values are passed over; empty where there is none.
        """
        for _ in range(len(self.model.graph.node)):
            node = self.producers.get(tensor)
            if node is None or not node.input:
                return ""
            if node.op_type == "Concat":
                tensor = node.input[-1 if last else 0]
            elif node.op_type in REARRANGING | SELECTING | QUANTISING:
                tensor = node.input[0]
            else:
                return str(node.op_type)
        return ""

    def activation(self, tensor: str, *, last: bool = True) -> str | None:
        """`sigmoid` or `softmax` where it computes the last, or the first, columns of a tensor."""
        operator = self.behind(tensor, last=last)
        return operator.lower() if operator in ACTIVATIONS else None

    @cached_property
    def only_shape(self) -> tuple[Dimension, ...]:
        """The shape of the first output, if it has three axes and stands alone; else empty.

        YOLOv5's maps of five axes, which it was decoded from, may stand beside it.
        """
        shape, *others = (dimensions(value) for value in self.outputs.values())
        alone = all(len(one) == 5 for one in others)  # noqa: PLR2004
        return shape if alone and len(shape) == 3 else ()  # noqa: PLR2004

    @property
    def is_dense(self) -> bool:
        """Whether an output has few rows of many columns: (N, 4 + C, A)."""
        _, middle, last = self.only_shape or (None, 0, 0)
        if not isinstance(middle, int) or middle <= 4:  # noqa: PLR2004
            return False
        return not isinstance(last, int) or last >= middle

    @property
    def is_query_table(self) -> bool:
        """Whether an output has some hundred rows of some columns: (N, Q, K)."""
        _, middle, last = self.only_shape or (None, 0, 0)
        if not (isinstance(middle, int) and isinstance(last, int)):
            return False
        return last > 4 and middle <= MOST_QUERIES and not self.is_dense  # noqa: PLR2004

    def classes_beside(self, axis: int, others: int) -> tuple[int, ...]:
        """The number of classes on an axis of the first output that has `others` columns too."""
        shape = dimensions(self.first_output)
        size = shape[axis] if len(shape) == 3 else None  # noqa: PLR2004
        return (size - others,) if isinstance(size, int) and size > others else ()

    def has_rows_per_cell(self, strides: tuple[int, ...], boxes: int = 1) -> bool:
        """Whether an output (N, A, K) has `boxes` rows for each cell of the network's image."""
        _, middle, last = self.only_shape or (None, 0, 0)
        size, _ = self.image_input("not known yet", FREE_SIZE)
        rows = boxes * len(grid(size, strides)[0])
        return middle == rows and isinstance(last, int) and last > 5  # noqa: PLR2004

    def image_input(self, head: str, size: ImageSize) -> tuple[ImageSize, int | None]:
        """Size of the network's image, `size` where it is free, and its batch if that is fixed.

        Raises:
            GraphError: It takes no images that can be made here.
        """
        shape = dimensions(self.inputs[0]) if self.inputs else ()
        if len(shape) != 4 or shape[1] != 3:  # noqa: PLR2004
            seen = shown(self.inputs[0]) if self.inputs else "none"
            raise mismatch(
                head, f"the first input is {seen}", "it must be float [N, 3, height, width]"
            )
        if self.inputs[0].type.tensor_type.elem_type not in FLOAT_ELEMENTS:
            seen = shown(self.inputs[0])
            raise mismatch(head, f"the input is {seen}", "export it with float images as input")
        batch, _, height, width = shape
        network = (
            width if isinstance(width, int) and width > 0 else size[0],
            height if isinstance(height, int) and height > 0 else size[1],
        )
        return network, batch if isinstance(batch, int) and batch > 0 else None

    def described(self) -> str:
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


def mismatch(head: str, problem: str, remedy: str) -> GraphError:
    """The error for a network whose tensors are not those of the chosen head."""
    return GraphError(f"with head {head}", f"{problem}; {remedy}")


def grid(
    size: ImageSize, strides: tuple[int, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The cells that dense networks predict on, of all strides in the given order, row by row.

    A cell may reach over the border.

    Returns:
        (A, 2) column and row of each cell, and (A, 1) its stride in pixels.
    """
    cells, sizes = [], []
    for stride in strides:
        columns, rows = np.meshgrid(
            np.arange(-(-size[0] // stride)), np.arange(-(-size[1] // stride)), indexing="xy"
        )
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        sizes.append(np.full((columns.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(sizes).astype(np.float32)
