"""A real HTTP server that writes down what it was sent and answers what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Delivery:
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: tuple[str, int]


class QuietServer(ThreadingHTTPServer):
    """Clients that hang up are part of the tests."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@dataclass
class Receiver:
    """Starts on construction; `status` and `answer_headers` may be changed at any time."""

    status: int = 204
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    delay: threading.Event | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.reply(self)

            do_GET = do_PUT = do_HEAD = do_POST

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/events"

    def reply(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length", 0))
        body = request.rfile.read(length)
        if len(body) < length:  # The sender died in the middle.
            request.close_connection = True
            return
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = (str(request.client_address[0]), int(request.client_address[1]))
        self.deliveries.append(Delivery(request.path, headers, body, peer))
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
