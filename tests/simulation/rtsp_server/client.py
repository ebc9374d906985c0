"""A raw RTSP client on a plain socket: an independent view of what the server puts on the wire."""

from __future__ import annotations

import hashlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next(value for key, value in self.headers if key.lower() == name.lower())

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(frozen=True)
class Rtp:
    """One RTP packet, taken apart (RFC 3550, 5.1)."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def parse(cls, packet: bytes) -> Self:
        first, second, sequence, timestamp, ssrc = struct.unpack(">BBHII", packet[:12])
        assert first == 0x80
        return cls(second >= 0x80, second & 0x7F, sequence, timestamp, ssrc, packet[12:])


@dataclass(frozen=True)
class SenderReport:
    """The first part of an RTCP sender report (RFC 3550, 6.4.1)."""

    ssrc: int
    wall_s: float
    timestamp: int
    packets: int
    octets: int

    @classmethod
    def parse(cls, packet: bytes) -> Self:
        assert packet[1] == 200
        ssrc, seconds, fraction, timestamp, packets, octets = struct.unpack(">6I", packet[4:28])
        return cls(ssrc, seconds - 2_208_988_800 + fraction / 2**32, timestamp, packets, octets)


@dataclass
class RawClient:
    """One RTSP connection. Interleaved chunks that arrive before an answer are kept."""

    port: int
    path: str = "cam"
    receive_buffer: int | None = None
    session: str = ""
    cseq: int = 0
    chunks: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(TIMEOUT_S)
        if self.receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.sock.connect(("127.0.0.1", self.port))
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/{self.path}"

    def ask(self, method: str, url: str | None = None, body: bytes = b"", **headers: str) -> Reply:
        """Send a request and wait for its answer."""
        self.send(method, url, body, **headers)
        return self.reply()

    def send(self, method: str, url: str | None = None, body: bytes = b"", **headers: str) -> None:
        self.cseq += 1
        if self.session:
            headers = {"Session": self.session} | headers
        if body:
            headers["Content-Length"] = str(len(body))
        lines = [f"{method} {url or self.url} RTSP/1.0", f"CSeq: {self.cseq}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def reply(self) -> Reply:
        while (first := self._take(1)) == b"$":
            self._chunk()
        head = first
        while not head.endswith(b"\r\n\r\n"):
            head += self._take(1)
        status_line, *lines = head.decode().split("\r\n")
        version, status, _ = status_line.split(" ", 2)
        assert version == "RTSP/1.0"
        headers = [
            (name, value.strip()) for name, _, value in (x.partition(":") for x in lines[:-2])
        ]
        length = int(dict(headers).get("Content-Length", "0"))
        return Reply(int(status), headers, self._take(length))

    def setup(self, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> Reply:
        reply = self.ask("SETUP", f"{self.url}/trackID=0", Transport=transport)
        if reply.status == 200:
            self.session = reply.header("Session").partition(";")[0]
        return reply

    def play(self) -> Reply:
        """DESCRIBE is skipped: SETUP and PLAY over the RTSP connection."""
        assert self.setup().status == 200
        return self.ask("PLAY")

    def stream(self, seconds: float = TIMEOUT_S) -> Iterator[tuple[int, bytes]]:
        """Interleaved chunks as (channel, packet), for a limited time."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            if not self.chunks:
                if self._take(1) != b"$":
                    raise AssertionError("not an interleaved chunk")
                self._chunk()
            yield self.chunks.pop(0)

    def rtp(self, count: int) -> list[Rtp]:
        packets: list[Rtp] = []
        for channel, packet in self.stream():
            if channel == 0:
                packets.append(Rtp.parse(packet))
                if len(packets) == count:
                    return packets
        raise AssertionError(f"only {len(packets)} of {count} packets came")

    def sender_report(self) -> SenderReport:
        return next(
            SenderReport.parse(packet)
            for channel, packet in self.stream()
            if channel == 1 and packet[1] == 200
        )

    def until_lost(self) -> list[tuple[int, bytes]]:
        """Read on until the connection is closed or reset: the chunks that came."""
        chunks: list[tuple[int, bytes]] = []
        try:
            for chunk in self.stream():
                chunks.append(chunk)
        except ConnectionError:
            return chunks
        raise AssertionError("the connection stayed")

    def is_closed(self) -> bool:
        """Wait for the server to close; False when it says something instead."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True

    def _chunk(self) -> None:
        channel, size = struct.unpack(">BH", self._take(3))
        self.chunks.append((channel, self._take(size)))

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._received += data
        taken, self._received = self._received[:size], self._received[size:]
        return taken


def digest_header(
    challenge: str, method: str, url: str, user: str, password: str, *, count: int = 1
) -> str:
    """An Authorization header for a Digest challenge with qop=auth, straight from RFC 7616."""
    parts = challenge.removeprefix("Digest ").split(", ")
    fields = {name: value.strip('"') for name, _, value in (part.partition("=") for part in parts)}
    algorithm = fields["algorithm"]

    def hashed(text: str) -> str:
        return hashlib.new(
            {"MD5": "md5", "SHA-256": "sha256"}[algorithm], text.encode()
        ).hexdigest()

    secret = hashed(f"{user}:{fields['realm']}:{password}")
    nc, cnonce = f"{count:08x}", "0a4f113b"
    target = hashed(f"{method}:{url}")
    response = hashed(f"{secret}:{fields['nonce']}:{nc}:{cnonce}:auth:{target}")
    return (
        f'Digest username="{user}", realm="{fields["realm"]}", nonce="{fields["nonce"]}",'
        f' uri="{url}", algorithm={algorithm}, qop=auth, nc={nc}, cnonce="{cnonce}",'
        f' response="{response}"'
    )
