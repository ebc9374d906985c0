"""The tensor contract of a packaged graph, checked by reading the file without running it.

One uint8 input (N, H, W, 3), one float32 output (N, M, 6), standard operators only, and all
weights inside the file: a graph that points at other files could read them at load time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, Unpack

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto, ValueInfoProto
from onnx.defs import onnx_opset_version

from models.graph.operators import check_operators
from models.graph.violation import ContractViolation
from models.graph.weights import check_weights
from models.graph.wire import check_wire

__all__ = [
    "MAX_MODEL_BYTES",
    "ContractViolation",
    "Dimension",
    "Promises",
    "check_contract",
    "check_model",
    "check_self_contained",
    "dimensions",
    "opset_of",
    "parse_model",
    "read_model",
]

MAX_MODEL_BYTES = 512 * 1024 * 1024

Dimension = int | str | None
"""A size, the name of a symbolic size, or unknown."""


class Promises(TypedDict):
    """What a manifest says about its graph.

    `size` is width and height in pixels, `batch` None for a free one, `rows` detections per image,
    `opset` the version of the default operator set.
    """

    input_name: str
    size: tuple[int, int]
    batch: int | None
    output_name: str
    rows: int
    opset: int


def check_contract(path: Path, **promised: Unpack[Promises]) -> None:
    """Checks a graph file against what its manifest promises.

    Raises:
        ContractViolation: What differs first.
    """
    check_model(read_model(path), **promised)


def check_model(model: ModelProto, **promised: Unpack[Promises]) -> None:
    """Checks a parsed graph likewise; it must have been read by `read_model` or `parse_model`."""
    check_self_contained(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    outputs = list(model.graph.output)
    (width, height), batch, rows = promised["size"], promised["batch"], promised["rows"]
    images = (batch, height, width, 3)
    _check_tensor("input", inputs, promised["input_name"], TensorProto.UINT8, images)
    table = (batch, rows, 6)
    _check_tensor("output", outputs, promised["output_name"], TensorProto.FLOAT, table)
    if opset_of(model) != promised["opset"]:
        raise ContractViolation(
            f"uses opset {opset_of(model)}, the manifest says {promised['opset']}", "correct opset"
        )


def read_model(path: Path) -> ModelProto:
    """Parses an ONNX file; external data is neither followed nor loaded.

    Raises:
        ContractViolation: It is too large, or `parse_model` refuses it.
    """
    with path.open("rb") as stream:
        content = stream.read(MAX_MODEL_BYTES + 1)
    if len(content) > MAX_MODEL_BYTES:
        raise ContractViolation(f"has more than {MAX_MODEL_BYTES} bytes", "export a smaller file")
    return parse_model(content)


def parse_model(content: bytes) -> ModelProto:
    """Parses the bytes of an ONNX file that are known to be harmless to parse.

    Raises:
        ContractViolation: They are no ONNX file, or more than a detector can have of something.
    """
    check_wire(content)
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ContractViolation("is not an ONNX file", "export the network again") from error
    if not model.graph.node:
        raise ContractViolation("holds no graph", "export the network again")
    return model


def check_self_contained(model: ModelProto) -> None:
    """Checks that a graph needs nothing but itself and ONNX Runtime, and no absurd amount of that.

    Raises:
        ContractViolation: It keeps data elsewhere, uses a foreign operator, or is oversized.
    """
    if model.training_info:
        raise ContractViolation("holds training graphs", "export it for inference")
    newest = onnx_opset_version()
    if opset_of(model) > newest:
        raise ContractViolation(
            f"uses opset {opset_of(model)}, the newest known one is {newest}",
            "export with an older opset",
        )
    check_operators(model)
    check_weights(model)


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
