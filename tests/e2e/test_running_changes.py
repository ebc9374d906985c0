"""A running city takes a changed file, and its secrets are nowhere but in their own files."""

from __future__ import annotations

import base64
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
from urllib.parse import quote

import psutil
import pytest
import yaml

from cityeye.config.schema import Settings
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import write_clip
from tests.e2e.command import Ran, auth_of, cityeye, free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

START_S = 180.0
STOP_S = 60.0
RETRY_S = 5.0
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
    hub, api = free_ports(2)
    with RtspServerThread(mounts) as server:
        document = {
            "cameras": [
                {"id": "gate", "source": f"{clip.as_uri()}?realtime=1&loop=1", "tasks": tasks},
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


def test_cameras_come_and_go(city: RunningCity) -> None:
    before = city.cameras()["gate"]["analysed"]
    added = {**city.document["cameras"][0], "id": "square"}
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


def spellings(secret: str) -> list[bytes]:
    """A secret as it is, and as addresses, headers and files encode it."""
    raw = secret.encode()
    login = b"viewer:" + raw
    return [
        raw,
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        base64.b64encode(raw).rstrip(b"="),
        base64.b64encode(login).rstrip(b"="),
    ]


def found_in(city: RunningCity, places: dict[str, bytes]) -> list[str]:
    """Every place with a secret in it."""
    wanted = {one: name for name, secret in city.secrets.items() for one in spellings(secret)}
    return [
        f"{name} in {place}"
        for place, content in places.items()
        for one, name in wanted.items()
        if one in content
    ]


def files_below(folder: Path, own: frozenset[str] = frozenset()) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name not in own
    }


OWN_FILES = frozenset({"yard.secret", "token.secret", "clip.mp4"})


def test_secrets_are_nowhere_but_in_their_own_files(city: RunningCity) -> None:
    main = psutil.Process(city.process.pid)
    processes = [main, *main.children(recursive=True)]
    assert len(processes) > 5
    places: dict[str, bytes] = {"output": city.output.encode()}
    sessions = set()
    for process in processes:
        try:
            name, arguments = process.name(), process.cmdline()
            for entry in ("environ", "cmdline"):
                content = Path(f"/proc/{process.pid}/{entry}").read_bytes()
                places[f"{entry} of {name} {process.pid}"] = content
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            continue
        sessions |= {Path(a.partition("=")[2]) for a in arguments if a.startswith("--session-dir=")}
        sessions |= {Path(a.partition("=")[2]) for a in arguments if a.startswith("--session_dir=")}
    places |= {f"api/{path}": city.fetch("api", path) for path in PAGES}
    places |= {f"hub/{path}": city.fetch("hub", path) for path in HUB_PAGES}
    assert len(sessions) == 1, sessions
    (session,) = sessions
    ray_files = files_below(session)
    assert ray_files
    city.process.send_signal(signal.SIGTERM)
    assert city.process.wait(STOP_S) == 0, city.output
    state = files_below(city.folder, OWN_FILES)
    assert any("outbox.db" in path for path in state)
    assert any("worker.log" in path for path in state)
    leaks = found_in(city, {**places, **ray_files, **state, **files_below(session)})
    assert not leaks


def test_the_search_would_find_a_secret(city: RunningCity) -> None:
    secret = city.secrets["park"]
    login = base64.b64encode(f"viewer:{secret}".encode())
    places = {"a": secret.encode(), "b": quote(secret, safe="").encode(), "c": login, "d": b"no"}
    assert {one[-1] for one in found_in(city, places)} == {"a", "b", "c"}
