"""Cameras as configured: `CameraSpec`, its place, and credentials that never print themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
        source: URL without credentials (`rtsp://host/path`, `file:///clip.mp4?realtime=1`).
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

    def __post_init__(self) -> None:
        if "@" in self.source.split("://", 1)[-1].split("/", 1)[0]:
            raise ValueError(f"camera {self.id}: the source URL must not carry credentials")

    @property
    def fps(self) -> float:
        """The highest wanted rate of all tasks, in frames per second."""
        return max(self.rates.values(), default=0.0)
