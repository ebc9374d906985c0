"""A running city takes a changed file, and SIGTERM ends it."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from cityeye.config.schema import Settings
from pipelines.free_memory import HEAP_VARIABLES, HEAPS
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import write_clip
from tests.e2e.command import Ran, auth_of, cityeye, free_ports, last_states
from tests.free_memory import heaps_of
from tests.processes import open_to_others

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

START_S = 180.0
STOP_S = 60.0
GONE_S = 10.0
RETRY_S = 20.0
"""How soon a camera is watched again once its login is right."""

PAGES = ("health", "cameras", "models", "rollouts", "metrics", "openapi.json")
HUB_PAGES = ("api/openapi.json", "api/cameras", "api/cases", "api/events", "")


def canary(name: str) -> str:
    """A secret with characters that addresses and shells encode."""
    return f"canary-{name}/{secrets.token_hex(8)}#%"


@dataclass
class RunningCity:
    folder: Path
    process: subprocess.Popen[bytes]
    document: dict[str, Any]
    secrets: dict[str, str]
    clip: str
    left: list[psutil.Process] | None = None
    """What was still there `GONE_S` after the end; None before it."""

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text("utf-8")

    def save(self) -> None:
        (self.folder / "city.yaml").write_text(yaml.safe_dump(self.document), "utf-8")

    def apply(self, *options: str) -> Ran:
        return cityeye("apply", "city.yaml", *options, folder=self.folder, timeout_s=120.0)

    def fetch(self, section: str, path: str) -> bytes:
        """An answer of the control API (`api`) or of the hub, whatever its status."""
        url = f"http://127.0.0.1:{self.document[section]['port']}/{path}"
        state = self.folder / Settings.model_fields["state"].default
        request = urllib.request.Request(url, headers=auth_of(state))
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.read()

    def send(self, method: str, path: str, body: object) -> Any:
        """The JSON that the control API answers to a change."""
        url = f"http://127.0.0.1:{self.document['api']['port']}/{path}"
        state = self.folder / Settings.model_fields["state"].default
        headers = {**auth_of(state), "Content-Type": "application/json"}
        data = json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def cameras(self) -> dict[str, Any]:
        return {camera["id"]: camera for camera in json.loads(self.fetch("api", "cameras"))}

    def state_of(self, camera: str) -> str:
        return str(self.cameras().get(camera, {}).get("state", "absent"))

    def watches(self, camera: str) -> bool:
        """Whether it gives images; on a busy machine perhaps fewer than it should."""
        return self.state_of(camera) in {"online", "degraded"}

    def wait(self, holds: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + limit_s
        while not holds():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline_s, f"not within {limit_s:.0f} s: {what}"
            time.sleep(0.2)

    def end(self) -> int:
        """Ends it by SIGTERM, unless that was done; its exit status."""
        if self.left is None:
            started = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(STOP_S)
            _, self.left = psutil.wait_procs(started, timeout=GONE_S)
        return self.process.wait()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    folder = tmp_path_factory.mktemp("city")
    hidden = {name: canary(name) for name in ("park", "yard", "wrong", "token", "s3key", "s3id")}
    hidden["hook"] = "whsec_" + base64.b64encode(secrets.token_bytes(30)).decode()
    clip = write_clip(folder / "clip.mp4").path
    mounts = [
        Mount("park", clip, users={"viewer": hidden["park"]}, auth="digest"),
        Mount("yard", clip, users={"viewer": hidden["yard"]}, auth="digest"),
    ]
    for name, secret in (("yard.secret", "wrong"), ("token.secret", "token")):
        (folder / name).write_text(hidden[secret] + "\n", "utf-8")
        (folder / name).chmod(0o600)
    tasks = {"crowding": {"model": "crowding", "fps": 5}}
    own = copy.deepcopy(tasks)
    hub, api = free_ports(2)
    with RtspServerThread(mounts) as server:
        document = {
            "cameras": [
                {"id": "gate", "source": f"{clip.as_uri()}?realtime=1&loop=1", "tasks": own},
                {
                    "id": "park",
                    "source": server.url("park"),
                    "username": "viewer",
                    "password": "${PARK_PASSWORD}",
                    "tasks": tasks,
                },
                {
                    "id": "yard",
                    "source": server.url("yard"),
                    "username": "viewer",
                    "password_file": "yard.secret",
                    "tasks": tasks,
                },
            ],
            "keyframes": {
                "s3": {
                    "endpoint": "http://127.0.0.1:9",
                    "bucket": "keyframes",
                    "access_key": "${S3_ID}",
                    "secret_key": "${S3_KEY}",
                }
            },
            "sinks": [
                {
                    "url": "http://127.0.0.1:9/events",
                    "secret": "${HOOK_SECRET}",
                    "token_file": "token.secret",
                }
            ],
            "hub": {"port": hub},
            "api": {"port": api},
            "models": {"detector": "in_process", "threads": 1},
        }
        variables = {
            "PARK_PASSWORD": hidden["park"],
            "HOOK_SECRET": hidden["hook"],
            "S3_ID": hidden["s3id"],
            "S3_KEY": hidden["s3key"],
        }
        with (folder / "output.txt").open("w") as stream:
            running = RunningCity(folder, None, document, hidden, clip.as_uri())  # type: ignore[arg-type]
            running.save()
            running.process = subprocess.Popen(
                [sys.executable, "-m", "cityeye", "run", "city.yaml"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0,
            )
        try:
            running.wait(lambda: "camera gate is online" in running.output, "gate", START_S)
            yield running
        finally:
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
            try:
                running.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()


def test_a_corrected_login_is_tried_at_once_and_no_other_camera_notices(city: RunningCity) -> None:
    city.wait(lambda: city.watches("park"), "park")
    city.wait(lambda: city.state_of("yard") == "unauthorized", "the refusal of yard")
    before = city.cameras()
    (city.folder / "yard.secret").write_text(city.secrets["yard"], "utf-8")
    planned = city.apply("--dry-run")
    assert (planned.status, planned.said(r"camera yard: changed \(login\)")) == (0, True)
    assert city.state_of("yard") == "unauthorized"
    done = city.apply()
    assert (done.status, done.output) == (0, "camera yard: changed (login)\n")
    city.wait(lambda: city.watches("yard"), "yard with its new login", RETRY_S)
    after = city.cameras()
    for name in ("gate", "park"):
        assert after[name]["analysed"] >= before[name]["analysed"] > 0
        assert after[name]["reconnects"] == before[name]["reconnects"] == 0
    assert city.apply().output.endswith("nothing has changed\n")


def test_all_processes_of_a_city_have_few_heaps(city: RunningCity) -> None:
    heaps: dict[str, int] = {}
    settings: dict[str, dict[str, str]] = {}
    for process in psutil.Process(city.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error, FileNotFoundError, ProcessLookupError):
            name = " ".join(process.cmdline())
            heaps[name] = heaps_of(process.pid)
            # Actors write their titles over theirs; they have them from the raylet.
            if not name.startswith("ray::"):
                given = process.environ()
                settings[name] = {key: given.get(key, "") for key in HEAP_VARIABLES}
    # Actors of Ray, which have dozens of threads.
    assert any("Director" in name for name in heaps)
    assert any("CameraWorker" in name or "worker-0" in name for name in heaps)
    assert {name: count for name, count in heaps.items() if count > HEAPS} == {}
    assert any("raylet" in name for name in settings)
    assert {name: one for name, one in settings.items() if one != HEAP_VARIABLES} == {}


def test_cameras_come_and_go(city: RunningCity) -> None:
    before = city.cameras()["gate"]["analysed"]
    added = copy.deepcopy({**city.document["cameras"][0], "id": "square"})
    gate, _park, yard = city.document["cameras"]
    city.document["cameras"] = [gate, {**yard, "name": "Yard"}, added]
    city.save()
    done = city.apply()
    assert done.status == 0, done.output
    assert done.output.splitlines() == [
        "camera yard: changed (name)",
        "camera square: added",
        "camera park: removed",
    ]
    city.wait(lambda: city.watches("square"), "square")
    assert city.cameras().keys() == {"gate", "yard", "square"}
    assert city.cameras()["gate"]["analysed"] > before
    city.document["api"]["port"] += 1
    city.save()
    refused = city.apply()
    assert (refused.status, refused.said(r"city.yaml:\d+: api.port: ")) == (1, True)
    city.document["api"]["port"] -= 1
    city.save()


def test_a_zone_is_drawn_over_the_api_and_on_the_live_frame(city: RunningCity) -> None:
    before = (city.folder / "city.yaml").read_text("utf-8")
    square = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
    # What was saved before the last refusal is the file again, and the city takes it as that.
    assert city.apply().status == 0
    revision = json.loads(city.fetch("api", "cameras/gate/places"))["revision"]
    body = {"revision": revision, "places": {"place": square}, "watched": {"crowding": ["place"]}}
    assert city.send("PUT", "cameras/gate/places/zones", body)["result"] == "done"
    assert "place: [[0.1, 0.1]" in (city.folder / "city.yaml").read_text("utf-8")
    city.wait(lambda: city.watches("gate"), "gate")
    shown = json.loads(city.fetch("hub", "api/cameras/city/gate/places"))
    assert shown["zones"] == {"place": square}
    frame: dict[str, Any] = {}

    def has_zone() -> bool:
        frame.update(json.loads(city.fetch("api", "cameras/gate/frame")))
        return frame.get("zones") == {"place": square}

    city.wait(has_zone, "the zone on the frame")
    assert frame["age_s"] < 5.0
    assert city.fetch("hub", "api/cameras/city/gate/frame.jpg?places=1").startswith(b"\xff\xd8")
    assert city.send("POST", "config/undo", {})["result"] == "done"
    assert (city.folder / "city.yaml").read_text("utf-8") == before


def test_a_sigterm_ends_everything_and_says_what_became_of_the_cameras(city: RunningCity) -> None:
    assert city.end() == 0, city.output
    assert city.left == []
    assert "Traceback" not in city.output
    assert "done: " in city.output
    states = dict(last_states(city.folder / "var" / "hub.db"))
    assert states.keys() >= {"gate", "park", "yard"}
    assert set(states.values()) == {"stopped"}
    assert open_to_others(city.folder / "var") == []
