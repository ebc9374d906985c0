"""Connections that say nothing, or say it slowly, keep nobody out of a real server."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import urllib3
import uvicorn

from pipelines.access import guarded_protocol

pytestmark = pytest.mark.slow

ANSWER = b"x" * (16 * 1024 * 1024)
HEAD = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    body = ANSWER if scope["path"] == "/large" else b"here"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(**limits: float) -> Iterator[int]:
    """A server with these limits, in a thread; gives its port."""
    protocol: Any = guarded_protocol(**limits)  # type: ignore[arg-type]
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(
        application, http=protocol, lifespan="off", log_config=None, log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(10)
        listener.close()


def answers(port: int) -> bool:
    with urllib3.PoolManager(timeout=5, retries=False) as http:
        return http.request("GET", f"http://127.0.0.1:{port}/").data == b"here"


def connected(stack: ExitStack, port: int) -> socket.socket:
    one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
    return one


def is_ended(one: socket.socket, within_s: float) -> bool:
    """Whether the server ends a connection in time."""
    one.settimeout(within_s)
    try:
        while one.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize(
    "begun",
    [b"", HEAD % b"", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"],
    ids=["nothing", "half a head", "a head without its body"],
)
def test_more_slow_connections_than_there_is_room_for_keep_nobody_out(begun: bytes) -> None:
    with serving(connections_max=40, per_address_max=30) as port, ExitStack() as stack:
        silent = []
        for _ in range(120):
            silent.append(connected(stack, port))
            with contextlib.suppress(ConnectionError):
                silent[-1].sendall(begun)
        assert answers(port)
        ended = sum(is_ended(one, 0.01) for one in silent)
        assert ended >= 90


def test_a_head_that_drips_is_ended() -> None:
    with serving(head_s=0.5) as port, ExitStack() as stack:
        one = connected(stack, port)
        begun_s = time.monotonic()
        ended = False
        while not ended and time.monotonic() - begun_s < 10:
            try:
                one.sendall(b"G")
            except ConnectionError:
                ended = True
            ended = ended or is_ended(one, 0.05)
        assert ended
        assert answers(port)


def test_a_second_head_that_drips_is_ended_too() -> None:
    with serving(head_s=0.5) as port, ExitStack() as stack:
        one = connected(stack, port)
        one.sendall(HEAD % b"" + b"\r\n")
        assert one.recv(65536).startswith(b"HTTP/1.1 200")
        one.sendall(b"GET / HT")
        assert is_ended(one, 5.0)


def test_a_reader_that_stops_reading_is_ended() -> None:
    with serving(read_s=0.5) as port, ExitStack() as stack:
        one = connected(stack, port)
        one.sendall(HEAD % b"large" + b"\r\n")
        time.sleep(1.5)
        read = 0
        with contextlib.suppress(ConnectionError):
            while piece := one.recv(1024 * 1024):
                read += len(piece)
        assert read < len(ANSWER)


def test_a_reader_that_reads_gets_everything() -> None:
    with serving(read_s=0.5) as port, urllib3.PoolManager(timeout=30) as http:
        assert http.request("GET", f"http://127.0.0.1:{port}/large").data == ANSWER


def test_a_connection_that_is_used_again_and_again_stays() -> None:
    with serving(head_s=0.3, connections_max=4, per_address_max=2) as port, ExitStack() as stack:
        one = connected(stack, port)
        for _ in range(4):
            one.sendall(HEAD % b"" + b"\r\n")
            assert b"here" in one.recv(65536)
            time.sleep(0.15)


def test_six_hundred_slow_connections_do_not_silence_a_server() -> None:
    with serving() as port, ExitStack() as stack:
        slow = [connected(stack, port) for _ in range(600)]
        for one in slow:
            with contextlib.suppress(ConnectionError):
                one.sendall(HEAD % b"")
        for _ in range(20):
            assert answers(port)
