"""RTSP cameras: connects, decodes, and says in plain words what went wrong.

The client is our own, because a camera is not trusted: its login goes to the configured scheme,
host and port only, and whatever it says is bounded. FFmpeg gets encoded images and nothing else.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from camera_adapters.conversion import VideoImage
from camera_adapters.decoder_context import DECODERS
from camera_adapters.decoding import TrackDecoder
from camera_adapters.dialling import dial
from camera_adapters.errors import CameraFault, UnsupportedSourceError
from camera_adapters.key_frames import KeyFrameFilter, KeyFrameWatch
from camera_adapters.login_memory import LoginKey
from camera_adapters.packet_ring import KeptPacket, PacketFormat, PacketRing
from camera_adapters.rtp import CLOCK_HZ, CodedImage
from camera_adapters.rtsp_client import CameraOrigin, LoginPausedError, RtspClient
from camera_adapters.rtsp_connection import RtspConnection
from camera_adapters.rtsp_faults import (
    OPENING_ERRORS,
    READING_ERRORS,
    opening_fault,
    reading_fault,
)
from camera_adapters.rtsp_stream import RtspStream
from camera_adapters.source import DecodedImage, SourceTiming, StreamSignal
from camera_adapters.spec import CameraSpec
from camera_adapters.stillness import StillnessWatch

TRANSPORTS = ("tcp", "udp")

MAX_LOGIN_BYTES = 255
"""For the user name and for the password, in UTF-8."""


class RtspSource:
    """An open RTSP stream. It has no end; when it ends, that is a fault."""

    timing = SourceTiming.LIVE
    duration_s = 0.0

    def __init__(self, spec: CameraSpec) -> None:
        """Connects and starts the stream; blocks up to the opening timeout.

        Raises:
            CameraFault: No stream to be had; the subclass says how soon to try again.
        """
        origin = check(spec)
        self._spec = spec
        self._connection: RtspConnection | None = None
        self._packets: PacketRing | None = None
        fault: CameraFault | None = None
        try:
            self._open(origin)
        except OPENING_ERRORS as error:
            fault = opening_fault(spec, error)
        except BaseException:
            self._hang_up()
            raise
        if fault is not None:
            self._hang_up()
            # Outside of the handler, so that the fault has no context.
            raise fault

    def arrivals(self) -> Iterator[DecodedImage | StreamSignal]:
        """Clean images and signals, as they come.

        Raises:
            StreamLostFault: The stream ended, broke or fell silent.
        """
        longest_s = self._spec.read_timeout_s / 2
        wanted_fps = max(self._spec.fps, self._spec.most_fps)
        key_frames = KeyFrameFilter(KeyFrameWatch(wanted_fps, longest_s=longest_s))
        stillness = StillnessWatch()
        # Until something that a decoder can start at, or something damaged, has come.
        nothing = StreamSignal.NO_IMAGE
        started = False
        while True:
            for coded in self._read():
                if self._packets is not None:
                    _keep(self._packets, coded)
                started = started or coded.key or coded.damaged
                nothing = StreamSignal.NO_IMAGE if started else StreamSignal.NO_KEY_FRAME
                for arrival in self._decode(key_frames.choose(coded)):
                    if isinstance(arrival, VideoImage):
                        arrival.still_s = stillness.still_s(arrival, time.monotonic())
                        yield arrival
                    elif arrival is StreamSignal.DAMAGED:
                        yield arrival
            # Whoever reads hears regularly from here, also while nothing comes.
            yield nothing

    @property
    def codec(self) -> str:
        """FFmpeg's name of how the video is encoded."""
        return DECODERS[self._track.codec]

    def received(self) -> Iterator[list[CodedImage]]:
        """Coded images as they come, of which none is decoded; empty lists while nothing comes.

        Raises:
            StreamLostFault: The stream ended, broke or fell silent.
        """
        while True:
            coded = self._read()
            for one in coded:
                if self._packets is not None:
                    _keep(self._packets, one)
            yield coded

    def keep_packets(self, ring: PacketRing) -> None:
        """See `VideoSource.keep_packets`."""
        ring.begin(PacketFormat(self.codec, self._track.parameter_sets))
        self._packets = ring

    def close(self) -> None:
        """Ends the session with the camera, as far as it still answers."""
        self._stream.close()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _open(self, origin: CameraOrigin) -> None:
        spec = self._spec
        if spec.credentials is not None:
            key = LoginKey(str(origin), spec.credentials.username, spec.credentials.password)
            if (wait_s := spec.logins.blocked_s(key)) > 0:
                raise LoginPausedError(wait_s)
        deadline_s = time.monotonic() + spec.open_timeout_s
        tls = _tls_context(verify=spec.verify_tls) if origin.scheme == "rtsps" else None
        dialled = dial(origin.host, origin.port, spec.network, deadline_s=deadline_s, tls=tls)
        self._connection = RtspConnection(dialled.sock)
        client = RtspClient(
            self._connection, spec.source, spec.credentials, spec.logins, deadline_s
        )
        description = client.describe()
        self._track = description.video
        self._decoder = TrackDecoder(spec, description.video)
        self._stream = RtspStream(
            client,
            self._connection,
            dialled,
            description,
            transport=spec.transport,
            silence_s=spec.read_timeout_s,
        )

    def _read(self) -> list[CodedImage]:
        fault: CameraFault | None = None
        try:
            return self._stream.read()
        except READING_ERRORS as error:
            fault = reading_fault(self._spec, error)
        raise fault

    def _decode(self, chosen: list[CodedImage]) -> list[VideoImage | StreamSignal]:
        """What comes of coded images of which only the last one is new."""
        arrivals: list[VideoImage | StreamSignal] = []
        for coded in chosen:
            # An image that was left out until now is old; that it was damaged still counts.
            arrivals = [one for one in arrivals if one is StreamSignal.DAMAGED]
            arrivals += self._decoder.decode(coded)
        return arrivals


