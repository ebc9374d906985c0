"""What can go wrong in the RTSP server, and what to do about it.

RtspServerError
├── ClipError         a clip that cannot be served: remux or re-encode it
├── UnknownMountError a path that no mount has
└── ProtocolError     a request that is answered with an RTSP error status
"""

from __future__ import annotations

from pathlib import Path


class RtspServerError(Exception):
    """Everything that this package raises on purpose."""


class ClipError(RtspServerError):
    """A clip cannot be served. Carries the file and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"clip {path} cannot be served: {reason}")
        self.path = path
        self.reason = reason


class UnknownMountError(RtspServerError):
    """No mount has this path. Carries the path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing is mounted at {path!r}; name one of the server's mounts")
        self.path = path


class ProtocolError(RtspServerError):
    """A request that gets an error status as its answer.

    Attributes:
        status: RTSP status code of the answer.
        fatal: The byte stream can no longer be trusted, so the connection closes after the answer.
    """

    def __init__(self, status: int, reason: str, *, fatal: bool = False) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.fatal = fatal
