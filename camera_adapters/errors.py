"""What goes wrong with a camera, said without its password, and how soon to try again.

CameraFault                 carries the camera id, the reason and the remedy
├── UnauthorizedFault       the camera refuses the login: check it; retried slowly, or it locks
├── UnreachableFault        no stream to be had: check network and URL; retried soon
├── StreamLostFault         the stream ended or fell silent: retried soon
├── UnreadableFault         there is no image in it that can be used; retried slowly
└── UnsupportedSourceError  the source as configured can never work; retried slowly
"""

from __future__ import annotations

from typing import ClassVar


class CameraFault(Exception):
    """A camera gives no images. Never carries a URL with a login, nor an FFmpeg exception.

    Attributes:
        reason: What happened, in words that do not change from attempt to attempt.
        remedy: What to do about it.
        slow: Whether trying again soon is pointless or even harmful.
    """

    slow: ClassVar[bool] = False

    def __init__(self, camera: str, reason: str, remedy: str) -> None:
        super().__init__(camera, reason, remedy)
        self.camera = camera
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"camera {self.camera}: {self.reason}; {self.remedy}"


class UnauthorizedFault(CameraFault):
    """The camera refuses the login."""

    slow = True


class UnreachableFault(CameraFault):
    """The camera cannot be reached, or it does not offer the stream."""


class StreamLostFault(CameraFault):
    """The stream was there and is not any more."""


class UnreadableFault(CameraFault):
    """The source has no image that can be used."""

    slow = True


class UnsupportedSourceError(CameraFault):
    """The source as configured can never work."""

    slow = True
