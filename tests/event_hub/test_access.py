"""Who gets what from a real hub: routes by credentials, browsers, bombs and slow callers."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from event_hub.access import BATCH, COOKIE, ROUTES, SINGLE
from event_hub.application import build_app
from event_hub.keyframes import FolderKeyframes
from event_hub.settings import HubSettings
from pipelines.access import Scope, TokenFile
from tests.event_hub.conftest import Client, StartHub, running
from tests.event_hub.process import hub_process
from tests.event_hub.samples import dump, incident
from tests.pipelines.access.tokens import Credentials, credentials, needed_scope
from tests.processes import peak_mib, reset_peak

METHODS = {"get", "post", "put", "patch", "delete"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def description_of(app: FastAPI) -> dict[str, Any]:
    """The description of a hub that is closed again."""

    async def described() -> dict[str, Any]:
        async with app.router.lifespan_context(app):
            return app.openapi()

    return asyncio.run(described())


def described_routes(folder: Path) -> list[tuple[str, str]]:
    """Every method and path of the hub's description, with the login."""
    settings = HubSettings(
        database=f"sqlite:///{folder}/described.db", console=False, access=folder / "described"
    )
    paths = description_of(build_app(settings, FolderKeyframes(folder)))["paths"]
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, operations in paths.items()
        for method in operations
        if method in METHODS
    ]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Credentials, Path]]:
    folder = tmp_path_factory.mktemp("guarded")
    with running(folder) as start:
        client = start()
        yield client, credentials(TokenFile(folder / "access")), folder


def ask(client: Client, method: str, path: str, shown: str | None, **headers: str) -> int:
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=20)
    given = {"Content-Type": SINGLE} | headers
    if shown is not None:
        given["Authorization"] = shown
    body = b"{}" if method == "POST" else None
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in given.items()})
    status = connection.getresponse().status
    connection.close()
    return status


def test_every_route_by_every_credential(guarded: tuple[Client, Credentials, Path]) -> None:
    client, made, folder = guarded
    routes = described_routes(folder)
    assert len(routes) > 6
    wrong = []
    for method, path in routes:
        for name, shown, expected in made.cases(needed_scope(ROUTES, method, path)):
            status = ask(client, method, path, shown)
            # The ways in are open, and refuse what lets nobody in.
            way_in = path in ("/enter", "/login") and status == 401
            good = way_in or (status not in (401, 403) and status < 500)
            if not (good if expected == 0 else status == expected):
                wrong.append((method, path, name, status, expected))
    assert wrong == []


@pytest.mark.parametrize("path", ["/", "/docs", "/_nicegui_ws/socket.io/", "/api/none", "//health"])
def test_what_is_not_described_is_closed_too(
    guarded: tuple[Client, Credentials, Path], path: str
) -> None:
    client, made, _ = guarded
    assert ask(client, "GET", path, None) == 401
    assert ask(client, "GET", path, made.valid[Scope.SENDER]) == 403


def test_healthz_tells_nothing(guarded: tuple[Client, Credentials, Path]) -> None:
    client, _, _ = guarded
    answer = client.http.request("GET", f"{client.url}/healthz", headers={"Host": "10.0.0.9"})
    assert (answer.status, answer.data) == (200, b"")


def test_another_name_and_another_site_are_refused(
    guarded: tuple[Client, Credentials, Path],
) -> None:
    client, made, _ = guarded
    sender = made.valid[Scope.SENDER]
    assert ask(client, "POST", "/api/events", sender) == 422
    assert ask(client, "POST", "/api/events", sender, Host="evil.example") == 421
    assert ask(client, "POST", "/api/events", sender, Origin="https://evil.example") == 403
    assert ask(client, "POST", "/api/events", sender, Sec_Fetch_Site="cross-site") == 403


def test_a_hub_for_other_machines_wants_tls_or_a_word(tmp_path: Path) -> None:
    known: dict[str, Any] = {"access": tmp_path, "console": False, "host": "0.0.0.0"}
    with pytest.raises(ValueError, match=r"reached from other machines.*certificate"):
        HubSettings(**known)
    assert HubSettings(**known, without_tls=True)
    with pytest.raises(ValueError, match="both the certificate and its key"):
        HubSettings(**known, certificate=tmp_path)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, TokenFile]]:
    folder = tmp_path_factory.mktemp("console")
    with hub_process(folder) as process:
        yield process.client, TokenFile(folder / "access")


