"""A TCP proxy in front of a real server, which fails in the way that it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

REFUSALS = {
    "403": (403, "AccessDenied"),
    "wrong region": (400, "AuthorizationHeaderMalformed"),
    "clock skew": (403, "RequestTimeTooSkewed"),
    "busy": (503, "SlowDown"),
}
"""Answers of S3 that no server for tests gives by itself: status and code."""
MODES = (*REFUSALS, "slow", "silent", "dead half-way", "closed")
SLOW_S = 0.6
"""Per piece."""
PIECE = 512
HALF_WAY = 1000
"""Bytes of a request that still go through at most: of one that stores an image not all."""


class FaultyProxy:
    """Starts on construction; `mode` may be changed at any time, empty lets everything through."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.mode = ""
        self.hits = 0
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        mode = self.mode
        self.hits += bool(mode)
        with client, contextlib.suppress(OSError):
            if mode == "closed":
                return
            if mode == "silent":
                self._until_changed(mode)
            elif mode in REFUSALS:
                self._refuse(client, *REFUSALS[mode])
            else:
                self._pass_on(client, mode)

    def _refuse(self, client: socket.socket, status: int, code: str) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(65536) or b"\r\n\r\n"
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
        is_head = request.startswith(b"HEAD")
        head = f"HTTP/1.1 {status} No\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body * (not is_head))
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass

    def _pass_on(self, client: socket.socket, mode: str) -> None:
        with socket.create_connection(self._server) as server:
            back = threading.Thread(target=self._copy, args=(server, client, lambda _: True))
            back.start()
            sent = 0

            def forward(size: int) -> bool:
                nonlocal sent
                sent += size
                if mode == "slow":
                    time.sleep(SLOW_S)
                return not (mode == "dead half-way" and sent > HALF_WAY) and self.mode == mode

            self._copy(client, server, forward)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join()

    def _copy(
        self, source: socket.socket, target: socket.socket, goes_on: Callable[[int], bool]
    ) -> None:
        with contextlib.suppress(OSError):
            # Asked before: a small request might be complete with the piece that is too much.
            while (data := source.recv(PIECE)) and goes_on(len(data)):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _until_changed(self, mode: str) -> None:
        while self.mode == mode:
            time.sleep(0.02)
