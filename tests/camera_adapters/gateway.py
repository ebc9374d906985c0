"""A stand-in for a GB/T 28181 gateway: RTSP in front of streams that run while somebody watches.

What it does was taken from ZLMediaKit and WVP-PRO: a stream is asked for at the device by the first
DESCRIBE, which is answered with 404 or held until the stream is there; it ends some seconds after
its last viewer; a token in the address lets a viewer in.
"""

from __future__ import annotations

import re
import socket
import socketserver
import threading
import time
from typing import Self

_REQUEST = re.compile(rb"([A-Z_]+) (\S+) RTSP/1\.0\r\n")


class Gateway:
    """Passes viewers on to a proper RTSP server while its `with` block runs.

    Args:
        upstream: Port of that server on this machine.
        token: What `token` in the address has to be; empty for no token.
        start_s: Seconds from the first DESCRIBE until the device sends.
        hold_s: Seconds for which a DESCRIBE is held before it is answered with 404.
        idle_s: Seconds without a viewer after which the stream ends.
    """

    def __init__(
        self,
        upstream: int,
        *,
        token: str = "",
        start_s: float = 0.4,
        hold_s: float = 0.0,
        idle_s: float = 5.0,
    ) -> None:
        self.token = token
        self.refused: list[str] = []
        self.described: list[float] = []
        self.invited = 0
        self.ended = 0
        self._upstream = upstream
        self._times = (start_s, hold_s, idle_s)
        self._lock = threading.Lock()
        self._up_s: float | None = None
        self._viewers = 0
        self._left_s = 0.0
        self._server = _server(self)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def serve(self, viewer: socket.socket) -> None:
        """One connection: answers until a stream is described, and passes the rest on."""
        received = b""
        while True:
            data = viewer.recv(65_536)
            if not data:
                return
            received += data
            while b"\r\n\r\n" in received:
                head, _, received = received.partition(b"\r\n\r\n")
                method, url = self._asked(head)
                if method == "DESCRIBE":
                    status = self._status(url)
                    if status:
                        viewer.sendall(_answer(head, status))
                        continue
                    self._pass_on(viewer, head + b"\r\n\r\n" + received)
                    return
                viewer.sendall(_answer(head, "200 OK"))

    def _asked(self, head: bytes) -> tuple[str, str]:
        match = _REQUEST.match(head + b"\r\n")
        assert match, head
        return match[1].decode(), match[2].decode()

    def _status(self, url: str) -> str:
        """Why a stream is not given; empty where it is there."""
        self.described.append(time.monotonic())
        if self.token and f"token={self.token}" not in url:
            self.refused.append(url)
            return "401 Unauthorized"
        start_s, hold_s, idle_s = self._times
        until_s = time.monotonic() + hold_s
        while True:
            now_s = time.monotonic()
            with self._lock:
                idle = not self._viewers and now_s > max(self._up_s or 0.0, self._left_s) + idle_s
                if self._up_s is not None and self._up_s < now_s and idle:
                    self.ended += 1
                    self._up_s = None
                if self._up_s is None:
                    self.invited += 1
                    self._up_s = now_s + start_s
                if self._up_s <= now_s:
                    return ""
            if now_s >= until_s:
                return "404 Stream Not Found"
            time.sleep(0.02)

    def _pass_on(self, viewer: socket.socket, begin: bytes) -> None:
        with self._lock:
            self._viewers += 1
        try:
            with socket.create_connection(("127.0.0.1", self._upstream)) as server:
                server.sendall(begin)
                back = threading.Thread(target=_pump, args=(server, viewer), daemon=True)
                back.start()
                _pump(viewer, server)
                back.join(5)
        finally:
            with self._lock:
                self._viewers -= 1
                self._left_s = time.monotonic()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        pass
    for sock in (source, target):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


def _answer(head: bytes, status: str) -> bytes:
    found = re.search(rb"(?i)cseq: *(\d+)", head)
    cseq = found[1].decode() if found else "0"
    return f"RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n\r\n".encode()


def _server(gateway: Gateway) -> socketserver.ThreadingTCPServer:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                gateway.serve(self.request)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    return Server(("127.0.0.1", 0), Handler)
