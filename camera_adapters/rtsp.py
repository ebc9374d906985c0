"""RTSP cameras: opens the stream, decodes it, and says in our own words what went wrong.

The login enters the address in the one call that opens it. No exception of FFmpeg leaves: its text,
its attributes and its context carry that address.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import av
import av.error

from camera_adapters.conversion import AnalysisConverter
from camera_adapters.decoding import CALL_ERRORS, Decoder, Failure, open_container
from camera_adapters.errors import (
    CameraFault,
    StreamLostFault,
    UnauthorizedFault,
    UnreachableFault,
    UnsupportedSourceError,
)
from camera_adapters.redaction import encoded_login, shown_address, url_with_login
from camera_adapters.source import DecodedImage, Sign, Timing
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

    timing = Timing.LIVE
    duration_s = 0.0

    def __init__(self, spec: CameraSpec) -> None:
        """Connects; blocks up to twice the opening timeout.

        Args:
            spec: The camera.

        Raises:
            CameraFault: No stream to be had; the subclass says how soon to try again.
        """
        _check(spec)
        self._camera = spec.id
        self._silence_s = spec.read_timeout_s
        started_s = time.monotonic()
        opened = open_container(
            url_with_login(spec), _options(spec), spec.open_timeout_s, spec.read_timeout_s
        )
        if isinstance(opened, Failure):
            late = time.monotonic() - started_s >= TOO_LATE * spec.open_timeout_s
            raise _opening_fault(spec, opened, late)
        self._container = opened.container
        if not self._container.streams.video:
            self._container.close()
            raise UnreachableFault(
                spec.id, "the camera offers no video on this path", "check the path of its URL"
            )
        stream = self._container.streams.video[0]
        self._decoder = Decoder(
            spec.id,
            self._container,
            stream,
            AnalysisConverter(spec.id),
            hold_s=spec.read_timeout_s / 2,
        )
        self._decoder.tune_for_live(spec.fps)

    def arrivals(self) -> Iterator[DecodedImage | Sign]:
        """Clean images and signs, as they come.

        Raises:
            StreamLostFault: The stream ended, broke or fell silent.
        """
        for step in self._decoder.steps():
            if isinstance(step, Failure):
                raise _reading_fault(self._camera, step, self._silence_s)
            yield step
        raise StreamLostFault(
            self._camera, "the stream ended", "the camera restarted or closed the connection"
        )

    def close(self) -> None:
        """Says goodbye to the camera, as far as it still listens."""
        with suppress(*CALL_ERRORS):
            self._container.close()


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


def _check(spec: CameraSpec) -> None:
    try:
        parts = urlsplit(spec.source)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise UnsupportedSourceError(
            spec.id, "the RTSP address has no valid host and port", "write rtsp://host:port/path"
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
    if issubclass(failure.error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return _login_fault(spec, forbidden=issubclass(failure.error, av.error.HTTPForbiddenError))
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


def _reading_fault(camera: str, failure: Failure, silence_s: float) -> StreamLostFault:
    if issubclass(failure.error, _TIMEOUTS):
        return StreamLostFault(
            camera, f"no data for {silence_s:g} s", "check the network and the camera's power"
        )
    return StreamLostFault(camera, f"the stream broke ({failure.text})", "check the network")
