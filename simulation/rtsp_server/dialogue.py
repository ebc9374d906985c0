"""What the server says to one client: methods, session state, logins (RFC 2326).

Pure request and answer, without waiting. A session belongs to its connection and ends with it,
because a live camera that nobody listens to any more must not keep sending.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from simulation.rtsp_server.auth import Gate, LoginCheck
from simulation.rtsp_server.errors import ProtocolError
from simulation.rtsp_server.faults import NO_FAULT, FaultKind
from simulation.rtsp_server.message import Request, Response
from simulation.rtsp_server.mount import ServerLimits
from simulation.rtsp_server.sdp import TRACK, describe
from simulation.rtsp_server.stream import LiveStream
from simulation.rtsp_server.transport import Datagrams, Interleaved, choose_transport
from simulation.rtsp_server.udp import UdpPorts, UdpViewer
from simulation.rtsp_server.viewer import InterleavedViewer, Viewer

_SDP_TYPES = ("application/sdp", "application/*", "*/*")
_UNAUTHORIZED = 401
_HUGE_LENGTH = "2147483647"
_HUGE_BODY = b"a=tool:endless\r\n" * 500_000

RequestHandler = Callable[[Request, LiveStream], Response]


@dataclass(slots=True, eq=False)
class Session:
    """What SETUP made: one viewer of one mount."""

    id: str
    stream: LiveStream
    viewer: Viewer
    playing: bool = False


class Dialogue:
    """The conversation with one client.

    Args:
        writer: The connection, for viewers that get their media on it.
        streams: Everything that is mounted, by path.
        ports: The server's UDP ports.
        limits: Bounds for this client.
        heard: Called when the client sends anything outside of this conversation.
    """

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        streams: Mapping[str, LiveStream],
        ports: UdpPorts,
        limits: ServerLimits,
        heard: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._streams = streams
        self._ports = ports
        self._limits = limits
        self._heard = heard
        self._gate = Gate(limits.nonce_lifetime_s)
        self._session: Session | None = None
        self._answers: Mapping[str, RequestHandler] = {
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "TEARDOWN": self._teardown,
            "GET_PARAMETER": self._parameters,
            "SET_PARAMETER": self._parameters,
        }

    @property
    def has_session(self) -> bool:
        """Whether the client has set up a stream."""
        return self._session is not None

    @property
    def methods(self) -> str:
        """The methods spoken here, as a header value."""
        return ", ".join(["OPTIONS", *self._answers])

    def answer(self, request: Request) -> Response | None:
        """The answer to a request; None where a fault keeps the server silent.

        Raises:
            ProtocolError: The request cannot be satisfied; answer with its status.
        """
        stream = self._find_stream(request)
        if stream is not None and stream.fault.kind is FaultKind.MUTE:
            return None
        if request.method == "OPTIONS":
            return Response(200, (("Public", self.methods),))
        if request.method not in self._answers:
            raise ProtocolError(501, "unknown method")
        if "require" in request.headers:
            return Response(551, (("Unsupported", request.headers["require"]),))
        if stream is None:
            raise ProtocolError(404, "nothing is mounted here")
        if request.method == "DESCRIBE":
            stream.count(descriptions=1)
        refusal = self._refusal(request, stream)
        return refusal or self._answers[request.method](request, stream)

    def start_playing(self, request: Request) -> None:
        """After the answer to a PLAY has been written: let frames follow it."""
        session = self._session
        if request.method == "PLAY" and session is not None and not session.playing:
            session.playing = True
            session.stream.join(session.viewer)

    def end_session(self) -> None:
        """Stop the stream, if there is one."""
        if self._session is None:
            return
        self._session.stream.leave(self._session.viewer)
        if isinstance(self._session.viewer, UdpViewer):
            self._ports.on_report.pop(self._session.viewer.rtcp_address, None)
        self._session = None

    def _find_stream(self, request: Request) -> LiveStream | None:
        try:
            path = urlsplit(request.uri).path
        except ValueError:
            raise ProtocolError(400, "the URL is malformed") from None
        stream = self._streams.get(path.strip("/").removesuffix(TRACK).rstrip("/"))
        if stream is None and path == "*" and self._session is not None:
            return self._session.stream
        return stream

    def _refusal(self, request: Request, stream: LiveStream) -> Response | None:
        """The answer in place of the proper one: by a fault, or for want of a login."""
        fault = stream.fault if request.method != "TEARDOWN" else NO_FAULT
        if fault.kind is FaultKind.REDIRECT:
            return Response(302, (("Location", fault.text),))
        if fault.kind is FaultKind.REFUSE:
            if fault.status != _UNAUTHORIZED:
                return Response(fault.status)
            return Response(fault.status, self._gate.challenges(stream.mount, LoginCheck.WRONG))
        mount = stream.mount
        if fault.kind is FaultKind.BASIC and mount.users:
            mount = replace(mount, auth="basic")
        authorization = request.headers.get("authorization", "")
        checked = self._gate.check(mount, request.method, request.uri, authorization)
        if checked is LoginCheck.GRANTED:
            return None
        if checked is LoginCheck.WRONG:
            stream.count(refused_logins=1)
        return Response(_UNAUTHORIZED, self._gate.challenges(mount, checked))

    def _describe(self, request: Request, stream: LiveStream) -> Response:
        accepted = request.headers.get("accept", "*/*")
        if not any(kind in accepted for kind in _SDP_TYPES):
            raise ProtocolError(406, "descriptions come as application/sdp")
        if stream.fault.kind is FaultKind.DESCRIPTION:
            text = stream.fault.text
        else:
            host = self._writer.get_extra_info("sockname")[0]
            text = describe(stream.clip, name=stream.mount.path, session=stream.ssrc, host=host)
        headers = (
            ("Content-Base", self._base_url(request, stream) + "/"),
            ("Content-Type", "application/sdp"),
        )
        if stream.fault.kind is FaultKind.HUGE:
            return Response(200, (*headers, ("Content-Length", _HUGE_LENGTH)), _HUGE_BODY)
        return Response(200, headers, text.encode())

    def _setup(self, request: Request, stream: LiveStream) -> Response:
        if "session" in request.headers or self._session is not None:
            session = self._own_session(request)
            if session.stream is not stream:
                raise ProtocolError(459, "one connection carries one stream")
            if session.playing:
                raise ProtocolError(455, "a playing session cannot be set up again")
        wanted = choose_transport(request.headers.get("transport", ""))
        self.end_session()
        viewer, transport = self._new_viewer(wanted)
        self._session = Session(secrets.token_hex(8), stream, viewer)
        headers = (
            ("Transport", f"{transport};ssrc={stream.ssrc:08X}"),
            self._session_header(self._session),
        )
        return Response(200, headers)

    def _new_viewer(self, wanted: Interleaved | Datagrams) -> tuple[Viewer, str]:
        if isinstance(wanted, Interleaved):
            interleaved = InterleavedViewer(self._writer, wanted, self._limits)
            return interleaved, f"RTP/AVP/TCP;unicast;interleaved={wanted.rtp}-{wanted.rtcp}"
        host = self._writer.get_extra_info("peername")[0]
        datagrams = UdpViewer(self._writer, self._ports, host, wanted)
        self._ports.on_report[datagrams.rtcp_address] = self._heard
        ours = self._ports.numbers
        return datagrams, (
            f"RTP/AVP;unicast;client_port={wanted.rtp}-{wanted.rtcp}"
            f";server_port={ours[0]}-{ours[1]}"
        )

    def _play(self, request: Request, stream: LiveStream) -> Response:
        session = self._own_session(request)
        headers = [self._session_header(session), ("Range", "npt=now-")]
        if not session.playing:
            url = f"{self._base_url(request, session.stream)}/{TRACK}"
            headers.append(("RTP-Info", f"url={url};rtptime={session.stream.begin()}"))
        return Response(200, tuple(headers))

    def _pause(self, request: Request, stream: LiveStream) -> Response:
        """Live cameras do not wait: a PLAY after PAUSE goes on at the present."""
        session = self._own_session(request)
        session.stream.leave(session.viewer)
        session.playing = False
        return Response(200, (self._session_header(session),))

    def _teardown(self, request: Request, stream: LiveStream) -> Response:
        self._own_session(request)
        self.end_session()
        return Response(200)

    def _parameters(self, request: Request, stream: LiveStream) -> Response:
        """Keep-alive; no parameter exists that could be read or set."""
        if "session" in request.headers:
            self._own_session(request)
        if request.body:
            raise ProtocolError(451, "no parameters exist")
        return Response(200, (self._session_header(self._session),) if self._session else ())

    def _own_session(self, request: Request) -> Session:
        named = request.headers.get("session", "").partition(";")[0].strip()
        if self._session is None or named != self._session.id:
            raise ProtocolError(454, "no such session on this connection")
        return self._session

    def _session_header(self, session: Session) -> tuple[str, str]:
        return "Session", f"{session.id};timeout={max(1, round(self._limits.session_timeout_s))}"

    def _base_url(self, request: Request, stream: LiveStream) -> str:
        """The mount's URL in the client's own words, so that it works through port forwarding."""
        netloc = urlsplit(request.uri).netloc.rpartition("@")[2]
        if not netloc:
            host, port = self._writer.get_extra_info("sockname")[:2]
            netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"rtsp://{netloc}/{stream.mount.path}"
