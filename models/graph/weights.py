"""The tensors stored in a model: all of them inside the file, and as large as they say."""

from __future__ import annotations

import math

from onnx import ModelProto, TensorProto

from models.graph.parts import tensors, values
from models.graph.violation import ContractViolation

MAX_TENSOR_BYTES = 512 * 1024 * 1024
MAX_ELEMENTS = 2**32
"""Largest tensor that a shape in the graph may declare."""

AGAIN = "export the network again"

_BITS = {
    64: "DOUBLE INT64 UINT64 COMPLEX64",
    32: "FLOAT INT32 UINT32",
    16: "FLOAT16 BFLOAT16 INT16 UINT16",
    8: "INT8 UINT8 BOOL FLOAT8E4M3FN FLOAT8E4M3FNUZ FLOAT8E5M2 FLOAT8E5M2FNUZ FLOAT8E8M0",
    4: "INT4 UINT4 FLOAT4E2M1",
    2: "INT2 UINT2",
}
_WIDTH = {name: bits for bits, names in _BITS.items() for name in names.split()}
_WIDTH["COMPLEX128"] = 128
_TYPED_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def check_weights(model: ModelProto) -> None:
    """Checks every stored tensor and every declared shape.

    Raises:
        ContractViolation: A tensor lies outside the file, or is not of the size that it declares.
    """
    for tensor in tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ContractViolation(
                "keeps weights outside the file", "save the model with all weights inside"
            )
        _check_size(tensor)
    for value in values(model):
        sizes = [one.dim_value for one in value.type.tensor_type.shape.dim if one.dim_value]
        if min(sizes, default=1) < 0 or math.prod(sizes) > MAX_ELEMENTS:
            raise ContractViolation(
                f"declares {value.name} with {math.prod(sizes):,} elements", AGAIN
            )


def _check_size(tensor: TensorProto) -> None:
    name = tensor.name or "without a name"
    if min(tensor.dims, default=0) < 0:
        raise ContractViolation(f"has tensor {name} of negative size", AGAIN)
    elements = math.prod(tensor.dims)
    kind = _kind_of(tensor)
    if kind == "STRING":
        held, wanted = len(tensor.string_data), elements
    else:
        bits = elements * _WIDTH.get(kind, 0)
        if bits > MAX_TENSOR_BYTES * 8:
            raise ContractViolation(f"declares tensor {name} of {bits // 8:,} bytes", AGAIN)
        if kind not in _WIDTH:
            raise ContractViolation(f"has tensor {name} of type {kind}", AGAIN)
        held, wanted = _held(tensor, _WIDTH[kind]), -(-bits // 8)
    if held != wanted:
        raise ContractViolation(f"declares tensor {name} of {wanted} bytes and holds {held}", AGAIN)


def _kind_of(tensor: TensorProto) -> str:
    try:
        return str(TensorProto.DataType.Name(tensor.data_type))
    except ValueError:
        return f"number {tensor.data_type}"


def _held(tensor: TensorProto, bits: int) -> int:
    """Bytes of content, whether raw or as a list of numbers."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    numbers = sum(len(getattr(tensor, one)) for one in _TYPED_FIELDS)
    if bits < 8:  # noqa: PLR2004
        return numbers  # one byte of packed values in each number
    parts = 2 if _kind_of(tensor).startswith("COMPLEX") else 1
    return numbers * bits // 8 // parts
