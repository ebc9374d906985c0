"""A file of the catalogue arrives whole and right, or not at all, whatever the server does."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model_tools.catalogue import CatalogueEntry, Download
from models import DownloadError

CONTENT = bytes(range(256)) * 1200
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each request with the next of `answers`, and from then on with the last one."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [whole]
        self.ranges: list[str | None] = []
        self.over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.ranges.append(self.headers["Range"])
                number = min(len(server.ranges), len(server.answers)) - 1
                server.answers[number](self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/models/net.onnx"

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def entry(server: Server, **changes: object) -> CatalogueEntry:
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT, usedforsecurity=False).hexdigest()
    facts = {
        "name": "net", "file": "net.onnx", "address": server.address, "blob": blob,
        "size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "licence": "MIT",
        "head": "yolox", "good_for": "tests",
    }  # fmt: skip
    return CatalogueEntry.model_validate({**facts, **changes})


def fetched(server: Server, folder: Path, **changes: object) -> bytes:
    path = Download(entry(server, **changes), folder, silent_s=0.3, wait_s=0.01).file()
    assert path == folder / "net.onnx"
    return path.read_bytes()


def failed(server: Server, folder: Path, **changes: object) -> str:
    """Why nothing came of it; nothing has the file's name then."""
    with pytest.raises(DownloadError) as caught:
        fetched(server, folder, **changes)
    assert not (folder / "net.onnx").exists()
    assert str(caught.value).startswith("model net: ")
    return str(caught.value)


def answer(request: BaseHTTPRequestHandler, status: int, data: bytes, length: int) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(length))
    request.end_headers()
    request.wfile.write(data)


def whole(request: BaseHTTPRequestHandler) -> None:
    answer(request, 200, CONTENT, len(CONTENT))


def first_half(request: BaseHTTPRequestHandler) -> None:
    answer(request, 200, CONTENT[: len(CONTENT) // 2], len(CONTENT))


def rest(request: BaseHTTPRequestHandler) -> None:
    begin = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    answer(request, 206, CONTENT[begin:], len(CONTENT) - begin)


def without_end(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(CONTENT[:1000])


def altered(request: BaseHTTPRequestHandler) -> None:
    answer(request, 200, CONTENT[:-1] + b"!", len(CONTENT))


def longer(request: BaseHTTPRequestHandler) -> None:
    answer(request, 200, CONTENT + b"!", len(CONTENT) + 1)


def status(code: int) -> Answer:
    return lambda request: answer(request, code, b"", 0)


def redirect(location: str) -> Answer:
    def say(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", location)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return say


def test_a_file_is_downloaded_once(server, tmp_path):
    steps: list[int] = []
    Download(entry(server), tmp_path / "new", steps.append).file()
    assert steps == sorted(steps)
    assert steps[-1] == len(CONTENT)
    assert fetched(server, tmp_path / "new") == CONTENT
    assert len(server.ranges) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["net.onnx"]


def test_a_kept_file_that_is_not_right_is_downloaded_again(server, tmp_path):
    (tmp_path / "net.onnx").write_bytes(CONTENT[:-1])
    assert fetched(server, tmp_path) == CONTENT


def test_what_broke_off_goes_on_where_it_was(server, tmp_path):
    server.answers = [first_half, rest]
    assert fetched(server, tmp_path) == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_server_that_knows_no_ranges_begins_again(server, tmp_path):
    server.answers = [first_half, whole]
    assert fetched(server, tmp_path) == CONTENT


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_file_that_never_comes_to_its_end_is_none(server, tmp_path, size):
    server.answers = [first_half]
    assert "the connection broke off, 4 times" in failed(server, tmp_path, size=size)


def test_an_answer_without_a_length_is_known_to_be_short(server, tmp_path):
    server.answers = [without_end]
    assert f"it ended after 1000 of {len(CONTENT)} bytes" in failed(server, tmp_path)


def test_a_server_that_stalls_is_given_up_and_asked_again(server, tmp_path):
    def stall(request: BaseHTTPRequestHandler) -> None:
        answer(request, 200, CONTENT[:5000], len(CONTENT))
        server.over.wait(20.0)

    server.answers = [stall, rest]
    assert fetched(server, tmp_path) == CONTENT
    server.answers = [lambda _: server.over.wait(20.0)]
    (tmp_path / "net.onnx").unlink()
    began_s = time.monotonic()
    assert "the server falls silent, 4 times" in failed(server, tmp_path)
    assert time.monotonic() - began_s < 15.0


@pytest.mark.parametrize("known", [{}, {"sha256": None, "size": None}])
def test_a_file_that_was_altered_is_refused_and_not_kept(server, tmp_path, known):
    server.answers = [altered]
    text = failed(server, tmp_path, **known)
    assert "is not the file of the catalogue: it should have" in text
    assert list(tmp_path.iterdir()) == []
    server.answers = [whole]
    assert fetched(server, tmp_path) == CONTENT


def test_a_file_that_is_too_long_is_not_read_to_its_end(server, tmp_path):
    server.answers = [longer]
    assert f"it is longer than {len(CONTENT)} bytes" in failed(server, tmp_path)


@pytest.mark.parametrize("code", [404, 403, 410])
def test_a_file_that_is_not_there_is_asked_for_once(server, tmp_path, code):
    server.answers = [status(code)]
    assert f"it answers {code}" in failed(server, tmp_path)
    assert len(server.ranges) == 1


def test_a_server_that_has_trouble_is_asked_again(server, tmp_path):
    server.answers = [status(503), status(429), whole]
    assert fetched(server, tmp_path) == CONTENT


def test_redirects_are_followed_for_a_while(server, tmp_path):
    server.answers = [redirect("/elsewhere"), redirect(server.address), whole]
    assert fetched(server, tmp_path) == CONTENT
    server.answers = [redirect("/again")]
    (tmp_path / "net.onnx").unlink()
    assert "it is redirected more than 5 times" in failed(server, tmp_path)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://", ""])
def test_a_redirect_to_something_else_is_refused(server, tmp_path, location):
    server.answers = [redirect(location)]
    assert "it is redirected" in failed(server, tmp_path)


def test_an_encrypted_address_is_never_left_for_an_open_one(server, tmp_path, monkeypatch):
    download = Download(entry(server, address="https://models.example/net.onnx"), tmp_path)

    class Redirecting:
        status = 302

        def __init__(self, *_: object, **__: object) -> None:
            self.headers = {"Location": server.address}

        def close(self) -> None:
            pass

    pool = type("Pool", (), {"request": Redirecting})
    monkeypatch.setattr(download, "_pool", pool())
    with pytest.raises(DownloadError, match="which is not taken"):
        download.file()
    assert server.ranges == []


def test_a_server_that_is_not_there_is_said(server, tmp_path):
    server.close()
    assert "the server refuses the connection, 4 times" in failed(server, tmp_path)


def test_a_folder_that_cannot_be_written_is_said(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot be written: Not a directory"):
        Download(entry(server), tmp_path / "file" / "folder").file()
