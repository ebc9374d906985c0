"""A running city that only takes notes, and somebody who calls the control API before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from cityeye.config import Config, load_config
from cityeye.plan import city_plan
from cityeye.reconfiguration import Reconfiguration
from pipelines import CameraPlan
from pipelines.access import Scope, TokenFile
from pipelines.delivery.sinks.http import HttpSinkSettings
from serving import RolloutError

CITY = """\
# The eye of Xinjin.
city: {name: Xinjin, time_zone: Asia/Shanghai}
cameras:
  # Where the trucks stop.
  - id: gate
    source: rtsp://10.0.0.5/live
    username: viewer
    password: ${GATE_PASSWORD}
    zones:
      approach: [[0.2, 0.5], [0.8, 0.5], [0.9, 0.9]]   # measured in May
    tasks:
      traffic: {model: traffic, zones: [approach]}
  - id: yard
    source: rtsp://10.0.0.6/live
    tasks: {crowding: {model: crowding}}
hub: {}
"""
SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
APPROACH = [[0.2, 0.5], [0.8, 0.5], [0.9, 0.9]]


class City:
    """A running city that only takes note of what it is given, and the API before it."""

    def __init__(self, folder: Path, packages: Path) -> None:
        self.file = folder / "city.yaml"
        self.packages = packages
        self.write(CITY)
        config = load_config(self.file, {"GATE_PASSWORD": "hunter2", "OTHER": "hunter4"})
        self.given: list[dict[str, CameraPlan]] = []
        self.error: Exception | None = None
        self.faults: dict[str, str] = {}

        def plan(new: Config):
            if isinstance(self.error, RolloutError):
                raise self.error
            return city_plan(new, HttpSinkSettings(url="http://127.0.0.1:1/events"))

        self.full = ""
        self.changes = Reconfiguration(config, plan, self.take, refuses=lambda _: self.full)
        self.state = config.settings.state
        self.tokens = TokenFile(self.state / "access")
        self.tokens.prepare()

    def write(self, text: str) -> None:
        self.file.write_text(f"{text}models: {{path: {self.packages}}}\n", "utf-8")

    def take(self, cameras: Sequence[CameraPlan]) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        if self.full:
            raise RolloutError(self.full)
        self.given.append({one.camera.id: one for one in cameras})
        return self.faults

    @property
    def text(self) -> str:
        return self.file.read_text("utf-8")


class Caller:
    """Somebody with a token."""

    def __init__(self, client: TestClient, tokens: TokenFile, name: str, scope: Scope) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {tokens.issue(name, scope)}"}

    def get(self, path: str) -> Any:
        answer = self.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = self.client.request(method, path, json=body, headers=self.headers)
        assert "hunter" not in answer.text
        return answer.status_code, answer.json()

    def draw(self, kind: str, places: Any, revision: str | None = None, camera: str = "gate"):
        revision = revision or self.revision
        body = {"revision": revision, "places": places}
        return self.send("PUT", f"/cameras/{camera}/places/{kind}", body)

    @property
    def revision(self) -> str:
        return str(self.get("/config/versions")["revision"])
