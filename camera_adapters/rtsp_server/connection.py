"""One RTSP connection: requests in, answers and (interleaved) media out, until either side ends.

Every wait has a limit, every message a bound, and whatever a peer sends ends in an answer or a
closed connection. A session belongs to its connection and ends with it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from camera_adapters.rtsp_server.errors import ProtocolError
from camera_adapters.rtsp_server.faults import Fault, FaultKind
from camera_adapters.rtsp_server.message import (
    MAX_LEADING_BLANKS,
    InterleavedData,
    Request,
    Response,
    read_message,
)
from camera_adapters.rtsp_server.sdp import TRACK, describe
from camera_adapters.rtsp_server.stream import LiveStream
from camera_adapters.rtsp_server.transport import Datagrams, Interleaved, choose_transport
from camera_adapters.rtsp_server.viewer import InterleavedViewer, UdpPorts, UdpViewer, Viewer

log = logging.getLogger(__name__)

METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_KNOWN_METHODS = frozenset(METHODS.split(", "))
_MESSAGE_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a peer may cost.

    Attributes:
        connections: Most RTSP connections at once; more are answered with 503.
        session_timeout_s: A client that says nothing for this long is gone.
        idle_timeout_s: The same before SETUP.
        viewer_buffer_bytes: Most bytes that may wait for one slow viewer.
        viewer_patience_s: How long a viewer may read too little.
    """

    connections: int = 256
    session_timeout_s: float = 60.0
    idle_timeout_s: float = 30.0
    viewer_buffer_bytes: int = 2 * 1024 * 1024
    viewer_patience_s: float = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """What SETUP made: one viewer of one mount."""

    id: str
    stream: LiveStream
    viewer: Viewer


