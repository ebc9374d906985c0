"""What failures of an RTSP camera mean for people: a reason, a remedy, and when to try again.

No text that the camera sent is repeated, except where it points to, and that only as far as it is
fit to be shown.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping

from camera_adapters.dialling import ForbiddenAddressError, UntrustedCertificateError
from camera_adapters.errors import (
    CameraFault,
    StreamLostFault,
    UnauthorizedFault,
    UnreachableFault,
    UnsupportedSourceError,
)
from camera_adapters.login_memory import MAX_TRIES, PERIOD_S, RECHECK_S
from camera_adapters.name_lookup import NameLookupTimeoutError
from camera_adapters.redaction import shown_address
from camera_adapters.rtsp_client import (
    LoginPausedError,
    LoginRefusedError,
    NoLoginError,
    RedirectedError,
    RequestRefusedError,
    UnknownLoginError,
    WeakLoginError,
)
from camera_adapters.rtsp_connection import ConnectionEndedError
from camera_adapters.rtsp_message import RtspViolationError
from camera_adapters.rtsp_stream import HeldUpError, NoDataError
from camera_adapters.sdp import NoVideoTrackError
from camera_adapters.spec import CameraSpec

OPENING_ERRORS = (
    ConnectionEndedError,
    ForbiddenAddressError,
    LoginPausedError,
    LoginRefusedError,
    NoLoginError,
    NoVideoTrackError,
    OSError,
    RedirectedError,
    RequestRefusedError,
    RtspViolationError,
    UnknownLoginError,
    UntrustedCertificateError,
    WeakLoginError,
)
"""What may go wrong until the stream plays."""

READING_ERRORS = (
    ConnectionEndedError,
    HeldUpError,
    NoDataError,
    OSError,
    RequestRefusedError,
    RtspViolationError,
)
"""What may go wrong after that."""

_FORBIDDEN = 403
_NOT_FOUND = 404
_UNSUPPORTED_TRANSPORT = 461
_SERVER_ERRORS = range(500, 600)
_MINUTES = int(PERIOD_S / 60)
_MAX_SHOWN = 120

_NETWORK = "check the network and the camera's power"

_LOGINS: Mapping[type[Exception], tuple[type[CameraFault], str, str]] = {
    NoLoginError: (
        UnauthorizedFault,
        "the camera asks for a login and none is configured",
        "configure its login",
    ),
    WeakLoginError: (
        UnauthorizedFault,
        "the camera asks for a Basic login, which hands the password over, and has offered Digest "
        "before",
        "set it back to Digest; if Basic is meant, remove `logins` from the state folder",
    ),
    UnknownLoginError: (
        UnreachableFault,
        "the camera asks for a login in an unknown way",
        "set it to Digest or Basic authentication",
    ),
}
"""Class of the fault, reason and remedy, where they are always the same."""


def opening_fault(spec: CameraSpec, error: Exception) -> CameraFault:
    """The fault for one of `OPENING_ERRORS`."""
    where = shown_address(spec.source)
    if isinstance(error, RequestRefusedError):
        return _refusal(spec, where, error.status)
    if isinstance(error, RedirectedError | NoVideoTrackError | RtspViolationError):
        return _useless_answer(spec, where, error)
    if isinstance(error, LoginRefusedError | LoginPausedError):
        return _refused_login(spec, error)
    if type(error) in _LOGINS:
        fault, reason, remedy = _LOGINS[type(error)]
        return fault(spec.id, reason, remedy)
    return _network_fault(spec, where, error)


def reading_fault(spec: CameraSpec, error: Exception) -> StreamLostFault:
    """The fault for one of `READING_ERRORS`."""
    reason, remedy = f"the stream broke ({_words(error)})", "check the network"
    if isinstance(error, NoDataError):
        reason, remedy = f"no data for {spec.read_timeout_s:g} s", _NETWORK
    elif isinstance(error, ConnectionEndedError | RequestRefusedError):
        reason, remedy = "the stream ended", "the camera restarted or closed the connection"
    elif isinstance(error, HeldUpError):
        reason = "this program was held up for many seconds"
        remedy = "check the load of this machine; what came meanwhile is thrown away"
    elif isinstance(error, RtspViolationError):
        reason, remedy = f"the stream is not understood: {error}", "restart the camera"
    return StreamLostFault(spec.id, reason, remedy)


def _network_fault(spec: CameraSpec, where: str, error: Exception) -> CameraFault:
    """Nothing that could be understood came from the camera."""
    fault: type[CameraFault] = UnreachableFault
    reason, remedy = f"{where} could not be opened ({_words(error)})", "check address and network"
    if isinstance(error, ConnectionRefusedError):
        reason, remedy = f"{where} refused the connection", "check the port, and that RTSP is on"
    elif isinstance(error, NameLookupTimeoutError):
        reason = f"the host of {where} was not found in time"
        remedy = "check the name server of this machine, or configure the camera's IP address"
    elif isinstance(error, TimeoutError | BlockingIOError):
        reason, remedy = f"{where} did not answer in time", _NETWORK
    elif isinstance(error, socket.gaierror):
        reason, remedy = f"the host of {where} has no address", "check its name, or the name server"
    elif isinstance(error, ssl.SSLError):
        reason = f"{where} does not speak TLS as this machine does"
        remedy = "update the camera, or use rtsp:// and its port"
    elif isinstance(error, ForbiddenAddressError):
        fault = UnsupportedSourceError
        reason = f"{where} must not be dialled: {error}"
        remedy = "correct the address, or allow its network and port under `camera_network:`"
    elif isinstance(error, UntrustedCertificateError):
        reason = f"the certificate of {where} is not trusted ({error})"
        remedy = "let this machine trust it, or set `verify_tls: false` for this camera"
    elif isinstance(error, ConnectionEndedError):
        reason = f"{where} closed the connection without an answer"
        remedy = "check that not too many viewers are connected; restart it if it stays so"
    return fault(spec.id, reason, remedy)


def _useless_answer(spec: CameraSpec, where: str, error: Exception) -> CameraFault:
    reason, remedy = f"{where} is not understood: {error}", "check that this is a camera"
    if isinstance(error, RedirectedError):
        reason = f"{where} points to {_shown_place(error.location)}, which is not followed"
        remedy = "where the camera has moved, configure its new address"
    elif isinstance(error, NoVideoTrackError) and error.offered:
        reason = f"the camera offers its video as {' or '.join(error.offered[:3])}, "
        reason += "which is not read"
        remedy = "set the camera to H.264 or H.265"
    elif isinstance(error, NoVideoTrackError):
        reason, remedy = "the camera offers no video on this path", "check that this path has video"
    return UnreachableFault(spec.id, reason, remedy)


def _refusal(spec: CameraSpec, where: str, status: int) -> CameraFault:
    if status == _FORBIDDEN:
        if spec.credentials is None:
            return opening_fault(spec, NoLoginError())
        return UnauthorizedFault(
            spec.id, "the camera forbids the access", "correct user name, password and rights"
        )
    reason = f"{where} refused the request"
    remedy = "check that this path has video and that not too many viewers are connected"
    if status == _NOT_FOUND:
        reason, remedy = f"{where} has no such stream", "check the path of the camera's URL"
    elif status == _UNSUPPORTED_TRANSPORT:
        reason = f"{where} does not send video over {spec.transport.upper()}"
        remedy = "set `transport:` to the other one of `tcp` and `udp`"
    elif status in _SERVER_ERRORS:
        reason = f"{where} answered with a server error"
        remedy = "restart the camera if it stays so"
    return UnreachableFault(spec.id, reason, remedy)


def _refused_login(spec: CameraSpec, error: LoginRefusedError | LoginPausedError) -> CameraFault:
    correct = "correct user name and password"
    if isinstance(error, LoginRefusedError):
        if error.certain:
            remedy = f"{correct}; tries are rare so that the account is not locked"
            return UnauthorizedFault(spec.id, "the camera refused the login", remedy)
        reason = "the camera refused the login once, which may be a damaged answer"
        return UnreachableFault(spec.id, reason, f"{correct} if it does so again")
    if error.wait_s <= RECHECK_S:
        reason = "other cameras at this address are trying the same login"
        return UnreachableFault(spec.id, reason, "wait for them")
    return UnauthorizedFault(
        spec.id,
        f"the camera refused the login {MAX_TRIES} times",
        f"{correct}; the same ones are tried {MAX_TRIES} times in {_MINUTES} minutes at most, "
        "so that the account is not locked",
    )


def _words(error: Exception) -> str:
    """An operating system's words for an error, without anything else."""
    text = error.strerror if isinstance(error, OSError) else None
    return str(text or type(error).__name__)


def _shown_place(location: str) -> str:
    """Scheme, host and port of where a camera points to, if they are fit to be shown."""
    shown = shown_address(location) if "@" not in location else ""
    usable = "://" in shown and shown.isascii() and shown.isprintable()
    return shown[:_MAX_SHOWN] if usable and not shown.endswith("://") else "another place"
