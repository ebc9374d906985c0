"""What the hub passes on to the control API of its city, which here only answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from event_hub import ControlSettings
from pipelines.access import Scope, TokenFile
from tests.event_hub.stand_in import serving

FRAME = "/api/cameras/Xinjin/gate%201/frame.jpg"


class Control(ThreadingHTTPServer):
    """Answers every request alike, and notes it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str]] = []
        self.status, self.body = 200, b"a jpeg"
        self.bodies: dict[str, bytes] = {}
        """By the last step of the path, instead of `body`."""
        self.headers = {"CityEye-State": "online", "Server-Secret": "x"}
        self.changes: list[tuple[str, str, bytes, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Control

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        self.respond()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        behalf = self.headers["CityEye-Behalf"]
        self.server.changes.append((self.command, self.path, body, behalf))
        self.respond()

    do_POST = do_DELETE = do_PUT

    def respond(self) -> None:
        step = self.path.partition("?")[0].rpartition("/")[2]
        body = self.server.bodies.get(step, self.server.body)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def answering() -> AbstractContextManager[Control]:
    return serving(Control())


@pytest.fixture
def control() -> Iterator[Control]:
    with answering() as server:
        yield server


@pytest.fixture
def hub(start_hub, control):
    url = f"http://127.0.0.1:{control.server_port}"
    return start_hub(control=ControlSettings(url=url, token=SecretStr("own"), city="Xinjin"))


def test_a_frame_comes_with_what_is_said_of_it_and_nothing_else(hub, control):
    answer = hub.get(f"{FRAME}?boxes=1&width=320")
    assert (answer.status, answer.data) == (200, b"a jpeg")
    assert answer.headers["CityEye-State"] == "online"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Server-Secret" not in answer.headers
    path = "/cameras/gate%201/frame.jpg?width=320&boxes=true&places=false"
    assert control.asked == [(path, "Bearer own")]


def test_why_there_is_none_is_passed_on(hub, control):
    control.status, control.body = 503, b'{"detail": "camera gate is offline"}'
    control.headers = {"CityEye-State": "offline", "Retry-After": "2"}
    answer = hub.get(FRAME)
    assert (answer.status, answer.headers["CityEye-State"]) == (503, "offline")
    assert "camera gate is offline" in answer.data.decode()


def test_what_the_control_api_has_against_the_hub_is_no_refusal_of_the_caller(hub, control):
    control.headers, control.body = {"Location": "http://127.0.0.1:9/"}, b"no json"
    for number, status in enumerate((301, 401, 403, 500), 1):
        control.status = status
        assert hub.get(FRAME).status == 502
        assert len(control.asked) == number, "it follows nobody"


def test_a_control_api_that_is_away_is_named(hub, control):
    control.shutdown()
    control.server_close()
    answer = hub.get(FRAME)
    assert answer.status == 503
    assert "control API does not answer" in answer.data.decode()
    assert "127.0.0.1" not in answer.data.decode()


def test_another_city_is_out_of_its_way(hub, control):
    assert hub.get("/api/cameras/Pujiang/gate/frame.jpg").status == 404
    assert control.asked == []


def test_without_a_control_api_there_is_none(start_hub):
    answer = start_hub().get(FRAME)
    assert (answer.status, b"no way to the cameras" in answer.data) == (404, True)


PLACES = "/api/cameras/Xinjin/gate%201/places"


def put(hub, path: str, body: bytes, token: str | None = None):
    headers = dict(hub.auth) | {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return hub.http.request("PUT", hub.url + path, body=body, headers=headers)


def test_a_change_goes_on_with_the_name_of_who_makes_it(hub, control):
    control.headers = {"Content-Type": "application/json"}
    control.body = b'{"result": "done"}'
    answer = put(hub, f"{PLACES}/zones", b'{"places": {}}')
    assert (answer.status, answer.data) == (200, control.body)
    assert control.changes == [
        ("PUT", "/cameras/gate%201/places/zones", b'{"places": {}}', "first")
    ]
    assert hub.get(PLACES).json() == {"result": "done"}
    put(hub, "/api/cameras/Xinjin/gate/schedules", b"{}")
    assert control.changes[-1][1] == "/cameras/gate/schedules"
    assert put(hub, f"{PLACES}/houses", b"{}").status == 422
    assert put(hub, "/api/cameras/Pujiang/gate/places/zones", b"{}").status == 404
    assert len(control.changes) == 2


def test_a_refusal_comes_back_with_its_problems(hub, control):
    control.status, control.headers = 422, {"Content-Type": "application/problem+json"}
    control.body = b'{"detail": "no", "problems": [{"key": "cameras[0].zones.a"}]}'
    answer = put(hub, f"{PLACES}/zones", b"{}")
    assert (answer.status, answer.data) == (422, control.body)
    control.status = 403
    assert put(hub, f"{PLACES}/zones", b"{}").status == 502


def test_only_engineers_change_anything(hub, control, tmp_path):
    tokens = TokenFile(tmp_path / "access")
    operator = tokens.issue("Zhao", Scope.OPERATOR)
    assert put(hub, f"{PLACES}/zones", b"{}", operator).status == 403
    assert control.changes == []
    control.headers, control.body = {"Content-Type": "application/json"}, b"{}"
    assert put(hub, f"{PLACES}/zones", b"{}", tokens.issue("Wáng", Scope.ENGINEER)).status == 200
    assert control.changes[0][3] == "W?ng"


def test_cameras_are_added_tried_and_removed_through_the_hub(hub, control):
    control.headers, control.body = {"Content-Type": "application/json"}, b"{}"

    def send(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> int:
        headers = dict(hub.auth) | {"Content-Type": kind}
        return hub.http.request(method, hub.url + path, body=body, headers=headers).status

    assert send("POST", "/api/cameras/Xinjin?check=1", b'{"cameras": []}') == 200
    assert control.changes[-1][:3] == ("POST", "/cameras?check=true", b'{"cameras": []}')
    assert send("POST", "/api/cameras/Xinjin/import", b"id,source\n", "text/csv") == 200
    assert control.changes[-1][:3] == ("POST", "/cameras/import", b"id,source\n")
    assert send("POST", "/api/cameras/Xinjin/import", b"x", "text/plain") == 415
    assert send("DELETE", "/api/cameras/Xinjin/gate") == 200
    assert control.changes[-1][:2] == ("DELETE", "/cameras/gate")
    tried = b'{"source": "rtsp://h/", "password": "hunter9", "reason": "aiming it"}'
    assert send("POST", "/api/cameras/Xinjin/test", tried) == 200
    assert json.loads(control.changes[-1][2]) == {
        "source": "rtsp://h/",
        "transport": "tcp",
        "verify_tls": True,
        "password": "hunter9",
        "reason": "aiming it (for first)",
    }
    assert send("POST", "/api/cameras/Xinjin/test", b"{}") == 422


def test_decisions_about_versions_go_on_with_their_reason(hub, control, tmp_path):
    control.headers, control.body = {"Content-Type": "application/json"}, b"{}"
    tokens = TokenFile(tmp_path / "access")
    engineer = tokens.issue("Li", Scope.ENGINEER)

    def decide(verb: str, body: dict[str, str], token: str = engineer) -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = f"{hub.url}/api/models/Xinjin/traffic/{verb}"
        return hub.http.request("POST", url, body=json.dumps(body), headers=headers).status

    why = {"reason": "  too many false alarms & more "}
    said = "why=too+many+false+alarms+%26+more"
    assert decide("promote", why) == 200
    assert control.changes[-1] == ("POST", f"/models/traffic/promote?{said}", b"", "Li")
    assert decide("rollback", why | {"version": "3"}) == 200
    assert control.changes[-1][1] == f"/models/traffic/rollback?{said}&version=3"
    assert decide("rollback", why | {"version": "3+int8"}) == 200
    assert control.changes[-1][1] == f"/models/traffic/rollback?{said}&version=3%2Bint8"
    assert decide("rollout", why | {"canary": "2", "cameras": "10%"}) == 200
    assert json.loads(control.changes[-1][2]) == {"canary": "2", "cameras": "10%"}
    done = len(control.changes)
    assert decide("promote", {}) == decide("promote", {"reason": "short"}) == 422
    assert decide("rollback", why | {"version": "../1"}) == 422
    assert decide("promote", why, tokens.issue("Zhao", Scope.OPERATOR)) == 403
    limited = tokens.issue("Sun", Scope.ENGINEER, groups=("north",))
    assert decide("promote", why, limited) == 403
    assert len(control.changes) == done