class Connection:
    """Serves one client."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        streams: Mapping[str, LiveStream],
        ports: UdpPorts,
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._streams = streams
        self._ports = ports
        self._limits = limits
        self._session: Session | None = None
        self._playing = False
        self._muted = False
        self._heard_s = time.monotonic()
        writer.transport.set_write_buffer_limits(high=limits.viewer_buffer_bytes)

    async def serve(self) -> None:
        """Answer requests until the client leaves, is lost, or says something unreadable."""
        try:
            while first := await self._first_byte():
                if not await self._serve_one(first):
                    break
        except (ConnectionError, TimeoutError):
            pass  # a client that vanished needs no answer
        finally:
            self._end_session()
            await self._close()

    async def _first_byte(self) -> bytes:
        """The next message's first byte, blank filler skipped; empty when the client is gone."""
        for _ in range(MAX_LEADING_BLANKS):
            first = await self._wait_for_byte()
            if first not in {b"\r", b"\n"}:
                return first
        return b""

    async def _wait_for_byte(self) -> bytes:
        """Wait as long as the session lives; receiver reports over UDP count as life."""
        while True:
            limits = self._limits
            limit_s = limits.session_timeout_s if self._session else limits.idle_timeout_s
            remaining_s = self._heard_s + limit_s - time.monotonic()
            if remaining_s <= 0:
                return b""
            try:
                async with asyncio.timeout(remaining_s):
                    first = await self._reader.read(1)
            except TimeoutError:
                continue
            self._heard()
            return first

    async def _serve_one(self, first: bytes) -> bool:
        """Read and answer one message; False when the connection is to end."""
        cseq: int | None = None
        try:
            async with asyncio.timeout(_MESSAGE_TIMEOUT_S):
                message = await read_message(self._reader, first)
            if message is None:
                return False
            if isinstance(message, InterleavedData):
                return True
            cseq = message.cseq
            await self._answer(message)
        except ProtocolError as error:
            await self._send(self._error(error.status), cseq)
            return not error.fatal
        except TimeoutError:
            await self._send(self._error(408), cseq)
            return False
        return True

    async def _answer(self, request: Request) -> None:
        stream = self._find_stream(request)
        fault = stream.fault if stream is not None else None
        if fault is not None and fault.kind is FaultKind.MUTE:
            self._muted = True
        if self._muted:
            return
        refusal = _refusal(request, fault)
        if refusal is not None:
            await self._send(refusal, request.cseq)
            return
        answers: dict[str, Callable[[Request, LiveStream | None], Response]] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "TEARDOWN": self._teardown,
            "GET_PARAMETER": self._parameters,
            "SET_PARAMETER": self._parameters,
        }
        if request.method not in answers:
            raise ProtocolError(501, "unknown method")
        if "require" in request.headers:
            unsupported = (("Unsupported", request.headers["require"]),)
            await self._send(Response(551, unsupported), request.cseq)
            return
        response = answers[request.method](request, stream)
        self._write(response, request.cseq)
        if request.method == "PLAY" and self._session and not self._playing:
            # No wait between answer and joining: the answer names the first frame.
            self._playing = True
            self._session.stream.join(self._session.viewer)
        await self._drain()

    def _find_stream(self, request: Request) -> LiveStream | None:
        try:
            path = urlsplit(request.uri).path
        except ValueError:
            raise ProtocolError(400, "the URL is malformed") from None
        path = path.strip("/").removesuffix(TRACK).rstrip("/")
        return self._streams.get(path)

    def _options(self, request: Request, stream: LiveStream | None) -> Response:
        del request, stream
        return Response(200, (("Public", METHODS),))

    def _describe(self, request: Request, stream: LiveStream | None) -> Response:
        stream = _existing(stream)
        accepted = request.headers.get("accept", "application/sdp")
        if not any(kind in accepted for kind in ("application/sdp", "*/*", "application/*")):
            raise ProtocolError(406, "descriptions come as application/sdp")
        host = self._writer.get_extra_info("sockname")[0]
        text = describe(stream.clip, name=stream.mount.path, session=stream.ssrc, host=host)
        headers = (
            ("Content-Base", self._base_url(request, stream) + "/"),
            ("Content-Type", "application/sdp"),
        )
        return Response(200, headers, text.encode())

    def _setup(self, request: Request, stream: LiveStream | None) -> Response:
        stream = _existing(stream)
        if self._session is not None and "session" in request.headers:
            self._own_session(request)
        if self._playing:
            raise ProtocolError(455, "a playing session cannot be set up again")
        if self._session is None and "session" in request.headers:
            raise ProtocolError(454, "no such session")
        if self._session is not None and self._session.stream is not stream:
            raise ProtocolError(459, "one connection carries one stream")
        wanted = choose_transport(request.headers.get("transport", ""))
        self._end_session()
        viewer, transport = self._new_viewer(wanted)
        self._session = Session(secrets.token_hex(8), stream, viewer)
        headers = (
            ("Transport", f"{transport};ssrc={stream.ssrc:08X}"),
            self._session_header(self._session),
        )
        return Response(200, headers)

    def _new_viewer(self, wanted: Interleaved | Datagrams) -> tuple[Viewer, str]:
        if isinstance(wanted, Interleaved):
            viewer = InterleavedViewer(
                self._writer,
                wanted.rtp,
                wanted.rtcp,
                buffer_bytes=self._limits.viewer_buffer_bytes,
                patience_s=self._limits.viewer_patience_s,
            )
            return viewer, f"RTP/AVP/TCP;unicast;interleaved={wanted.rtp}-{wanted.rtcp}"
        host = self._writer.get_extra_info("peername")[0]
        datagrams = UdpViewer(self._writer, self._ports, host, wanted.rtp, wanted.rtcp)
        self._ports.on_report[datagrams.rtcp_address] = self._heard
        ours = self._ports.numbers
        return datagrams, (
            f"RTP/AVP;unicast;client_port={wanted.rtp}-{wanted.rtcp}"
            f";server_port={ours[0]}-{ours[1]}"
        )

    def _play(self, request: Request, stream: LiveStream | None) -> Response:
        del stream
        session = self._own_session(request)
        headers = [self._session_header(session), ("Range", "npt=now-")]
        if not self._playing:
            url = f"{self._base_url(request, session.stream)}/{TRACK}"
            headers.append(("RTP-Info", f"url={url};rtptime={session.stream.begin()}"))
        return Response(200, tuple(headers))

    def _pause(self, request: Request, stream: LiveStream | None) -> Response:
        """Live cameras do not wait: after PAUSE, PLAY goes on at the next key frame."""
        del stream
        session = self._own_session(request)
        session.stream.leave(session.viewer)
        self._playing = False
        return Response(200, (self._session_header(session),))

    def _teardown(self, request: Request, stream: LiveStream | None) -> Response:
        del stream
        self._own_session(request)
        self._end_session()
        return Response(200)

    def _parameters(self, request: Request, stream: LiveStream | None) -> Response:
        """Keep-alive; no parameter exists that could be read or set."""
        del stream
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

    def _heard(self) -> None:
        self._heard_s = time.monotonic()

    def _end_session(self) -> None:
        if self._session is None:
            return
        self._session.stream.leave(self._session.viewer)
        if isinstance(self._session.viewer, UdpViewer):
            self._ports.on_report.pop(self._session.viewer.rtcp_address, None)
        self._session = None
        self._playing = False

    def _error(self, status: int) -> Response:
        return Response(status, (("Allow", METHODS),) if status in {405, 455, 501} else ())

    async def _send(self, response: Response, cseq: int | None) -> None:
        self._write(response, cseq)
        await self._drain()

    def _write(self, response: Response, cseq: int | None) -> None:
        if not self._muted:
            self._writer.write(response.encode(cseq))

    async def _drain(self) -> None:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            await self._writer.drain()

    async def _close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await self._writer.wait_closed()
        except (ConnectionError, TimeoutError):
            self._writer.transport.abort()


def _existing(stream: LiveStream | None) -> LiveStream:
    if stream is None:
        raise ProtocolError(404, "nothing is mounted here")
    return stream


def _refusal(request: Request, fault: Fault | None) -> Response | None:
    """The answer that a fault gives in place of the proper one."""
    if fault is None or request.method in {"OPTIONS", "TEARDOWN"}:
        return None
    if fault.kind is FaultKind.REFUSE:
        return Response(fault.status)
    if fault.kind is FaultKind.REDIRECT:
        return Response(302, (("Location", fault.location),))
    return None
