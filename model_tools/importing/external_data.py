"""Weights in files beside an ONNX file, as exporters write them for large networks, merged into it.

The graph names those files, so nothing it says is trusted: only ordinary files in the folder of the
ONNX file are read, no links, and no more bytes in all than one file may have.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from onnx import ModelProto, TensorProto

from models.graph import MAX_MODEL_BYTES, ContractViolation

INSIDE = "save the model with all weights inside (an upload is one file)"


def merge_external_data(model: ModelProto, folder: Path) -> int:
    """Reads weights of the main graph from the files that it names, in place.

    Args:
        model: As parsed, with nothing loaded.
        folder: Where the ONNX file lies.

    Returns:
        How many bytes were read; 0 where all weights are inside already.

    Raises:
        ContractViolation: A file may not be read, or does not hold what the graph says.
    """
    total = model.ByteSize()
    merged = 0
    for tensor in model.graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        limit = MAX_MODEL_BYTES - total - merged
        content = _content(folder, entries, limit)
        merged += len(content)
        del tensor.external_data[:]
        tensor.ClearField("data_location")
        tensor.raw_data = content
    return merged


def _content(folder: Path, entries: dict[str, str], limit: int) -> bytes:
    """One tensor's bytes."""
    location = entries.get("location", "")
    with os.fdopen(_opened(folder, location), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        offset = _number(location, entries.get("offset", "0"))
        length = _number(location, entries.get("length", str(max(size - offset, 0))))
        if offset + length > size:
            raise _refused(location, f"has {size} bytes, fewer than the graph wants of it")
        if length > limit:
            raise _refused(location, f"makes the model larger than {MAX_MODEL_BYTES} bytes")
        stream.seek(offset)
        return stream.read(length)


def _opened(folder: Path, location: str) -> int:
    """A descriptor of an ordinary file that lies in the folder itself."""
    if location in {"", ".", ".."} or "/" in location or "\\" in location or "\0" in location:
        raise _refused(location, "is not a name of a file beside it")
    try:
        # A link or a pipe is not followed or waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(folder / location, flags)
    except FileNotFoundError:
        raise _refused(location, "is not beside it") from None
    except OSError as error:
        raise _refused(location, f"cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refused(location, "is not an ordinary file")
    return descriptor


def _number(location: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise _refused(location, f"is asked for an impossible range ({text})")
    return int(text)


def _refused(location: str, problem: str) -> ContractViolation:
    name = location or "a file without a name"
    return ContractViolation(f"keeps weights outside the file, in {name}, which {problem}", INSIDE)
