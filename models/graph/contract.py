"""The tensor contract of a packaged graph, checked by reading the file without running it.

One uint8 input (N, H, W, 3), one float32 output (N, M, 6), standard operators only, and all
weights inside the file: a graph that points at other files could read them at load time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operator domains that ONNX Runtime itself implements; anything else needs foreign code."""

Dimension = int | str | None
"""A size, the name of a symbolic size, or unknown."""


class ContractViolation(Exception):
    """The graph is not what its manifest promises; `remedy` says how to mend it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def check_contract(
    path: Path,
    *,
    input_name: str,
    size: tuple[int, int],
    batch: int | None,
    output_name: str,
    rows: int,
    opset: int,
) -> None:
    """Checks a graph file against what its manifest promises.

    Args:
        path: The ONNX file.
        input_name: Name of the only input.
        size: Width and height in pixels.
        batch: Fixed batch size, or None for a free one.
        output_name: Name of the only output.
        rows: Detections per picture.
        opset: Version of the default operator set.

    Raises:
        ContractViolation: What differs first.
    """
    model = read_model(path)
    _check_self_contained(model)
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    width, height = size
    _check_tensor("input", inputs, input_name, TensorProto.UINT8, (batch, height, width, 3))
    _check_tensor("output", list(graph.output), output_name, TensorProto.FLOAT, (batch, rows, 6))
    if opset_of(model) != opset:
        raise ContractViolation(
            f"uses opset {opset_of(model)}, the manifest says {opset}", "correct opset"
        )


def read_model(path: Path) -> ModelProto:
    """Parses an ONNX file; external data is neither followed nor loaded."""
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except DecodeError as error:
        raise ContractViolation("is not an ONNX file", "export the network again") from error
    if not model.graph.node:
        raise ContractViolation("holds no graph", "export the network again")
    return model


def opset_of(model: ModelProto) -> int:
    """Version of the default operator set; 0 where none is declared."""
    return max(
        (one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), default=0
    )


def dimensions(value: ValueInfoProto) -> tuple[Dimension, ...]:
    """The declared shape of a tensor."""
    return tuple(
        one.dim_value if one.HasField("dim_value") else (one.dim_param or None)
        for one in value.type.tensor_type.shape.dim
    )


def _check_self_contained(model: ModelProto) -> None:
    for node in _nodes(model):
        if node.domain not in ALLOWED_DOMAINS:
            raise ContractViolation(
                f"uses operator {node.op_type} of domain {node.domain}",
                "export with standard operators only",
            )
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise ContractViolation(
            "keeps weights outside the file", "save the model with all weights inside"
        )


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        yield from _inner_graphs(node)


def _inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield from _graphs(attribute.g)
        for inner in attribute.graphs:
            yield from _graphs(inner)


def _all_graphs(model: ModelProto) -> Iterator[GraphProto]:
    yield from _graphs(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _inner_graphs(node)


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    for graph in _all_graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    for graph in _all_graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
    for node in _nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensor(
    role: str,
    values: list[ValueInfoProto],
    name: str,
    element: int,
    shape: tuple[int | None, ...],
) -> None:
    remedy = "bring it in with `cityeye models import`"
    if [value.name for value in values] != [name]:
        names = ", ".join(value.name for value in values) or "none"
        raise ContractViolation(f"must have the one {role} {name}, has {names}", remedy)
    found = dimensions(values[0])
    if values[0].type.tensor_type.elem_type != element or not _fits(found, shape):
        wanted = f"{TensorProto.DataType.Name(element)} {_shown(shape)}"
        actual = TensorProto.DataType.Name(values[0].type.tensor_type.elem_type)
        raise ContractViolation(
            f"{role} {name} must be {wanted}, is {actual} {_shown(found)}", remedy
        )


def _fits(found: tuple[Dimension, ...], wanted: tuple[int | None, ...]) -> bool:
    if len(found) != len(wanted):
        return False
    return all(
        not isinstance(have, int) if want is None else have == want
        for have, want in zip(found, wanted, strict=True)
    )


def _shown(shape: tuple[Dimension, ...]) -> str:
    return "[" + ", ".join("N" if one is None else str(one) for one in shape) + "]"
