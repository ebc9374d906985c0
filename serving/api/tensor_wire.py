"""Tensors of the Open Inference Protocol v2: JSON, and the binary tensor data extension.

Source: the KServe "Open Inference Protocol" (REST) and the "Binary tensor data" extension of
Triton. A body is JSON; with the extension raw little-endian data follows it, in the order of the
tensors, and the header `Inference-Header-Content-Length` says where the JSON ends.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

JSON_LENGTH: Final = "Inference-Header-Content-Length"
BINARY_SIZE: Final = "binary_data_size"
BINARY_OUTPUT: Final = "binary_data"
ALL_BINARY: Final = "binary_data_output"
UINT8: Final = "UINT8"
FP32: Final = "FP32"
CHARS: Final = 120


class WireError(ValueError):
    """A request that cannot be answered; the text says what is wrong, without its data."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class InputPart(_Part):
    """One input of a request; `data` is None where it follows as raw bytes."""

    name: str = Field(max_length=CHARS)
    datatype: str = Field(max_length=16)
    shape: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(max_length=8)
    parameters: dict[str, Any] = Field(default_factory=dict)
    data: list[Any] | None = None


class OutputPart(_Part):
    """One output that a request asks for."""

    name: str = Field(max_length=CHARS)
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferRequest(_Part):
    """The JSON part of a request."""

    id: str | None = Field(default=None, max_length=CHARS)
    inputs: tuple[InputPart, ...] = Field(min_length=1, max_length=1)
    outputs: tuple[OutputPart, ...] = Field(default=(), max_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict)


def read_request(body: bytes, json_length: str | None) -> tuple[InferRequest, memoryview]:
    """The JSON part of a body, and the raw data after it.

    Args:
        body: All of it.
        json_length: The header `Inference-Header-Content-Length`; None where all is JSON.

    Raises:
        WireError: It is no request of the protocol.
    """
    length = len(body)
    if json_length is not None:
        if not json_length.isascii() or not json_length.isdigit() or int(json_length) > length:
            raise WireError(f"{JSON_LENGTH} is no length within the body of {length} bytes")
        length = int(json_length)
    try:
        request = InferRequest.model_validate_json(body[:length])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))[:CHARS]
        raise WireError(f"the request is wrong at `{place}`: {first['msg'][:CHARS]}") from None
    return request, memoryview(body)[length:]


def read_images(
    part: InputPart, raw: memoryview, name: str, size: tuple[int, int], most: int
) -> npt.NDArray[np.uint8]:
    """The images of a request, (N, H, W, 3) uint8.

    Args:
        part: The input.
        raw: What follows the JSON.
        name: What the input is called.
        size: Height and width of the model's images, pixels.
        most: The largest N that the model takes.

    Raises:
        WireError: Name, type, shape or data are others than the model takes.
    """
    height, width = size
    if part.name != name:
        raise WireError(f"there is no input {part.name!r}; the model takes {name!r}")
    if part.datatype != UINT8:
        raise WireError(f"input {name!r} is {part.datatype}; the model takes {UINT8}")
    if part.shape[1:] != (height, width, 3):
        wanted = f"[N, {height}, {width}, 3]"
        raise WireError(f"input {name!r} has the shape {list(part.shape)}; it must be {wanted}")
    if not 1 <= part.shape[0] <= most:
        raise WireError(f"input {name!r} has {part.shape[0]} images; the model takes 1 to {most}")
    stated = part.parameters.get(BINARY_SIZE)
    if (stated is None) == (part.data is None):
        raise WireError(f"give input {name!r} either `data` or `{BINARY_SIZE}`")
    wanted_bytes = math.prod(part.shape)
    if stated is not None:
        if stated != len(raw) or stated != wanted_bytes:
            what = f"{len(raw)} bytes of data follow, {BINARY_SIZE} is {str(stated)[:CHARS]}"
            raise WireError(f"input {name!r}: {what}, and its shape needs {wanted_bytes}")
        return np.frombuffer(raw, np.uint8).reshape(part.shape)
    try:
        values = np.array(part.data, np.int64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        raise WireError(f"the data of input {name!r} are not whole numbers") from None
    if values.size != wanted_bytes:
        what = f"has {values.size} values, and its shape needs {wanted_bytes}"
        raise WireError(f"input {name!r} {what}")
    if not np.array_equal(values, values.astype(np.uint8)):
        raise WireError(f"input {name!r} has values outside of 0 to 255")
    return values.astype(np.uint8).reshape(part.shape)


def wants_binary(request: InferRequest, name: str) -> bool:
    """Whether the output is wanted as raw bytes.

    Raises:
        WireError: Another output is asked for.
    """
    default = bool(request.parameters.get(ALL_BINARY, False))
    for part in request.outputs:
        if part.name != name:
            raise WireError(f"there is no output {part.name!r}; the model gives {name!r}")
        return bool(part.parameters.get(BINARY_OUTPUT, default))
    return default


def written(
    answer: Mapping[str, Any], name: str, rows: npt.NDArray[np.float32], *, binary: bool
) -> tuple[bytes, dict[str, str]]:
    """An answer as body and headers.

    Args:
        answer: `model_name` and the like.
        name: What the output is called.
        rows: The output.
        binary: Whether it follows as raw bytes.
    """
    output: dict[str, Any] = {"name": name, "datatype": FP32, "shape": list(rows.shape)}
    raw = rows.astype("<f4").tobytes() if binary else b""
    if binary:
        output["parameters"] = {BINARY_SIZE: len(raw)}
    else:
        output["data"] = _flat(rows)
    text = json.dumps({**answer, "outputs": [output]}).encode()
    headers = {JSON_LENGTH: str(len(text))} if binary else {}
    return text + raw, headers


def _flat(rows: npt.NDArray[np.float32]) -> Sequence[float]:
    flat: list[float] = rows.reshape(-1).tolist()
    return flat
