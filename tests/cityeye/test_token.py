"""`cityeye token` and how other commands find the token that they need."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cityeye.access import CityNote, noted, tokens_of
from cityeye.cli import main
from pipelines.access import Scope, TokenFile


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenFile:
    """The tokens of a city that was started once; its file names another folder for its state."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("CITYEYE_TOKEN", "CITYEYE_TOKEN_FILE", "CITYEYE_API"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "city.yaml").write_text("state: kept\ncameras: []\n", encoding="utf-8")
    tokens = tokens_of(tmp_path / "kept")
    tokens.prepare()
    return tokens


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["token", *words]) == 0
    return capsys.readouterr().out.strip()


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 1
    return capsys.readouterr().err


def test_the_first_token_is_shown_for_a_file_or_a_folder(city: TokenFile, capsys) -> None:
    assert said(capsys, "show", "city.yaml") == city.first()
    assert said(capsys, "show", "--state", "kept") == city.first()
    assert "give either" in refused(capsys, "token", "show", "city.yaml", "--state", "kept")


def test_without_a_name_the_running_city_is_meant(city: TokenFile, tmp_path: Path, capsys) -> None:
    assert "there are no tokens in var/access" in refused(capsys, "token", "show")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with noted("http://127.0.0.1:8500", CityNote(str(city.folder)), environment):
        assert said(capsys, "show") == city.first()
    assert "there are no tokens" in refused(capsys, "token", "show")


def test_a_token_is_made_listed_and_revoked(city: TokenFile, capsys) -> None:
    text = said(capsys, "new", "gate-7", "city.yaml", "--scope", "sender", "--expires", "30d")
    known = city.check(text)
    assert known is not None
    assert (known.name, known.scope) == ("gate-7", Scope.SENDER)
    listed = said(capsys, "list", "city.yaml")
    assert known.id in listed
    assert "sender" in listed
    assert text not in listed
    assert "revoked: 1" in said(capsys, "revoke", known.id, "city.yaml")
    assert city.check(text) is None
    assert "there is no token" in refused(capsys, "token", "revoke", known.id, "city.yaml")


@pytest.mark.parametrize("expires", ["0d", "soon", "-1d", "30", "30w"])
def test_a_lifetime_that_means_nothing_is_refused(city: TokenFile, expires: str, capsys) -> None:
    words = ("token", "new", "a", "city.yaml", "--scope", "viewer", "--expires", expires)
    assert "write days, hours or minutes" in refused(capsys, *words)
    assert len(city.tokens()) == 1


class Api(BaseHTTPRequestHandler):
    """Notes who asks, and knows one token."""

    asked: list[str]
    token: str

    def do_GET(self) -> None:
        shown = self.headers["Authorization"]
        self.asked.append(shown)
        body = json.dumps({"detail": "said the server"}).encode()
        self.send_response(404 if shown == f"Bearer {self.token}" else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def api(city: TokenFile) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Known", (Api,), {"asked": asked, "token": city.first()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def rollout(capsys, api: str, *words: str) -> str:
    return refused(capsys, "models", "rollout", "traffic", "--api", api, *words)


def test_a_command_finds_the_token_of_the_city_on_its_machine(city, api, tmp_path, capsys) -> None:
    url, asked = api
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert "no city of this user answers" in rollout(capsys, url)
    assert asked == []
    with noted(url, CityNote(str(city.folder)), environment):
        assert "said the server" in rollout(capsys, url)
        assert "said the server" in rollout(capsys, url.replace("127.0.0.1", "localhost"))
    assert set(asked) == {f"Bearer {city.first()}"}


def test_a_token_may_come_from_a_file_or_the_environment(
    city, api, tmp_path, capsys, monkeypatch
) -> None:
    url, asked = api
    (tmp_path / "mine").write_text(f"{city.first()}\n", encoding="ascii")
    assert "said the server" in rollout(capsys, url, "--token-file", "mine")
    assert "cannot be read" in rollout(capsys, url, "--token-file", "nowhere")
    for text in ("", "two hunter2", "one\nhunter2", "hunter2\u00e9"):
        (tmp_path / "mine").write_text(text, encoding="utf-8")
        says = rollout(capsys, url, "--token-file", "mine")
        assert "holds no token" in says
        assert "hunter2" not in says
    monkeypatch.setenv("CITYEYE_TOKEN", "cye_wrong_hunter2")
    says = rollout(capsys, url)
    assert "does not know this token" in says
    assert "hunter2" not in says
    assert asked[-1] == "Bearer cye_wrong_hunter2"
