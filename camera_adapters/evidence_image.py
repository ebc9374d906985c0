"""`EvidenceImage`: the image of a moment in a camera's main stream, or in its smaller one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Literal

from camera_adapters.frame import FullImage, Image
from camera_adapters.geometry import Size

StreamName = Literal["main", "inference"]
"""The streams of a camera with two: the main one, and the smaller one that is inferred."""

MAIN: Final[StreamName] = "main"
INFERENCE: Final[StreamName] = "inference"


class MainImageMissedError(Exception):
    """The main stream has no image of that moment; the text says why."""


class EvidenceImage:
    """A `FullImage` that is decoded when somebody wants it. Usable from any thread.

    What is encoded is let go of as soon as it is decoded.
    """

    def __init__(self, inferred: FullImage, decode: Callable[[], FullImage]) -> None:
        """Decodes nothing yet.

        Args:
            inferred: The image of the smaller stream, which stands in where there is no other.
            decode: Gives the image of the main stream; raises `MainImageMissedError`.
        """
        self._image = inferred
        self._decode: Callable[[], FullImage] | None = decode
        self._deciding = threading.Lock()
        self._stream: StreamName = INFERENCE
        self._reason = ""

    @property
    def stream(self) -> StreamName:
        """Which stream it is of."""
        self.prepare()
        return self._stream

    @property
    def reason(self) -> str:
        """Why it is not of the main stream; empty where it is."""
        self.prepare()
        return self._reason

    @property
    def size(self) -> Size:
        """See `FullImage.size`."""
        return self.prepare().size

    def rgb(self) -> Image:
        """See `FullImage.rgb`."""
        return self.prepare().rgb()

    def prepare(self) -> FullImage:
        """Decodes it now, so that nobody waits for it later; once, however many ask."""
        with self._deciding:
            decode, self._decode = self._decode, None
            if decode is not None:
                try:
                    self._image, self._stream = decode(), MAIN
                except MainImageMissedError as missed:
                    self._reason = str(missed)
            return self._image
