"""The gate: what reaches an application, in which order it is refused, and what a body may cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.access import (
    AccessGate,
    AccessPolicy,
    RouteRule,
    RouteTable,
    Scope,
    TokenFile,
    gate,
    known_hosts,
    request_body,
)
from tests.pipelines.access.tokens import credentials

JSON = frozenset({"application/json"})
ROUTES = RouteTable(
    (
        RouteRule("GET", "/healthz", None),
        RouteRule("POST", "/login", None),
        RouteRule("GET", "/cameras/{camera}", Scope.VIEWER),
        RouteRule("GET", "/files/{key:path}", Scope.VIEWER),
        RouteRule("POST", "/change", Scope.ENGINEER, JSON, 1000, 0.3),
        RouteRule("WEBSOCKET", "/live", Scope.VIEWER),
    )
)


@dataclass
class Reached:
    """An application that reads what it gets and answers 200."""

    bodies: list[bytes] = field(default_factory=list)
    sockets: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            self.sockets += 1
            await send({"type": "websocket.accept"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the caller has gone")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"reached"})


@dataclass
class Server:
    app: Reached
    gate: AccessGate
    shown: dict[Scope, str]
    refused: dict[str, str | None]

    def ask(
        self,
        method: str,
        path: str,
        shown: str | None,
        pieces: Sequence[bytes] = (),
        wait_s: float = 0.0,
        **headers: Any,
    ) -> tuple[int, dict[str, str], bytes]:
        return asyncio.run(self._ask(method, path, shown, pieces, wait_s, headers))

    async def _ask(
        self,
        method: str,
        path: str,
        shown: str | None,
        pieces: Sequence[bytes],
        wait_s: float,
        headers: dict[str, str],
    ) -> tuple[int, dict[str, str], bytes]:
        given = {"host": "localhost:8500"} | ({"authorization": shown} if shown else {})
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = [(k.encode(), v.encode("latin-1")) for k, v in given.items()]
        kind = "websocket" if method == "WEBSOCKET" else "http"
        scope = {"type": kind, "method": method, "path": path, "headers": raw}
        left, sent = list(pieces), []

        async def receive() -> dict[str, Any]:
            if kind == "websocket":
                return {"type": "websocket.connect"}
            await asyncio.sleep(wait_s)
            body = left.pop(0) if left else b""
            return {"type": "http.request", "body": body, "more_body": bool(left)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.gate(scope, receive, send)
        if kind == "websocket":
            return (101 if sent[0]["type"] == "websocket.accept" else 403), {}, b""
        start, *rest = sent
        names = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return start["status"], names, b"".join(one.get("body", b"") for one in rest)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    tokens = TokenFile(tmp_path / "access")
    tokens.prepare()
    made = credentials(tokens)
    app = Reached()
    policy = AccessPolicy(
        ROUTES, tokens, known_hosts("127.0.0.1", ["eye.city.example"]), cookie="session",
        login_page=lambda *said: f"<form {said}>", held_bytes=1500,
    )  # fmt: skip
    return Server(app, AccessGate(app, policy), made.valid, made.refused)


def test_what_nobody_declared_is_refused_to_everybody(server: Server) -> None:
    for method, path in (("GET", "/new"), ("DELETE", "/cameras/a"), ("GET", "/cameras/a/b")):
        assert server.ask(method, path, None)[0] == 401
        assert server.ask(method, path, server.shown[Scope.ADMIN])[0] == 403
    assert server.ask("WEBSOCKET", "/cameras/a", server.shown[Scope.ADMIN])[0] == 403
    assert server.app.bodies == []


def test_an_open_route_needs_neither_token_nor_name(server: Server) -> None:
    assert server.ask("GET", "/healthz", None, host="10.1.2.3:8500")[0] == 200
    assert server.ask("POST", "/login", None, host="10.1.2.3:8500")[0] == 421


def test_a_path_parameter_may_hold_slashes_only_where_it_says_so(server: Server) -> None:
    viewer = server.shown[Scope.VIEWER]
    assert server.ask("GET", "/files/a/b.jpg", viewer)[0] == 200
    assert server.ask("GET", "/files/", viewer)[0] == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8500", 200),
        ("EYE.city.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("", 421),
        ("localhost/", 421),
        ("[::1", 421),
    ],
)
def test_the_server_answers_to_its_own_names(server: Server, host: str, status: int) -> None:
    assert server.ask("GET", "/cameras/a", server.shown[Scope.VIEWER], host=host)[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:8500"}, 200),
        ({"origin": "https://localhost:8500"}, 200),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"origin": "http://localhost:8501"}, 403),
        ({"origin": "http://localhost"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "file://localhost:8500"}, 403),
        ({"origin": "http://localhost:8500@evil.example"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
    ],
)
def test_pages_of_other_sites_change_nothing(
    server: Server, headers: dict[str, Any], status: int
) -> None:
    engineer = server.shown[Scope.ENGINEER]
    answer = server.ask("POST", "/change", engineer, content_type="application/json", **headers)
    assert answer[0] == status
    assert len(server.app.bodies) == (status == 200)
    expected = 101 if status == 200 else 403
    assert server.ask("WEBSOCKET", "/live", server.shown[Scope.VIEWER], **headers)[0] == expected


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json; charset=utf-8", 200), ("text/plain", 415), ("", 415)],
)
def test_a_body_has_the_declared_type(server: Server, content_type: str, status: int) -> None:
    engineer = server.shown[Scope.ENGINEER]
    assert server.ask("POST", "/change", engineer, content_type=content_type)[0] == status


def test_a_body_is_counted_while_it_arrives(server: Server) -> None:
    engineer, json_type = server.shown[Scope.ENGINEER], "application/json"
    exact, more = [b"x" * 500] * 2, [b"x" * 500, b"x" * 501]
    assert server.ask("POST", "/change", engineer, exact, content_type=json_type)[0] == 200
    status, headers, body = server.ask("POST", "/change", engineer, more, content_type=json_type)
    assert (status, headers["connection"]) == (413, "close")
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["type"]) == (413, "about:blank")
    assert "1000 bytes" in problem["detail"]
    announced: dict[str, Any] = {"content_type": json_type, "content_length": "1001"}
    assert server.ask("POST", "/change", engineer, more, **announced)[0] == 413
    assert len(server.app.bodies) == 1


def test_a_slow_body_is_ended(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "DRAIN_S", 0.05)
    engineer = server.shown[Scope.ENGINEER]
    slow: dict[str, Any] = {
        "pieces": [b"x"] * 50,
        "wait_s": 0.02,
        "content_type": "application/json",
    }
    assert server.ask("POST", "/change", engineer, **slow)[0] == 408


def test_bodies_that_arrive_at_once_are_bounded_together(server: Server) -> None:
    async def four() -> list[int]:
        asking = [
            server._ask(
                "POST", "/change", server.shown[Scope.ENGINEER], [b"x" * 400] * 2, 0.01,
                {"content-type": "application/json"},
            )
            for _ in range(4)
        ]  # fmt: skip
        return [answer[0] for answer in await asyncio.gather(*asking)]

    # What has ended counts no more.
    for _ in range(3):
        assert set(asyncio.run(four())) == {200, 503}


def test_a_cookie_counts_where_there_is_no_header(server: Server) -> None:
    token = server.shown[Scope.VIEWER].removeprefix("Bearer ")
    assert server.ask("GET", "/cameras/a", None, cookie=f"a=b; session={token}")[0] == 200
    assert server.ask("GET", "/cameras/a", "Basic x", cookie=f"session={token}")[0] == 401
    assert server.ask("GET", "/cameras/a", None, cookie=f"other={token}")[0] == 401


def test_a_browser_that_is_not_known_gets_the_login(server: Server) -> None:
    asked: Any = {"accept": "text/html,*/*", "accept_language": "zh", "cookie": "a=b"}
    status, headers, body = server.ask("GET", "/cameras/a", None, **asked)
    assert (status, body) == (401, b"<form ('zh', 'a=b', '/cameras/a')>")
    assert headers["content-type"].startswith("text/html")
    assert json.loads(server.ask("GET", "/", None, accept="*/*")[2])


def test_every_answer_tells_browsers_what_to_refuse(server: Server) -> None:
    for shown in (None, server.shown[Scope.VIEWER]):
        headers = server.ask("GET", "/cameras/a", shown)[1]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_no_refusal_repeats_what_was_sent(server: Server) -> None:
    secret = "hunter2-canary"
    for shown in (None, f"Bearer {secret}", server.shown[Scope.ADMIN]):
        answer = server.ask(
            "POST", f"/{secret}", shown, [secret.encode()], content_type=secret, origin=secret
        )
        assert secret not in str(answer)


def test_a_websocket_ends_with_its_token(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "WEBSOCKET_CHECK_S", -1.0)
    sent: list[str] = []

    async def live(scope: Any, receive: Any, send: Any) -> None:
        scope["path"] = "/"  # as applications do that are mounted below a path
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "one"})
        TokenFile(tmp_path / "access").revoke("viewer")
        await send({"type": "websocket.send", "text": "two"})
        await send({"type": "websocket.send", "text": "three"})

    async def send(message: Any) -> None:
        sent.append(message["type"])

    tokens = TokenFile(tmp_path / "access")
    shown = server.shown[Scope.VIEWER].encode()
    headers = [(b"host", b"localhost"), (b"authorization", shown)]
    scope = {"type": "websocket", "path": "/live", "headers": headers}
    policy = AccessPolicy(ROUTES, tokens, known_hosts("127.0.0.1"))
    asyncio.run(AccessGate(live, policy)(scope, live, send))  # type: ignore[arg-type]
    assert sent == ["websocket.accept", "websocket.send", "websocket.close"]


def test_tokens_that_cannot_be_read_let_nobody_in(server: Server, tmp_path: Path) -> None:
    (tmp_path / "access" / "tokens.json").chmod(0o644)
    policy = AccessPolicy(ROUTES, TokenFile(tmp_path / "access"), known_hosts("127.0.0.1"))
    server.gate = AccessGate(server.app, policy)
    for _ in range(2):
        assert server.ask("GET", "/cameras/a", server.shown[Scope.VIEWER])[0] == 503
    assert server.app.bodies == []
