"""A camera that answers whatever a test wants, byte by byte, and writes down all it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

H264_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=control:track1\r\n"
)
DIGEST = 'WWW-Authenticate: Digest realm="cam", nonce="n1", qop="auth"'
BASIC = 'WWW-Authenticate: Basic realm="cam"'


@dataclass(frozen=True)
class Asked:
    """A request: its method, its URL, and its headers by name in small letters."""

    method: str
    url: str
    headers: dict[str, str]

    @property
    def cseq(self) -> str:
        return self.headers["cseq"]


Script = Callable[[Asked], bytes | None]
"""What is sent in answer to a request; None closes the connection."""


def answer(asked: Asked, status: str = "200 OK", *headers: str, body: str = "") -> bytes:
    """A proper answer."""
    lines = [f"RTSP/1.0 {status}", f"CSeq: {asked.cseq}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def well_behaved(asked: Asked, sdp: str = H264_SDP, timeout_s: int = 60) -> bytes:
    """What a camera without a login answers."""
    if asked.method == "DESCRIBE":
        return answer(asked, "200 OK", "Content-Type: application/sdp", body=sdp)
    if asked.method == "SETUP":
        transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        return answer(asked, "200 OK", transport, f"Session: 77;timeout={timeout_s}")
    if asked.method == "OPTIONS":
        methods = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
        return answer(asked, "200 OK", f"Public: {methods}")
    return answer(asked)


def guarded(asked: Asked, challenge: str, then: Script = well_behaved) -> bytes | None:
    """Asks for a login, and takes any."""
    if asked.method == "OPTIONS" or "authorization" in asked.headers:
        return then(asked)
    return answer(asked, "401 Unauthorized", challenge)


@dataclass
class ScriptedCamera:
    """Listens on a port of its own while its `with` block runs.

    Attributes:
        connections: How many came.
        asked: All requests of all of them.
        after_play: Sent right behind the answer to PLAY.
    """

    script: Script = well_behaved
    host: str = "127.0.0.1"
    after_play: bytes = b""
    connections: int = 0
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server((self.host, 0))
        self._open: list[socket.socket] = []
        self._closing = False

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"rtsp://{self.host}:{self.port}/live"

    @property
    def logins(self) -> list[str]:
        """Every `Authorization` that came."""
        found = (one.headers.get("authorization") for one in self.asked)
        return [one for one in found if one]

    def methods(self) -> list[str]:
        return [one.method for one in self.asked]

    def say(self, data: bytes) -> None:
        """Sends to everybody who is connected."""
        for sock in list(self._open):
            sock.sendall(data)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        received = b""
        try:
            while True:
                while b"\r\n\r\n" not in received:
                    data = sock.recv(65536)
                    if not data:
                        return
                    received += data
                head, _, received = received.partition(b"\r\n\r\n")
                asked = self._note(head.decode())
                reply = self.script(asked)
                if reply is None:
                    return
                sock.sendall(reply)
                if asked.method == "PLAY":
                    sock.sendall(self.after_play)
        except OSError:
            return
        finally:
            sock.close()

    def _note(self, head: str) -> Asked:
        line, *lines = head.split("\r\n")
        method, url, _ = line.split(" ")
        pairs = (one.partition(":") for one in lines)
        asked = Asked(method, url, {name.lower(): value.strip() for name, _, value in pairs})
        self.asked.append(asked)
        return asked
