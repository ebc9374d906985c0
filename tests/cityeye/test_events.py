"""`cityeye events`: lists what has not arrived and sends it again, of a running or stopped city."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import cityeye.cli
from cityeye.cli import main
from pipelines.delivery.outbox import Outbox
from tests.pipelines.delivery.outboxes import Edge, life
from tests.pipelines.delivery.test_relay_courier import World
from tests.pipelines.delivery.test_relay_refusals import is_update, refusing

PENDING = [
    {
        "sink": "hub",
        "event": "e-1",
        "type": "cityeye.incident.started",
        "partition": "gate",
        "since": "2026-03-04T05:06:07Z",
        "reason": "answered 401: check its URL and its token",
    }
]


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """The process's logging belongs to pytest."""
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def state(tmp_path) -> Path:
    """A stopped city: two events of one camera are dead, one of another camera waits."""
    world = World(tmp_path / "state" / "worker-0")
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run_among_others(60.0)
    world.publish("b", "yard", 1)
    world.edge.close()
    other = Edge(tmp_path / "state" / "worker-1", Outbox(tmp_path / "state/worker-1/outbox.db"))
    other.outbox.deliveries.register(["recorder"])
    other.publish(*life("c", "roof")[:1], value=None)
    other.close()
    return tmp_path / "state"


class StubApi:
    """Answers like the control API, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub.asked.append(("GET", self.path, None))
                self.answer(PENDING if "pending" in self.path else [])

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stub.asked.append(("POST", self.path, json.loads(body)))
                self.answer({"replayed": 3})

            def answer(self, content: object) -> None:
                data = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def api(monkeypatch) -> Iterator[StubApi]:
    with contextlib.closing(StubApi()) as api:
        monkeypatch.setenv("CITYEYE_API", f"http://127.0.0.1:{api._server.server_address[1]}")
        monkeypatch.setenv("CITYEYE_TOKEN", "let-me-in")
        yield api


def test_pending_events_of_a_stopped_city(state, capsys):
    assert main(["events", "pending", "--state", str(state)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "recorder" in lines[1]
    assert {line.split()[2] for line in lines[1:]} == {"yard", "roof"}


def test_dead_letters_of_a_stopped_city_as_json_and_sending_them_again(state, capsys):
    assert main(["events", "dead", "--state", str(state), "--json"]) == 0
    (letter,) = json.loads(capsys.readouterr().out)
    assert (letter["sink"], letter["partition"]) == ("recorder", "gate")
    assert letter["reason"] == "answered 400: see its log"
    assert not letter["replayed"]
    assert main(["events", "replay", letter["event"], "--state", str(state)]) == 0
    assert "1 to be sent again when the city runs again" in capsys.readouterr().out
    again = World(state / "worker-0")
    again.run(2.0)
    assert again.dead() == []
    assert again.delivered("gate") == ["a.updated"]
    again.edge.close()


def test_nothing_to_send_again(state, capsys):
    assert main(["events", "replay", "nobody-knows", "--state", str(state)]) == 1
    assert "no such dead letter" in capsys.readouterr().err
    assert main(["events", "replay", "--state", str(state)]) == 1
    assert "--all" in capsys.readouterr().err


def test_a_folder_without_an_outbox(tmp_path, capsys):
    assert main(["events", "dead", "--state", str(tmp_path)]) == 1
    assert "there is no outbox under" in capsys.readouterr().err


def test_files_of_a_running_city_are_left_alone(state, capsys):
    with contextlib.closing(Outbox(state / "worker-0" / "outbox.db")):
        assert main(["events", "dead", "--state", str(state)]) == 1
    assert "the city runs, so ask it without --state" in capsys.readouterr().err


def test_a_running_city_is_asked(api, capsys):
    assert main(["events", "pending", "--limit", "7"]) == 0
    out = capsys.readouterr().out
    assert "answered 401: check its URL and its token" in out
    assert main(["events", "dead"]) == 0
    assert capsys.readouterr().out == "none\n"
    assert main(["events", "replay", "--all", "--sink", "hub"]) == 0
    assert capsys.readouterr().out.startswith("3 to be sent again now;")
    assert api.asked == [
        ("GET", "/events/pending?limit=7", None),
        ("GET", "/events/dead?limit=50", None),
        ("POST", "/events/replay", {"event": None, "sink": "hub"}),
    ]
