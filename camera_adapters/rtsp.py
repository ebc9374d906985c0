"""RTSP cameras: opens the stream, decodes it, and says in our own words what went wrong.

The login enters the address in the one call that opens it. No exception of FFmpeg leaves: its text,
its attributes and its context carry that address.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import av.error

from camera_adapters.decoding import Failure, NoVideoError, open_decoder
from camera_adapters.errors import (
    CameraFault,
    StreamLostFault,
    UnauthorizedFault,
    UnreachableFault,
    UnsupportedSourceError,
)
from camera_adapters.redaction import encoded_login, shown_address, url_with_login
from camera_adapters.source import DecodedImage, SourceTiming, StreamSignal
from camera_adapters.spec import CameraSpec

TRANSPORTS = ("tcp", "udp")

MAX_LOGIN_BYTES = 127
"""FFmpeg keeps a login, percent-encoded, in a buffer of 128 bytes and cuts off the rest."""

UDP_BUFFER_BYTES = 2 * 1024 * 1024
SOCKET_MARGIN_S = 2.0
PROBE_S = 0.1
MICROSECONDS = 1_000_000

TOO_LATE = 0.9
"""A failure to open after this share of the allowed time means that nobody answered."""

_TIMEOUTS = (av.error.ExitError, TimeoutError)

_REFUSALS = (
    (av.error.HTTPNotFoundError, "has no such stream", "check the path of the camera's URL"),
    (
        av.error.HTTPClientError,
        "refused the request",
        "check that this path has video and that not too many viewers are connected",
    ),
    (av.error.HTTPError, "answered with a server error", "restart the camera if it stays so"),
    (ConnectionRefusedError, "refused the connection", "check the port, and that RTSP is enabled"),
)
"""What a camera may answer: exception classes, most special first, with reason and remedy."""


class RtspSource:
    """An open RTSP stream. It has no end; when it ends, that is a fault."""

    timing = SourceTiming.LIVE
    duration_s = 0.0

    def __init__(self, spec: CameraSpec) -> None:
        """Connects; blocks up to twice the opening timeout.

        Raises:
            CameraFault: No stream to be had; the subclass says how soon to try again.
        """
        check(spec)
        self._spec = spec
        started_s = time.monotonic()
        opened = open_decoder(spec, url_with_login(spec), _options(spec))
        if isinstance(opened, Failure):
            late = time.monotonic() - started_s >= TOO_LATE * spec.open_timeout_s
            raise _opening_fault(spec, opened, late)
        self._decoder = opened
        self._decoder.tune_for_live(spec.fps)

    def arrivals(self) -> Iterator[DecodedImage | StreamSignal]:
        """Clean images and signals, as they come.

        Raises:
            StreamLostFault: The stream ended, broke or fell silent.
        """
        remedy = "the camera restarted or closed the connection"
        ended = StreamLostFault(self._spec.id, "the stream ended", remedy)
        return self._decoder.images(self._reading_fault, at_end=ended)

    def close(self) -> None:
        """Ends the session with the camera, as far as it still answers."""
        self._decoder.close()

    def _reading_fault(self, failure: Failure) -> StreamLostFault:
        if issubclass(failure.error, _TIMEOUTS):
            reason = f"no data for {self._spec.read_timeout_s:g} s"
            remedy = "check the network and the camera's power"
            return StreamLostFault(self._spec.id, reason, remedy)
        reason = f"the stream broke ({failure.text})"
        return StreamLostFault(self._spec.id, reason, "check the network")


def _options(spec: CameraSpec) -> dict[str, str]:
    socket_s = max(spec.open_timeout_s, spec.read_timeout_s) + SOCKET_MARGIN_S
    return {
        "rtsp_transport": spec.transport,
        "allowed_media_types": "video",
        "protocol_whitelist": "rtsp,rtp,tcp,udp,tls",
        # A second bound below PyAV's own, for the calls that PyAV does not watch.
        "timeout": str(int(socket_s * MICROSECONDS)),
        # Probing would hold back the first image by a whole group of images. "nobuffer" would
        # do worse: it throws away what was read while opening, and with it the first key frame.
        "fpsprobesize": "0",
        "analyzeduration": str(int(PROBE_S * MICROSECONDS)),
        "buffer_size": str(UDP_BUFFER_BYTES),
    }


def check(spec: CameraSpec) -> None:
    """Finds what can be wrong with a camera's address and login without connecting.

    Raises:
        UnsupportedSourceError: The camera as configured can never work.
    """
    try:
        parts = urlsplit(spec.source)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        usable = usable and not any(character.isspace() for character in spec.source)
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
    if len(encoded_login(spec)) > MAX_LOGIN_BYTES:
        raise UnsupportedSourceError(
            spec.id,
            "user name and password are too long for the RTSP client",
            f"keep them to {MAX_LOGIN_BYTES} bytes together, percent-encoded",
        )


def _opening_fault(spec: CameraSpec, failure: Failure, late: bool) -> CameraFault:
    forbidden = issubclass(failure.error, av.error.HTTPForbiddenError)
    if forbidden or issubclass(failure.error, av.error.HTTPUnauthorizedError):
        return _login_fault(spec, forbidden=forbidden)
    if failure.error is NoVideoError:
        return UnreachableFault(
            spec.id, "the camera offers no video on this path", "check the path of its URL"
        )
    where = shown_address(spec.source)
    for errors, reason, remedy in _REFUSALS:
        if issubclass(failure.error, errors):
            return UnreachableFault(spec.id, f"{where} {reason}", remedy)
    if late or issubclass(failure.error, _TIMEOUTS):
        return UnreachableFault(
            spec.id, f"{where} did not answer in time", "check the network and the camera's power"
        )
    return UnreachableFault(
        spec.id, f"{where} could not be opened ({failure.text})", "check address and network"
    )


def _login_fault(spec: CameraSpec, *, forbidden: bool) -> UnauthorizedFault:
    if spec.credentials is None:
        return UnauthorizedFault(
            spec.id, "the camera asks for a login and none is configured", "configure its login"
        )
    return UnauthorizedFault(
        spec.id,
        "the camera forbids the access" if forbidden else "the camera refused the login",
        "correct user name and password; tries are rare so that the account is not locked",
    )


open_source = RtspSource
