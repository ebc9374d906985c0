"""A census of a serialised model before it is parsed, so that parsing it cannot fill the memory.

A field of two bytes becomes an object of a hundred, and messages nest. The bytes are walked without
making anything of them: fields, nodes and nesting are counted, and too much of one is refused. The
encoding is that of https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from onnx import ModelProto

from models.graph.violation import ContractViolation

MAX_FIELDS = 500_000
MAX_NODES = 50_000
MAX_GRAPH_DEPTH = 12
MAX_DEPTH = 80
MAX_PACKED_BYTES = 256 * 1024 * 1024
"""Numbers in short form take up to eight times as much when they are parsed."""

AGAIN = "export the network again"
SIMPLER = "export a smaller, flatter network"

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
_LONGEST_SHIFT = 70
_SIGNS = (
    (0, b"PK\x03\x04", "is a zip archive, such as a PyTorch checkpoint"),
    (0, b"\x80\x02", "is a Python pickle, which is code"),
    (0, b"\x80\x03", "is a Python pickle, which is code"),
    (0, b"\x80\x04", "is a Python pickle, which is code"),
    (0, b"\x80\x05", "is a Python pickle, which is code"),
    (0, b"\x89HDF", "is an HDF5 file"),
    (4, b"TFL3", "is a TensorFlow Lite file"),
    (4, b"ORTM", "is in ONNX Runtime's own format"),
    (0, b"version https://git-lfs", "is a pointer of Git LFS, the content has not been fetched"),
)
_UNPACKABLE = frozenset({9, 10, 11, 12})
"""Field types string, group, message and bytes, which are never packed."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A message type: which of its fields are messages again, and which are packed numbers."""

    name: str
    inner: dict[int, Any]
    packed: frozenset[int]


@dataclass(slots=True)
class _Count:
    fields: int = 0
    nodes: int = 0
    packed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Span:
    """One message: bytes `at` to `end`, how deep it lies, and inside how many graphs."""

    kind: _Kind
    at: int
    end: int
    depth: int = 1
    graphs: int = 0


@dataclass(slots=True)
class _Census:
    content: bytes
    count: _Count = field(default_factory=_Count)

    def take(self) -> None:
        spans = [_Span(_kind(ModelProto.DESCRIPTOR), 0, len(self.content))]
        while spans:
            spans.extend(self._messages(spans.pop()))

    def _messages(self, span: _Span) -> Iterator[_Span]:
        """The messages directly inside one; everything else is counted and stepped over."""
        content, at, end = self.content, span.at, span.end
        while at < end:
            self.count.fields += 1
            if self.count.fields > MAX_FIELDS:
                raise ContractViolation(f"holds more than {MAX_FIELDS:,} fields", SIMPLER)
            tag, at = _varint(content, at, end)
            wire = tag & 7
            if wire == _BYTES and tag > wire:
                size, start = _varint(content, at, end)
                at = start + size
                if at > end:
                    raise _truncated()
                inner = self._content(span, tag >> 3, start, at)
                if inner is not None:
                    yield inner
            elif wire == _VARINT:
                _, at = _varint(content, at, end)
            elif wire in _FIXED:
                at += _FIXED[wire]
            else:
                raise _not_onnx()
        if at > end:
            raise _truncated()

    def _content(self, span: _Span, number: int, start: int, end: int) -> _Span | None:
        if number in span.kind.packed:
            self.count.packed_bytes += end - start
            if self.count.packed_bytes > MAX_PACKED_BYTES:
                raise ContractViolation(
                    f"keeps more than {MAX_PACKED_BYTES} bytes of numbers in short form",
                    "save its tensors as raw data",
                )
        descriptor = span.kind.inner.get(number)
        if descriptor is None:
            return None
        kind = _kind(descriptor)
        self.count.nodes += kind.name == "NodeProto"
        graphs = span.graphs + (kind.name == "GraphProto")
        if self.count.nodes > MAX_NODES:
            raise ContractViolation(f"holds more than {MAX_NODES:,} nodes", SIMPLER)
        if graphs > MAX_GRAPH_DEPTH:
            raise ContractViolation(f"nests graphs more than {MAX_GRAPH_DEPTH} deep", SIMPLER)
        if span.depth >= MAX_DEPTH:
            raise ContractViolation(f"nests more than {MAX_DEPTH} deep", SIMPLER)
        return _Span(kind, start, end, span.depth + 1, graphs)


def check_wire(content: bytes) -> None:
    """Refuses bytes that are no ONNX file or that would take too much to parse.

    Raises:
        ContractViolation: What it is, or what it has too much of.
    """
    if not content:
        raise ContractViolation("is empty", AGAIN)
    for offset, sign, what in _SIGNS:
        if content[offset : offset + len(sign)] == sign:
            raise ContractViolation(f"{what}, not an ONNX file", AGAIN)
    _Census(content).take()


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while at < end:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return value, at
        shift += 7
        if shift >= _LONGEST_SHIFT:
            raise _not_onnx()
    raise _truncated()


@cache
def _kind(descriptor: Any) -> _Kind:  # noqa: ANN401 - the library declares no type for it
    return _Kind(
        name=descriptor.name,
        inner={one.number: one.message_type for one in descriptor.fields if one.message_type},
        packed=frozenset(one.number for one in descriptor.fields if one.type not in _UNPACKABLE),
    )


def _truncated() -> ContractViolation:
    return ContractViolation("is no whole ONNX file: it ends in the middle of a field", AGAIN)


def _not_onnx() -> ContractViolation:
    return ContractViolation("is not an ONNX file", AGAIN)
