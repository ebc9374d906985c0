"""What a reader sees of a camera: a `VideoSource` that yields images until it fails or ends.

The reader knows neither FFmpeg nor files; a source knows neither threads nor tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, StrEnum, auto
from typing import Protocol

from camera_adapters.frame import SourceImage
from camera_adapters.packet_ring import PacketRing


class SourceTiming(StrEnum):
    """How the images of a source relate to time."""

    LIVE = auto()
    """They arrive when they are made. The stream has no end; when it ends, that is a fault."""

    PACED = auto()
    """A recording played in real time; a slow consumer misses some images, as with a camera."""

    FAST = auto()
    """A recording read as fast as its consumer takes it; nothing is missed."""


class StreamSignal(Enum):
    """What may come instead of an image."""

    NO_IMAGE = auto()
    """What came made no image, or nothing came for a while."""

    NO_KEY_FRAME = auto()
    """Undamaged video comes, and no key frame yet that a decoder could start at."""

    DAMAGED = auto()
    """An image came that is damaged, or depends on a damaged one."""


class DecodedImage(SourceImage, Protocol):
    """One clean decoded image. Usable from any thread, also after later ones were decoded.

    Attributes:
        media_s: Seconds on the source's own timeline, never decreasing; 0 for live sources.
        cut: Whether the scene restarts with this image, as in a recording that loops, or pauses.
        still_s: For how many seconds the images of a live source have been the same, bit by bit.
        decode_s: Seconds that its decoding took.
    """

    @property
    def media_s(self) -> float: ...  # noqa: D102
    @property
    def cut(self) -> bool: ...  # noqa: D102
    @property
    def still_s(self) -> float: ...  # noqa: D102
    @property
    def decode_s(self) -> float: ...  # noqa: D102


class VideoSource(Protocol):
    """An open camera or recording."""

    @property
    def timing(self) -> SourceTiming:
        """How its images relate to time."""
        ...

    @property
    def duration_s(self) -> float:
        """Length of one round of a recording that is read fast, in seconds; else 0."""
        ...

    def arrivals(self) -> Iterator[DecodedImage | StreamSignal]:
        """What comes in, in order; ends only at the proper end of a recording.

        Raises:
            CameraFault: The source failed.
        """
        ...

    def keep_packets(self, ring: PacketRing) -> None:
        """Puts every encoded packet that is read from now on into a ring, before its image."""
        ...

    def close(self) -> None:
        """Gives everything back; never raises. The source cannot be used any more."""
        ...
