"""An HTTP receiver of events that fails in every way that receivers know.

What it has taken is what it acknowledged, or would have if the answer had not been lost.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from benchmarks.chaos.listening_ports import free_port
from benchmarks.chaos.records import SinkArrival, read_event

PATH: Final = "/events"
ELSEWHERE: Final = "/elsewhere"
"""Where a redirection points; what arrives there is not taken."""

HANG_S: Final = 120.0
DRIP_S: Final = 3.0
_RESET: Final = struct.pack("ii", 1, 0)


class _ReceiverServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Senders that hang up are no error here."""


class FailingReceiver:
    """Starts with `start`. `answer` may be changed at any time: a status, or a name of `WAYS`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer = str(HTTPStatus.NO_CONTENT.value)
        self.port = free_port()
        self.arrivals: list[SinkArrival] = []
        self.healing = threading.Event()
        self._taking = threading.Lock()
        self._server: _ReceiverServer | None = None

    @property
    def url(self) -> str:
        """Where it takes events."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def settings(self) -> dict[str, str]:
        """What stands under `sinks:` for it."""
        return {"url": self.url, "name": self.name}

    def start(self) -> None:
        """Listens, if it does not already."""
        if self._server is not None:
            return
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.handle(self)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = _ReceiverServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Closes its port; nothing is taken any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def fail(self, answer: str) -> None:
        """Answers like this from now on."""
        self.healing.clear()
        self.answer = answer

    def heal(self) -> None:
        """Takes everything again."""
        self.answer = str(HTTPStatus.NO_CONTENT.value)
        self.healing.set()

    def take(self, body: bytes) -> None:
        """Notes an event; a heartbeat is none."""
        event = read_event(body)
        if event is not None:
            with self._taking:
                self.arrivals.append(SinkArrival(event, time.time()))

    def handle(self, request: Any) -> None:  # noqa: ANN401 - a handler of this module
        """Answers one request as it is told to."""
        answer, length = self.answer, int(request.headers.get("Content-Length", 0))
        body = request.rfile.read(length)
        if len(body) < length or self._server is None:  # The sender died, or this one is down.
            request.close_connection = True
        elif request.path != PATH:
            _say(request, HTTPStatus.NO_CONTENT)
        elif answer in WAYS:
            WAYS[answer](self, request, body)
        else:
            status = int(answer)
            if status // 100 == HTTPStatus.OK // 100:
                self.take(body)
            _say(request, status)


def _say(request: Any, status: int, headers: Mapping[str, str] = {}) -> None:  # noqa: ANN401
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if status != HTTPStatus.NO_CONTENT:
        request.send_header("Content-Length", "0")
    request.end_headers()


def _redirect(_receiver: FailingReceiver, request: Any, _body: bytes) -> None:  # noqa: ANN401
    _say(request, HTTPStatus.TEMPORARY_REDIRECT, {"Location": ELSEWHERE})


def _hang(receiver: FailingReceiver, request: Any, _body: bytes) -> None:  # noqa: ANN401
    receiver.healing.wait(HANG_S)
    _reset(receiver, request, _body)


def _drip(receiver: FailingReceiver, request: Any, _body: bytes) -> None:  # noqa: ANN401
    """A refusal that never gets to its end."""
    with contextlib.suppress(OSError):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Slow: ")
        while not receiver.healing.wait(DRIP_S):
            request.wfile.write(b"x")
    _reset(receiver, request, _body)


def _reset(_receiver: FailingReceiver, request: Any, _body: bytes) -> None:  # noqa: ANN401
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    request.close_connection = True


def _lose_answer(receiver: FailingReceiver, request: Any, body: bytes) -> None:  # noqa: ANN401
    receiver.take(body)
    _reset(receiver, request, body)


WAYS: Final[Mapping[str, Callable[[FailingReceiver, Any, bytes], None]]] = {
    "redirect": _redirect,
    "hang": _hang,
    "drip": _drip,
    "reset": _reset,
    "lose answer": _lose_answer,
}
"""Ways to fail beside a status, by name."""
