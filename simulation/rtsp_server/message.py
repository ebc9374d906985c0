"""RTSP 1.0 messages (RFC 2326): bounded reading, strict parsing, formatting.

Whatever a peer sends, reading one message takes a bounded amount of memory, and the outcome is a
message, the end of the stream, or a `ProtocolError` with the status to answer with.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import responses

from simulation.rtsp_server.errors import ProtocolError

MAX_HEAD_BYTES = 16 * 1024
MAX_LINE_BYTES = 4 * 1024
MAX_HEADER_LINES = 64
MAX_BODY_BYTES = 16 * 1024
MAX_LEADING_BLANKS = 16
VERSION = "RTSP/1.0"
INTERLEAVED_MAGIC = b"$"

REASONS: Mapping[int, str] = responses | {
    302: "Moved Temporarily",
    414: "Request-URI Too Large",
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid In This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    505: "RTSP Version Not Supported",
    551: "Option Not Supported",
}
"""The reason phrases of HTTP, and those that RTSP words in its own way or adds."""

_METHOD = re.compile(r"[A-Z_]{1,32}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are lower case; of a repeated header the last one counts.

    Its `repr` leaves the headers out: they may carry a login.
    """

    method: str
    uri: str
    cseq: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class InterleavedData:
    """A binary chunk that a client sent on the control connection (RFC 2326, 10.12)."""

    channel: int
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. Headers are pairs, because `WWW-Authenticate` may come twice.

    The length is that of the body, unless a header states another one.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def encode(self, cseq: int | None) -> bytes:
        """The answer as bytes; `cseq` is None where the request's own could not be read."""
        lines = [f"{VERSION} {self.status} {REASONS.get(self.status, 'Unknown')}"]
        if cseq is not None:
            lines.append(f"CSeq: {cseq}")
        lines.extend(f"{name}: {value}" for name, value in self.headers)
        if self.body and "Content-Length" not in dict(self.headers):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


async def read_message(
    reader: asyncio.StreamReader, first: bytes
) -> Request | InterleavedData | None:
    """Read the message that begins with the already consumed byte `first`.

    Returns None at the end of the stream or after blank filler.

    Raises:
        ProtocolError: The bytes are no acceptable message.
    """
    try:
        if first == INTERLEAVED_MAGIC:
            head = await reader.readexactly(3)
            payload = await reader.readexactly(int.from_bytes(head[1:], "big"))
            return InterleavedData(head[0], payload)
        head = first + await reader.readuntil(b"\r\n\r\n")
        return await _with_body(reader, parse_head(head))
    except asyncio.LimitOverrunError:
        raise ProtocolError(413, "the request head is too large", fatal=True) from None
    except asyncio.IncompleteReadError:
        return None


async def _with_body(reader: asyncio.StreamReader, request: Request) -> Request:
    length = request.headers.get("content-length", "0").strip()
    if not _NUMBER.fullmatch(length):
        raise ProtocolError(400, "Content-Length is not a number", fatal=True)
    if int(length) > MAX_BODY_BYTES:
        raise ProtocolError(413, "the request body is too large", fatal=True)
    if not int(length):
        return request
    body = await reader.readexactly(int(length))
    return Request(request.method, request.uri, request.cseq, request.headers, body)


def parse_head(head: bytes) -> Request:
    """Parse a request line and its headers, up to and including the blank line.

    Raises:
        ProtocolError: Always fatal, since the next message's beginning is unknown.
    """
    if len(head) > MAX_HEAD_BYTES:
        raise ProtocolError(413, "the request head is too large", fatal=True)
    try:
        lines = head.decode("utf-8").removesuffix("\r\n\r\n").split("\r\n")
    except UnicodeDecodeError:
        raise ProtocolError(400, "the request is not text", fatal=True) from None
    if len(lines) > MAX_HEADER_LINES + 1 or any(len(line) > MAX_LINE_BYTES for line in lines):
        raise ProtocolError(413, "the request has too many or too long lines", fatal=True)
    method, uri = _parse_request_line(lines[0])
    headers = _parse_headers(lines[1:])
    cseq = headers.get("cseq", "").strip()
    if not _NUMBER.fullmatch(cseq):
        raise ProtocolError(400, "CSeq is missing or not a number", fatal=True)
    return Request(method, uri, int(cseq), headers)


def _parse_request_line(line: str) -> tuple[str, str]:
    method, _, rest = line.partition(" ")
    uri, _, version = rest.partition(" ")
    if not _METHOD.fullmatch(method) or not uri or not uri.isprintable():
        raise ProtocolError(400, "the request line is malformed", fatal=True)
    if version != VERSION:
        raise ProtocolError(505, "only RTSP/1.0 is spoken here", fatal=True)
    return method, uri


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if _CONTROL_CHARACTERS.search(line):
            raise ProtocolError(400, "a header holds control characters", fatal=True)
        if line[:1] in {" ", "\t"} and name:
            headers[name] = f"{headers[name]} {line.strip()}"
            continue
        raw_name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(raw_name):
            raise ProtocolError(400, "a header line is malformed", fatal=True)
        name = raw_name.lower()
        headers[name] = value.strip()
    return headers
