"""A real HTTP server that writes down what it was sent and answers what it is told to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Delivery:
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: tuple[str, int]
    status: int = 0
    certificate: dict[str, object] | None = None


class QuietServer(ThreadingHTTPServer):
    """Clients that hang up are part of the tests."""

    daemon_threads = True

    def server_activate(self) -> None:
        super().server_activate()
        self.connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for one in tuple(self.connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@dataclass
class Receiver:
    """Starts on construction; `status` and `answer_headers` may be changed at any time.

    `answers` takes the place of an answer: it writes what it likes, and the connection is closed.
    With `tls`, a certificate and its key, it speaks TLS; `client_ca` are whose clients it takes.
    """

    status: int = 204
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    delay: threading.Event | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    answers: Callable[[BaseHTTPRequestHandler], object] | None = None
    tls: tuple[Path, Path] | None = None
    client_ca: Path | None = None
    port: int = 0

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.reply(self)

            do_GET = do_PUT = do_HEAD = do_POST

            def log_message(self, *arguments: object) -> None:
                pass

        self._handler = Handler
        self.listen()

    def listen(self) -> None:
        """Listens, after `close` again on the same port."""
        self._server = QuietServer(("127.0.0.1", self.port), self._handler)
        self.port = self._server.server_address[1]
        if self.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            if self.client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self.client_ca)
            # The handshake belongs to the thread of its connection.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/events"

    @property
    def accepted(self) -> list[Delivery]:
        """What was answered with success."""
        return [one for one in self.deliveries if one.status // 100 == 2]

    def reply(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length", 0))
        body = request.rfile.read(length)
        if len(body) < length:  # The sender died in the middle.
            request.close_connection = True
            return
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = (str(request.client_address[0]), int(request.client_address[1]))
        certificate = request.connection.getpeercert() if self.client_ca else None
        answers, status = self.answers, 0 if self.answers else self.status
        self.deliveries.append(Delivery(request.path, headers, body, peer, status, certificate))
        if answers is not None:
            request.close_connection = True
            with contextlib.suppress(OSError):
                answers(request)
            return
        if self.delay is not None:
            self.delay.wait(20.0)
        request.send_response(self.status)
        for name, value in self.answer_headers.items():
            request.send_header(name, value)
        if self.status != 204:
            request.send_header("Content-Length", str(len(self.answer)))
        request.end_headers()
        if self.status != 204 and request.command != "HEAD":
            request.wfile.write(self.answer)

    def close(self) -> None:
        if self.delay is not None:
            self.delay.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        # As the end of its process would.
        self._server.hang_up()
