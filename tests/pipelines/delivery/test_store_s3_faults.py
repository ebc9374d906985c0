"""An S3 store that is not well costs a bounded wait, says what is wrong, and gives nothing away."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipelines.delivery.stores.s3 import S3Bucket, S3Settings, S3Store
from pipelines.errors import StoreRefused, StoreUnavailable

SECRET = "the-secret-key-of-the-store"
DATA = b"image"
DIGEST = hashlib.sha256(DATA).hexdigest()


def settings(endpoint: str, read_timeout_s: float = 0.3) -> S3Settings:
    return S3Settings(
        endpoint=endpoint,
        bucket="keyframes",
        access_key="camera-worker",
        secret_key=SECRET,
        secure=False,
        create_bucket=False,
        connect_timeout_s=0.3,
        read_timeout_s=read_timeout_s,
    )


def changed(settings: S3Settings, **update: Any) -> S3Settings:
    return S3Settings.model_validate(dict(settings) | update)


def put(store: S3Store) -> None:
    store.put("kf/a.jpg", DATA, DIGEST, "image/jpeg")


@contextmanager
def answering(
    reply: Callable[[BaseHTTPRequestHandler], None], *, reads: bool = True
) -> Iterator[tuple[str, list[str]]]:
    """A server that gives every request the same reply; what was asked is written down."""
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            asked.append(f"{self.command} {self.path}")
            if reads:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply(self)

        do_GET = do_HEAD = do_PUT = reply

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def status(
    code: int, body: bytes = b"", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    return reply


def test_a_closed_port_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(StoreUnavailable, match="does not answer"):
        put(S3Store(settings(f"127.0.0.1:{port}")))


def test_a_store_that_accepts_and_never_answers_costs_two_timeouts():
    with socket.create_server(("127.0.0.1", 0)) as hole:
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            put(S3Store(settings(f"127.0.0.1:{hole.getsockname()[1]}")))
        # One call, one retry; the library's own would have taken 25 minutes.
        assert time.monotonic() - began_s < 10.0


@pytest.mark.parametrize("code", [500, 502, 503])
@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"<html>bad gateway</html>", "text/html"),
        (b"<Error><Code>SlowDown</Code></Error>", "application/xml"),
        (b"<Error><Co", "application/xml"),
        (b"", "application/xml"),
    ],
)
def test_a_store_that_is_not_well_is_unavailable(code, body, media):
    with (
        answering(status(code, body, Content_Type=media)) as (endpoint, _),
        pytest.raises(StoreUnavailable),
    ):
        put(S3Store(settings(endpoint)))


def test_a_store_that_answers_no_is_refused():
    body = b"<Error><Code>InvalidAccessKeyId</Code><Message>who?</Message></Error>"
    with (
        answering(status(403, body, Content_Type="application/xml")) as (endpoint, _),
        pytest.raises(StoreRefused, match="InvalidAccessKeyId: check"),
    ):
        put(S3Store(settings(endpoint)))


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(code):
    with answering(status(200)) as (elsewhere, asked_elsewhere):
        reply = status(code, Location=f"http://{elsewhere}/", Content_Type="application/xml")
        with (
            answering(reply) as (endpoint, _),
            pytest.raises((StoreUnavailable, StoreRefused)),
        ):
            put(S3Store(settings(endpoint)))
        assert asked_elsewhere == []


def test_a_store_that_kept_something_else_is_not_believed():
    def forgetful(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("ETag", '"00000000000000000000000000000000"')
        request.send_header("Last-Modified", "Wed, 04 Mar 2026 05:06:07 GMT")
        request.send_header("Content-Length", str(len(DATA)) if request.command == "HEAD" else "0")
        request.end_headers()

    with (
        answering(forgetful) as (endpoint, asked),
        pytest.raises(StoreUnavailable, match="not what was sent"),
    ):
        put(S3Store(settings(endpoint)))
    assert asked == ["PUT /keyframes/kf/a.jpg", "HEAD /keyframes/kf/a.jpg"]


def slow_reader(pause_s: float) -> Callable[[BaseHTTPRequestHandler], None]:
    """Takes a body in small bites, as a narrow uplink does, and keeps it."""
    kept: dict[str, bytes] = {}

    def reply(request: BaseHTTPRequestHandler) -> None:
        if request.command == "PUT":
            body = b""
            while missing := int(request.headers["Content-Length"]) - len(body):
                body += request.rfile.read(min(missing, 2**16))
                time.sleep(pause_s)
            kept[request.path] = body
        body = kept[request.path]
        request.send_response(200)
        request.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
        request.send_header("Last-Modified", "Wed, 04 Mar 2026 05:06:07 GMT")
        request.send_header("Content-Length", "0" if request.command == "PUT" else str(len(body)))
        request.end_headers()

    return reply


def test_a_body_may_take_longer_than_any_wait_of_it():
    body = bytes(6 * 2**20)
    with answering(slow_reader(0.01), reads=False) as (endpoint, asked):
        S3Bucket(settings(endpoint, read_timeout_s=10)).put("kf/a.jpg", body, "image/jpeg")
    assert asked == ["PUT /keyframes/kf/a.jpg", "HEAD /keyframes/kf/a.jpg"]


def test_a_body_that_trickles_is_given_up():
    config = changed(settings("store", read_timeout_s=5), transfer_timeout_s=0.2)
    with (
        answering(slow_reader(0.05), reads=False) as (endpoint, _),
        pytest.raises(StoreUnavailable, match="does not answer"),
    ):
        S3Bucket(changed(config, endpoint=endpoint)).put("kf/a.jpg", bytes(2**24), "image/jpeg")


def test_an_answer_that_trickles_is_given_up():
    def trickle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                request.wfile.write(b"x")
                time.sleep(0.02)

    with answering(trickle) as (endpoint, _):
        store = S3Store(changed(settings(endpoint), transfer_timeout_s=0.3))
        with pytest.raises(StoreUnavailable, match="takes too long to arrive"):
            store.get("kf/a.jpg")


def test_an_answer_that_breaks_off_is_unavailable():
    def half(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "14")
        request.end_headers()
        request.wfile.write(b"image")
        request.close_connection = True

    with answering(half) as (endpoint, _), pytest.raises(StoreUnavailable):
        S3Store(settings(endpoint)).get("kf/a.jpg")


def test_rights_to_objects_alone_are_enough():
    def strict(request: BaseHTTPRequestHandler) -> None:
        if request.path.count("/") == 1 or request.path.endswith("/"):
            status(403, Content_Type="application/xml")(request)
            return
        kept = hashlib.md5(DATA).hexdigest()
        request.send_response(200)
        request.send_header("ETag", f'"{kept}"')
        request.send_header("Last-Modified", "Wed, 04 Mar 2026 05:06:07 GMT")
        request.send_header("Content-Length", str(len(DATA)) if request.command == "HEAD" else "0")
        request.end_headers()

    with answering(strict) as (endpoint, asked):
        store = S3Store(changed(settings(endpoint), create_bucket=True))
        put(store)
        put(store)
    assert asked == [
        "HEAD /keyframes",
        *["PUT /keyframes/kf/a.jpg", "HEAD /keyframes/kf/a.jpg"] * 2,
    ]


def test_the_secret_is_nowhere_to_be_read():
    config = settings("127.0.0.1:9")
    store = S3Store(config)
    with pytest.raises(StoreUnavailable) as caught:
        put(store)
    assert SECRET not in f"{config} {config!r} {store} {store!r} {caught.value} {caught.value!r}"


@pytest.mark.parametrize(
    ("endpoint", "bucket"),
    [
        ("ftp://store:9000", "keyframes"),
        ("", "keyframes"),
        ("http://store:9000/path", "keyframes"),
        ("user:password@store:9000", "keyframes"),
        ("store:9000", "Keyframes"),
        ("store:9000", "kf"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(endpoint, bucket):
    config = {"endpoint": endpoint, "bucket": bucket, "access_key": "key", "secret_key": SECRET}
    with pytest.raises(ValueError, match=r"endpoint|bucket") as caught:
        S3Settings.model_validate(config)
    assert "password" not in str(caught.value)


def test_the_scheme_of_a_url_decides_about_tls():
    with answering(status(404)) as (address, asked):
        config = changed(settings(f"http://{address}/"), secure=True)
        assert not S3Store(config).exists("kf/a.jpg")
        assert asked == ["HEAD /keyframes/kf/a.jpg"]
        with pytest.raises(StoreUnavailable, match="SSLError"):
            S3Store(changed(settings(f"https://{address}"), secure=False)).exists("kf/a.jpg")
