"""The control API is closed by default: its table, its gates, and what an image may cost."""

from __future__ import annotations

import asyncio
import pickle
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi import FastAPI, HTTPException, Response
from fastapi.testclient import TestClient
from uvicorn import config

from camera_adapters.geometry import Size, ViewSpec
from models.package import MAX_ONNX_BYTES
from pipelines.access import AccessGate, Scope, TokenFile, caller_of
from serving.api import access, image_body
from serving.api.access import ROUTES, ApiAccess, ApiGate, guard_proxy
from serving.api.control_api import api
from serving.api.image_header import image_size
from serving.errors import ServingError
from tests.pipelines.access.tokens import credentials, needed_scope
from tests.test_vocabulary import METHODS

READS = {"get"}
NOT_SENT = {"extensions", "app", "state"}
"""Of the test client, which Serve has not."""


def routes() -> list[tuple[str, str]]:
    """Every method and path of the description, with a value for each parameter."""
    return [
        (method, path.replace("{", "").replace("}", ""))
        for path, operations in api.openapi()["paths"].items()
        for method in operations
        if method in METHODS
    ]


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenFile:
    tokens = TokenFile(tmp_path / "access")
    tokens.prepare()
    settings = ApiAccess(tokens=tokens.folder, hosts=frozenset({"testserver"}))
    monkeypatch.setenv(access.VARIABLE, settings.model_dump_json())
    return tokens


def test_what_the_gate_of_the_proxy_passes_on_can_be_sent(
    tokens: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serve pickles the scope of a request for the process of the application."""
    monkeypatch.setattr(config, "HTTP_PROTOCOLS", dict(config.HTTP_PROTOCOLS))
    (middleware,) = guard_proxy()
    sent: list[Any] = []

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        own = {name: value for name, value in scope.items() if name not in NOT_SENT}
        sent.append(pickle.loads(pickle.dumps(own)))
        await Response()(scope, receive, send)

    gate: Any = middleware.cls
    client = TestClient(gate(proxy, **middleware.kwargs))
    shown = {"Authorization": f"Bearer {tokens.first()}"}
    assert client.get("/health", headers=shown).status_code == 200
    assert caller_of(sent[0]).name == "first"


def test_every_route_by_every_credential(tokens: TokenFile) -> None:
    app = FastAPI(openapi_url=None)

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def reached(path: str) -> str:
        return path

    app.add_middleware(ApiGate)
    client, made, wrong = TestClient(app), credentials(tokens), []
    found = routes()
    assert len(found) > 15
    for method, path in (*found, ("get", "/openapi.json"), ("get", "/-/routes")):
        needed = needed_scope(ROUTES, method.upper(), path)
        assert (needed is None) == (path in ("/healthz", "/schemas/name")), path
        assert needed is not Scope.VIEWER or method in READS, f"{method} {path} changes something"
        rule = ROUTES.find(method.upper(), path)
        assert rule is not None
        kind = {"Content-Type": next(iter(rule.media_types))} if rule.media_types else {}
        for name, shown, expected in made.cases(needed):
            headers = {"Authorization": shown.encode("latin-1")} if shown is not None else {}
            status = client.request(method, path, headers={**kind, **headers}).status_code  # type: ignore[dict-item]
            if status != (expected or 200):
                wrong.append((method, path, name, status, expected))
    assert wrong == []


def test_a_route_that_nobody_declared_is_closed_to_everybody(tokens: TokenFile) -> None:
    app = FastAPI()
    app.add_api_route("/new", lambda: "secret")
    app.add_middleware(ApiGate)
    headers = {"Authorization": f"Bearer {tokens.first()}"}
    assert TestClient(app).get("/new", headers=headers).status_code == 403


def test_the_application_itself_has_the_gate_outermost() -> None:
    outermost: Any = api.user_middleware[0].cls
    assert outermost is ApiGate
    assert {api.docs_url, api.redoc_url} == {None}


def test_without_settings_neither_gate_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(access.VARIABLE, raising=False)
    with pytest.raises(ServingError, match="tokens"):
        guard_proxy()
    app = FastAPI()
    app.add_api_route("/health", lambda: "secret")
    app.add_middleware(ApiGate)
    with pytest.raises(ServingError, match="tokens"):
        TestClient(app).get("/health")


def test_the_proxy_gets_the_gate_and_guarded_connections(
    tokens: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocols: dict[str, Any] = dict(config.HTTP_PROTOCOLS)
    monkeypatch.setattr(config, "HTTP_PROTOCOLS", protocols)
    assert tokens.first()
    (middleware,) = guard_proxy()
    gate: Any = middleware.cls
    assert gate is AccessGate
    assert isinstance(protocols["auto"], type)


def test_an_upload_may_be_as_large_as_a_network() -> None:
    assert access.MAX_UPLOAD_BYTES == MAX_ONNX_BYTES


def test_what_is_wrong_with_a_request_is_said_without_the_request(tokens: TokenFile) -> None:
    app = FastAPI(exception_handlers=dict(api.exception_handlers))

    @app.post("/models/{name}/rollout")
    def change(name: str, wanted: dict[str, int]) -> str:
        return f"{name} {wanted}"

    app.add_middleware(ApiGate)
    headers = {"Authorization": f"Bearer {tokens.first()}"}
    answer = TestClient(app).post(
        "/models/a/rollout", json={"canary": "hunter2-canary"}, headers=headers
    )
    assert answer.status_code == 422
    assert answer.json()["attribute"] == "canary"
    assert "hunter2" not in answer.text


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of one bit per pixel that is all black: 32000 x 32000 are 125 kB."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_size_is_read_from_the_header(suffix: str) -> None:
    image = np.zeros((48, 96, 3), np.uint8)
    for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]):
        encoded = cv2.imencode(suffix, image, options)[1].tobytes()
        assert image_size(encoded) == Size(96, 48)
        for end in range(0, 200, 7):
            image_size(encoded[:end])


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 400, b"GIF89a" * 9, b"BM" * 99],
)
def test_what_is_no_png_or_jpeg_has_no_size(data: bytes) -> None:
    assert image_size(data) is None


def test_a_small_file_with_a_huge_image_is_refused_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    header = png_claiming(8, 8).replace(struct.pack(">II", 8, 8), struct.pack(">II", 32000, 32000))
    with pytest.raises(HTTPException) as caught:
        image_body.decode(header)
    assert caught.value.status_code == 413


def test_two_images_are_decoded_at_once_and_a_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, most, lock = 0, 0, threading.Lock()
    go_on = threading.Event()

    def decode(_: bytes) -> Any:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        go_on.wait(10)
        with lock:
            busy -= 1
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(image_body, "decode", decode)

    async def ask_for_twelve() -> list[object]:
        decoding = image_body.ImageDecoding()
        view = ViewSpec(Size(8, 8), "letterbox")
        asking = [asyncio.create_task(decoding.fitted(b"", view)) for _ in range(12)]
        await asyncio.sleep(0.2)
        go_on.set()
        return await asyncio.gather(*asking, return_exceptions=True)

    answers = asyncio.run(ask_for_twelve())
    assert most == 2
    refused = [one for one in answers if isinstance(one, HTTPException)]
    assert [one.status_code for one in refused] == [503, 503]
