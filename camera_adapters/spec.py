"""Cameras as configured: `CameraSpec`, its place, and credentials that never print themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from camera_adapters.login_memory import LoginMemory
from camera_adapters.network import ANYWHERE, CameraNetwork
from camera_adapters.packet_ring import ClipWindow

MAX_PIXELS = 8192 * 4320
"""8K. The decoder refuses anything larger before it takes memory for it: a stream may claim any
size it likes. What is refused counts as damaged, and never becomes an image."""


DecoderPlace = Literal["cpu", "cuda"]
"""What decodes: the processor, or a GPU."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera stands: WGS 84 degrees and the administrative division code."""

    lon: float | None = None
    lat: float | None = None
    division: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A camera login. Its `repr` and `str` show neither name nor password."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(***)"


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """One camera as configured.

    Attributes:
        id: Unique, stable, of letters, digits, `-`, `_` and `.`; the only camera label in metrics.
        source: URL without credentials (`rtsp://host/path`, `file:///clip.mp4?realtime=1`) of what
            is decoded and inferred.
        name: What people call it.
        credentials: Kept apart from the URL so that no log line can carry them.
        rates: Wanted analysed frames per second, by task name.
        most_fps: The highest rate that a task may go up to for a while, where it is above these.
        open_timeout_s: How long connecting may take until it counts as failed.
        read_timeout_s: How long a silent stream is waited for.
        transport: RTSP transport, `tcp` or `udp`.
        max_pixels: The largest image that is decoded.
        decoder: Where its video is decoded: by the processor, or by the engines of a GPU, which is
            an error where there is none.
        network: Where the address may lead.
        verify_tls: Whether an `rtsps` camera needs a certificate that this machine trusts.
        logins: What is remembered of its login over attempts.
        clip: How much of its video a clip of an incident shows; None for no clips.
        main_source: URL of the main stream, where `source` is a smaller one of the same view:
            keyframes and clips are of it. Empty where the camera has one stream.
    """

    id: str
    source: str
    name: str = ""
    place: Place = Place()
    credentials: Credentials | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    most_fps: float = 0.0
    open_timeout_s: float = 10.0
    read_timeout_s: float = 8.0
    transport: str = "tcp"
    max_pixels: int = MAX_PIXELS
    decoder: DecoderPlace = "cpu"
    network: CameraNetwork = ANYWHERE
    verify_tls: bool = True
    logins: LoginMemory = field(default_factory=LoginMemory, compare=False, repr=False)
    clip: ClipWindow | None = None
    main_source: str = ""

    def __post_init__(self) -> None:
        if any("@" in _authority_of(one) for one in (self.source, self.main_source)):
            raise ValueError(f"camera {self.id}: the source URL must not carry credentials")

    @property
    def main(self) -> CameraSpec | None:
        """The same camera with its main stream alone, for another thread; None without one.

        No task wants a rate of it, and no GPU decodes it: images of it are single ones.
        """
        if not self.main_source:
            return None
        return replace(
            self,
            source=self.main_source,
            main_source="",
            logins=self.logins.twin(),
            rates={},
            most_fps=0.0,
            decoder="cpu",
        )

    @property
    def fps(self) -> float:
        """The highest wanted rate of all tasks, in frames per second."""
        return max(self.rates.values(), default=0.0)


def _authority_of(source: str) -> str:
    """What stands between the scheme and the path of a URL: a host, perhaps with a login."""
    return source.split("://", 1)[-1].split("/", 1)[0]
