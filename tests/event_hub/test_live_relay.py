"""Live streams through the hub: one source however many watch, ended with the right to watch."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from event_hub import ControlSettings
from pipelines.access import Scope, TokenFile
from tests.event_hub.conftest import Client
from tests.event_hub.stand_in import serving

LIVE = "/api/cameras/Xinjin/gate/live"


class Camera(ThreadingHTTPServer):
    """A control API whose cameras send a part every 50 ms, and that counts its streams."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Stream)
        self.asked: list[str] = []
        self.open = 0
        self.status = 200
        self.length = b"Content-Length: 7\r\n"
        self.ends_after = 10_000


class _Stream(BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        self.server.open += 1
        try:
            for number in itertools.islice(itertools.count(), self.server.ends_after):
                head = b"--frame\r\n" + self.server.length + b"CityEye-Frame: %d\r\n\r\n" % number
                # In pieces, as a network has them.
                self.wfile.write(head[:9])
                self.wfile.flush()
                self.wfile.write(head[9:] + b"%07d\r\n" % number)
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass
        finally:
            self.server.open -= 1

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def camera() -> Iterator[Camera]:
    with serving(Camera()) as server:
        yield server


@pytest.fixture
def hub(start_hub, camera) -> Client:
    url = f"http://127.0.0.1:{camera.server_port}"
    return start_hub(control=ControlSettings(url=url, token=SecretStr("own"), city="Xinjin"))


@contextmanager
def watching(hub: Client, query: str = "", token: str = "") -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=10)
    headers = {"Authorization": f"Bearer {token}"} if token else hub.auth
    connection.request("GET", LIVE + query, headers=headers)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_part_arrives_whole_with_its_headers(hub, camera):
    with watching(hub, "?boxes=1&width=320&fps=2") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        assert answer.headers["Cache-Control"] == "no-store"
        parts = answer.read(400).split(b"--frame\r\n")[1:-1]
    for part in parts:
        head, _, body = part.partition(b"\r\n\r\n")
        number = int(head.rpartition(b" ")[2])
        assert body == b"%07d\r\n" % number
    path = "/cameras/gate/live?fps=2.0&width=320&boxes=true&places=false"
    assert camera.asked == [path]


def test_however_many_watch_the_city_sends_it_once_and_not_longer_than_somebody_does(hub, camera):
    with watching(hub) as one:
        one.read(60)
        with watching(hub) as two, watching(hub) as three:
            assert two.read(60)
            assert three.read(60)
            assert len(camera.asked) == 1
        one.read(60)
        with watching(hub, "?boxes=1") as other:
            assert other.read(60)
            assert camera.open == 2
    assert eventually(lambda: camera.open == 0)
    with watching(hub) as again:
        assert again.read(60)
    assert len(camera.asked) == 3


def test_it_goes_on_where_the_control_api_ends_its_stream(hub, camera):
    camera.ends_after = 3
    with watching(hub) as answer:
        assert answer.read(600).count(b"CityEye-Frame: 0") >= 2
    assert len(camera.asked) >= 2


def test_it_ends_with_the_token_and_with_the_hub(hub, camera, tmp_path: Path):
    tokens = TokenFile(tmp_path / "access")
    token = tokens.issue("guest", Scope.VIEWER)
    with watching(hub, token=token) as answer:
        assert answer.read(60)
        tokens.revoke("guest")
        ended = threading.Thread(target=answer.read)
        ended.start()
        ended.join(8)
        assert not ended.is_alive()


@pytest.mark.parametrize(("status", "given"), [(404, 404), (503, 503), (403, 502), (500, 502)])
def test_what_the_control_api_has_against_it_is_said(hub, camera, status, given):
    camera.status, camera.ends_after = status, 0
    with watching(hub) as answer:
        assert answer.status == given
        assert b"gives no live stream" in answer.read()


def test_a_part_without_a_fit_length_ends_it(hub, camera):
    for length in (b"", b"Content-Length: 99999999999\r\n"):
        camera.length = length
        with watching(hub) as answer:
            assert b"0000000" not in answer.read()


def test_a_control_api_that_is_away_is_named(hub, camera):
    camera.shutdown()
    camera.server_close()
    with watching(hub) as answer:
        assert (answer.status, b"does not answer" in answer.read()) == (503, True)
