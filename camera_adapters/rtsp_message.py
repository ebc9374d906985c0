"""RTSP 1.0 messages as a client needs them (RFC 2326): requests written, answers read.

Takes what cameras really send, such as lines ended by LF alone and header names in any case, and
nothing larger than its bounds. No text that a camera sent enters an exception.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024

USER_AGENT = "CityEye"

END_OF_HEAD = re.compile(rb"\r?\n\r?\n")

_STATUS_LINE = re.compile(r"RTSP/\d\.\d +(\d{3})(?: .*)?", re.ASCII)
_REQUEST_LINE = re.compile(r"[A-Z_]{3,32} \S+ RTSP/\d\.\d", re.ASCII)
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)


class RtspViolationError(Exception):
    """The other end does not keep to the protocol, or to our bounds; the text says how."""


@dataclass(frozen=True, slots=True)
class RtspAnswer:
    """What came in answer to a request, or a request of the camera's own.

    Attributes:
        status: The status code; 0 where this is a request.
        headers: Names in small letters, in order, as some come more than once.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False, default=())
    body: bytes = field(repr=False, default=b"")

    def header(self, name: str) -> str:
        """The first header of a name, empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every header of a name."""
        return [value for key, value in self.headers if key == name]

    @property
    def cseq(self) -> int:
        """The number of the request, -1 where none is given."""
        given = self.header("cseq")
        return int(given) if _NUMBER.fullmatch(given) else -1


def parse_head(head: bytes) -> tuple[RtspAnswer, int]:
    """An answer from its head, with the length of the body that follows, in bytes.

    Raises:
        RtspViolationError: It is no head of RTSP, or it announces a body that is too long.
    """
    lines = head.decode("utf-8", "replace").replace("\r\n", "\n").strip("\n").split("\n")
    status = _STATUS_LINE.fullmatch(lines[0].strip())
    if status is None and not _REQUEST_LINE.fullmatch(lines[0].strip()):
        raise RtspViolationError("it answers in a way that is not RTSP")
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in " \t" and headers:
            name, value = headers[-1]
            headers[-1] = name, f"{value} {line.strip()}"
            continue
        name, _, value = line.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    answer = RtspAnswer(int(status[1]) if status else 0, tuple(headers))
    lengths = set(answer.all("content-length")) or {"0"}
    length = lengths.pop()
    if lengths or not _NUMBER.fullmatch(length):
        raise RtspViolationError("it states the length of an answer in no usable way")
    if int(length) > MAX_BODY_BYTES:
        raise RtspViolationError(f"it answers with more than {MAX_BODY_BYTES // 1024} KiB")
    return answer, int(length)


def format_request(method: str, url: str, cseq: int, headers: Mapping[str, str]) -> bytes:
    """A request without a body. `url` must be one word of printable ASCII."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {cseq}", f"User-Agent: {USER_AGENT}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def format_refusal(request: RtspAnswer) -> bytes:
    """The answer to a request of the camera's own: nothing is done for it."""
    return f"RTSP/1.0 501 Not Implemented\r\nCSeq: {max(0, request.cseq)}\r\n\r\n".encode()


def parameters_of(value: str) -> dict[str, str]:
    """The parameters of a header such as `Session` or `Transport`: `name=value` joined by `;`."""
    parts = (part.partition("=") for part in value.split(";"))
    return {name.strip().lower(): text.strip().strip('"') for name, _, text in parts}
