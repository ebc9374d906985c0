"""`VideoProfile`: a stream that a device offers, and which of several is best for inference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from camera_adapters.geometry import Size

KEPT: Final = ("H264", "H265")
"""Encodings that a main stream may have, see `MainStream`."""

READABLE: Final = ("H264", "H265", "JPEG")
"""Encodings that the RTSP adapter reads; of two of one size the first costs least to decode."""


@dataclass(frozen=True, slots=True)
class VideoProfile:
    """A media profile with its stream.

    Attributes:
        token: How the device calls it.
        name: What people call it.
        source: The video source, a lens or an input of a recorder, that it shows.
        encoding: `H264`, `H265`, `JPEG` or as the device says.
        width: Pixels.
        height: Pixels.
        fps: Frames per second at most; 0 where the device does not say.
        address: Its RTSP address without a login.
    """

    token: str
    name: str
    source: str
    encoding: str
    width: int
    height: int
    fps: float
    address: str

    @property
    def pixels(self) -> int:
        """Pixels of one image."""
        return self.width * self.height

    @property
    def shape(self) -> Size:
        """Width and height; 1x1 where the device does not say them."""
        return Size(max(1, self.width), max(1, self.height))

    def __str__(self) -> str:
        rate = f"{self.fps:g}/s" if self.fps else "rate unknown"
        return f"{self.encoding} {self.width}x{self.height}, {rate}"


@dataclass(frozen=True, slots=True)
class StreamNeeds:
    """What inference needs of a stream.

    Attributes:
        width: Pixels; the input of the built-in models is 640 wide.
        height: Pixels.
        fps: Frames per second of the fastest task.
    """

    width: int = 640
    height: int = 352
    fps: float = 5.0

    def met_by(self, profile: VideoProfile) -> bool:
        """Whether a profile has enough pixels, and enough frames where it says how many."""
        enough = profile.width >= self.width and profile.height >= self.height
        return enough and (not profile.fps or profile.fps >= self.fps)


def by_source(profiles: Iterable[VideoProfile]) -> dict[str, list[VideoProfile]]:
    """Profiles by video source, in the device's order: each source is a camera of its own."""
    found: dict[str, list[VideoProfile]] = {}
    for one in profiles:
        found.setdefault(one.source, []).append(one)
    return found


def proposed_profile(
    profiles: Iterable[VideoProfile], needs: StreamNeeds
) -> tuple[VideoProfile | None, bool]:
    """The smallest profile that meets the needs, or else the largest, and whether it meets them.

    None where no profile can be read.
    """
    readable = [one for one in profiles if one.encoding in READABLE and one.address]
    enough = [one for one in readable if needs.met_by(one)]
    if enough:
        return min(enough, key=_cost), True
    return (max(readable, key=lambda one: one.pixels) if readable else None), False


def main_profile(profiles: Iterable[VideoProfile], inferred: VideoProfile) -> VideoProfile | None:
    """The largest profile that can be the main stream beside one that is inferred.

    It shows the same view, comes from the same host and port, as it is given the same login, and is
    encoded so that it can be kept. None where there is none with more pixels.
    """
    able = [
        one
        for one in profiles
        if one.encoding in KEPT
        and one.pixels > inferred.pixels
        and one.shape.has_shape_of(inferred.shape)
        and urlsplit(one.address).netloc == urlsplit(inferred.address).netloc
    ]
    return max(able, key=lambda one: (one.pixels, -KEPT.index(one.encoding)), default=None)


def _cost(profile: VideoProfile) -> tuple[int, int, float]:
    return profile.pixels, READABLE.index(profile.encoding), profile.fps