def _keep(ring: PacketRing, coded: CodedImage) -> None:
    shown_s, now_s = coded.ticks / CLOCK_HZ, time.monotonic()
    ring.put(KeptPacket(coded.data, shown_s, coded.key, coded.damaged, now_s))


def check(spec: CameraSpec) -> CameraOrigin:
    """Finds what can be wrong with a camera's address and login without connecting.

    Raises:
        UnsupportedSourceError: The camera as configured can never work.
    """
    if "@" in spec.source and not _is_numeric_host(spec.source):
        # A user name and the first digits of a password look like any other host and port.
        raise UnsupportedSourceError(
            spec.id,
            "the address holds an @, so that a login in it cannot be told from its path",
            "write a login under `username:` and `password:`, and an @ of the path as %40",
        )
    try:
        origin = CameraOrigin.of(spec.source)
        usable = spec.source.isascii() and spec.source.isprintable() and " " not in spec.source
    except ValueError:
        usable = False
    if not usable:
        raise UnsupportedSourceError(
            spec.id,
            "the address cannot be read: it has no valid host and port",
            "write rtsp://HOST[:PORT]/PATH, and the login under `username:` and `password:`",
        )
    if spec.transport not in TRANSPORTS:
        raise UnsupportedSourceError(
            spec.id,
            f"the transport {spec.transport!r} is unknown",
            f"use one of: {', '.join(TRANSPORTS)}",
        )
    if spec.credentials is not None:
        for part in (spec.credentials.username, spec.credentials.password):
            if len(part.encode("utf-8", "replace")) > MAX_LOGIN_BYTES or _has_controls(part):
                raise UnsupportedSourceError(
                    spec.id,
                    "user name or password are too long, or hold control characters",
                    f"keep each of them to {MAX_LOGIN_BYTES} bytes",
                )
    return origin


def _is_numeric_host(source: str) -> bool:
    try:
        ipaddress.ip_address(urlsplit(source).hostname or "")
    except ValueError:
        return False
    return True


def _has_controls(text: str) -> bool:
    return any(character < " " or character == "\x7f" for character in text)


def _tls_context(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


open_source = RtspSource
