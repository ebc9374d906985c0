"""A real city with a secret in every place that can hold one, most of which are wrong somewhere.

So the paths of errors run: logins that are refused, hosts that are not there, a redirection, sinks
and a store that refuse, and whose answers repeat what they were sent.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import yaml

from pipelines.access import TokenFileError
from simulation.rtsp_server.faults import Fault, FaultKind
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import write_clip
from tests.e2e.canaries import canary, webhook_canary
from tests.e2e.command import auth_of, free_ports
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.packages import brightness_package

ROOT = Path(__file__).parents[2]
START_S = 180.0
STOP_S = 60.0
NOBODY = "127.0.0.1:9"
SESSION = re.compile(r"(/\S*?/session_[0-9_-]+)")
NAMES = ("gate", "yard", "roof", "hall", "gone", "lost")
"""Cameras: right login in the address, in a file; wrong one; redirected; no such port or name."""

PASSWORDS = {name: canary(name) for name in NAMES}
KEYS = {name: canary(name, "") for name in ("sink", "echoed", "access", "store", "models", "own")}
"""What goes into headers, which are ASCII."""


@dataclass
class ExposedCity:
    """The program, what it was configured with, and everything that others may see of it."""

    folder: Path
    hub_port: int
    api_port: int
    echo: Receiver
    store: Receiver
    secrets: dict[str, str] = field(default_factory=lambda: {**PASSWORDS, **KEYS})
    process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def text(self) -> str:
        return (self.folder / "output.txt").read_text("utf-8")

    @property
    def own_files(self) -> frozenset[Path]:
        """The files that the secrets are in on purpose."""
        names = ("city.yaml", "yard.secret", "sink.token", "state/access/first-token")
        return frozenset(self.folder / name for name in names)

    def document(self, server: RtspServerThread, yard: str, package: Path) -> dict[str, Any]:
        rules = {"crowding.density": {"min_persons": 1, "confirm_s": 1.0, "expire_s": 1.0}}
        tasks = {"crowding": {"model": "brightness", "fps": 4, "rules": rules}}
        login = {"username": "viewer", "tasks": tasks}

        def address(name: str, place: str = "") -> str:
            place = place or f"127.0.0.1:{server.port}"
            return f"rtsp://viewer:{quote(self.secrets[name], safe='')}@{place}/{name}"

        return {
            "cameras": [
                {"id": "gate", "source": address("gate"), "tasks": tasks},
                {
                    "id": "yard",
                    "source": yard,
                    "password_file": "yard.secret",
                    "transport": "udp",
                    **login,
                },
                {"id": "roof", "source": server.url("roof"), "password": "${ROOF}", **login},
                {"id": "hall", "source": server.url("hall"), "password": "${HALL}", **login},
                {"id": "gone", "source": address("gone", NOBODY), "tasks": tasks},
                {"id": "lost", "source": address("lost", "lost.invalid"), "tasks": tasks},
            ],
            "models": {"path": str(package), "detector": "in_process"},
            "keyframes": {
                "s3": {
                    "endpoint": self.store.url.removesuffix("/events"),
                    "bucket": "keyframes",
                    "region": "us-east-1",
                    "access_key": "${ACCESS}",
                    "secret_key": "${STORE}",
                }
            },
            "sinks": [
                {
                    "url": f"http://{NOBODY}/events",
                    "token_file": "sink.token",
                    "secret": "${HOOK}",
                    "name": "refused",
                },
                {"url": self.echo.url, "token": "${ECHOED}", "name": "echo"},
            ],
            "hub": {"port": self.hub_port, "database": "sqlite:///state/hub.db"},
            "api": {"port": self.api_port},
            "state": "state",
        }

    def start(self, document: dict[str, Any]) -> None:
        (self.folder / "city.yaml").write_text(yaml.safe_dump(document), "utf-8")
        for name, secret in (("yard.secret", "yard"), ("sink.token", "sink")):
            (self.folder / name).write_text(self.secrets[secret] + "\n", "utf-8")
            (self.folder / name).chmod(0o600)
        variables = {
            "ROOF": self.secrets["roof"],
            "HALL": self.secrets["hall"],
            "ACCESS": self.secrets["access"],
            "STORE": self.secrets["store"],
            "HOOK": self.secrets["hook"],
            "ECHOED": self.secrets["echoed"],
            "CITYEYE_MODELS_SECRET_KEY": self.secrets["models"],
            "CITYEYE_TOKEN": self.secrets["own"],
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        options = ["--debug", "--log-format", "json", "run", "city.yaml"]
        with (self.folder / "output.txt").open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cityeye", *options, "--json", "report.json"],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def processes(self) -> list[psutil.Process]:
        """The program and everything below it."""
        assert self.process is not None
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    @property
    def first_token(self) -> str:
        """The token that opens everything."""
        return auth_of(self.state)["Authorization"].removeprefix("Bearer ")

    def find(self, words: str) -> psutil.Process:
        """The first process with words in its command line."""
        return next(one for one in self.processes() if words in " ".join(one.cmdline()))

    def session(self) -> Path:
        """Ray's folder of this city."""
        found = SESSION.search(" ".join(self.find("raylet/raylet").cmdline()))
        assert found
        return Path(found[1])

    def fetch(self, port: int, path: str, **headers: str) -> bytes:
        """An answer as it is, status and head included; with the first token unless told so."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path, headers=headers or auth_of(self.state))
            answer = connection.getresponse()
            head = "".join(f"{name}: {value}\n" for name, value in answer.getheaders())
            return f"{answer.status} {head}".encode() + answer.read()
        finally:
            connection.close()

    def read_json(self, port: int, path: str) -> Any:
        """The JSON that a path answers; None where nobody does yet."""
        try:
            headers = auth_of(self.state)
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except (OSError, http.client.HTTPException, ValueError, TokenFileError):
            return None

    def reasons(self) -> dict[str, str]:
        """State and reason of each camera."""
        answer = self.read_json(self.api_port, "/cameras") or []
        return {one["id"]: f"{one['state']}: {one['reason']}" for one in answer}

    def incidents(self) -> list[Any]:
        answer = self.read_json(self.hub_port, "/api/incidents")
        return list(answer["incidents"]) if answer else []

    def wait(self, holds: Callable[[], bool], what: str, limit_s: float = START_S) -> None:
        assert self.process is not None
        deadline_s = time.monotonic() + limit_s
        while not holds():
            assert self.process.poll() is None, self.text[-4000:]
            assert time.monotonic() < deadline_s, f"{what}: {self.reasons()}\n{self.text[-3000:]}"
            time.sleep(0.3)

    def stop(self) -> int:
        """Ends it gently; gives its status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def exposed_city(folder: Path) -> Iterator[ExposedCity]:
    """Started, with every fault seen at least once."""
    clip = write_clip(folder / "clip.mp4", fps=Fraction(12), frames=24).path
    package = brightness_package(folder / "packages")
    hub, api = free_ports(2)
    with ExitStack() as stack:
        echo, store = Receiver(status=401), Receiver(status=403)
        for receiver in (echo, store):
            stack.callback(receiver.close)
        city = ExposedCity(folder, hub, api, echo, store)
        city.secrets["hook"] = webhook_canary()
        known = city.secrets
        echo.answer = json.dumps({"error": f"no such token: {known['echoed']}"}).encode()
        echo.answer_headers["WWW-Authenticate"] = "Bearer error=invalid_token"
        store.answer = (
            "<?xml version='1.0'?><Error><Code>InvalidAccessKeyId</Code><Message>no "
            f"{known['access']} {known['store']}</Message></Error>"
        ).encode()
        store.answer_headers["Content-Type"] = "application/xml"
        right = {"gate": known["gate"], "yard": known["yard"]}
        mounts = [
            Mount("gate", clip, users={"viewer": right["gate"]}, auth="basic"),
            Mount("roof", clip, users={"viewer": "another"}, auth="basic"),
            Mount("hall", clip, users={"viewer": "another"}, auth="basic"),
        ]
        server = stack.enter_context(RtspServerThread(mounts))
        # At an address of its own: where Digest was offered once, Basic is refused.
        yard = Mount("yard", clip, users={"viewer": right["yard"]}, auth="digest")
        other = stack.enter_context(RtspServerThread([yard]))
        server.set_fault("hall", Fault(FaultKind.REDIRECT, text=f"rtsp://viewer:x@{NOBODY}/hall"))
        city.start(city.document(server, other.url("yard"), package.directory.parents[1]))
        stack.callback(city.stop)
        city.wait(lambda: "online" in city.reasons().get("gate", ""), "gate")
        city.wait(lambda: "unauthorized" in city.reasons().get("roof", ""), "the refused login")
        city.wait(lambda: len(city.incidents()) > 0 and len(store.deliveries) > 0, "an incident")
        city.wait(lambda: len(echo.deliveries) > 2, "the sink that refuses")
        yield city