def visit(client: Client, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=20)
    connection.request("GET", path, headers={"Accept": "text/html"} | headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def log_in(client: Client, token: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=20)
    connection.request("POST", "/login", urlencode({"token": token}), FORM | headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def cookie_of(answer: http.client.HTTPResponse) -> str:
    header = answer.headers["Set-Cookie"]
    assert header.startswith(f"{COOKIE}=cye_")
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in header.split(";")}
    return header.partition(";")[0]


@pytest.mark.integration
def test_a_link_opens_the_console_once(console: tuple[Client, TokenFile]) -> None:
    client, tokens = console
    assert visit(client, "/").status == 401
    link = tokens.issue("link", Scope.OPERATOR, timedelta(minutes=5), once=True)
    entered = visit(client, f"/enter?token={link}")
    assert (entered.status, entered.headers["Referrer-Policy"]) == (200, "no-referrer")
    cookie = cookie_of(entered)
    page = visit(client, "/", Cookie=cookie)
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    for rule in ("default-src 'self'", "object-src 'none'", "base-uri 'self'"):
        assert rule in policy
    assert "frame-ancestors 'none'" in policy
    assert visit(client, f"/enter?token={link}").status == 401
    assert visit(client, "/enter?token=nonsense").status == 401


@pytest.mark.integration
def test_a_pasted_token_opens_the_console_until_it_is_revoked(
    console: tuple[Client, TokenFile],
) -> None:
    client, tokens = console
    assert log_in(client, "nonsense").status == 401
    guest = tokens.issue("guest", Scope.VIEWER)
    assert log_in(client, guest, Origin="https://evil.example").status == 403
    answer = log_in(client, f" {guest} ")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = cookie_of(answer)
    assert visit(client, "/", Cookie=cookie).status == 200
    tokens.revoke("guest")
    assert visit(client, "/", Cookie=cookie).status == 401


@pytest.mark.integration
def test_the_connection_of_the_page_needs_the_session_and_its_own_page(
    console: tuple[Client, TokenFile],
) -> None:
    client, tokens = console
    cookie = cookie_of(log_in(client, tokens.first()))
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    own = {"Origin": client.url}
    assert visit(client, path, **upgrade, **own).status == 403
    assert (
        visit(client, path, **upgrade, Cookie=cookie, Origin="https://evil.example").status == 403
    )
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=20)
    connection.request("GET", path, headers=upgrade | own | {"Cookie": cookie})
    assert connection.getresponse().status == 101
    connection.close()


def chunks(count: int) -> Iterator[bytes]:
    piece = b"x" * (1024 * 1024)
    return iter([piece] * count)


def send_chunks(client: Client, headers: dict[str, str], count: int) -> int:
    """The status of an answer to a body of many MiB; 0 where the connection ended before it."""
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=60)
    try:
        connection.request("POST", "/api/events", chunks(count), headers, encode_chunked=True)
        return connection.getresponse().status
    except ConnectionError:
        return 0
    finally:
        connection.close()


@pytest.mark.integration
@pytest.mark.slow
def test_huge_bodies_and_slow_callers_cost_nothing_and_keep_nobody_out(tmp_path: Path) -> None:
    with hub_process(tmp_path) as process, ExitStack() as stack:
        client = process.client
        assert client.post(incident("before")).status == 200
        before_mib = reset_peak(process.popen.pid)
        known = client.auth | {"Content-Type": BATCH}
        for headers in (known, {"Content-Type": BATCH}):
            assert send_chunks(client, headers, 300) in (413, 401, 0)
        port = int(client.url.rpartition(":")[2])
        authorised = "".join(f"{k}: {v}\r\n" for k, v in known.items())
        for number in range(600):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            head = f"POST /api/events HTTP/1.1\r\nHost: localhost\r\n{authorised}"
            waits = [b"POST", head.encode(), f"{head}Content-Length: 900\r\n\r\n".encode()]
            with contextlib.suppress(ConnectionError):
                slow.sendall(waits[number % 3])
        for number in range(20):
            assert client.post(incident(f"during-{number}")).status == 200
        assert peak_mib(process.popen.pid) - before_mib < 48


def test_a_declared_length_that_is_too_long_is_refused_at_once(start_hub: StartHub) -> None:
    hub = start_hub()
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/api/events")
    for name, value in (hub.auth | {"Content-Type": SINGLE, "Content-Length": str(2**40)}).items():
        connection.putheader(name, value)
    connection.endheaders(dump(incident()))
    assert connection.getresponse().status == 413
    connection.close()
