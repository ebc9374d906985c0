"""The demo as a newcomer runs it: incidents of all three tasks with evidence, quiet where quiet."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import urllib3
from pydantic import TypeAdapter

from event_hub.keyframes import FolderKeyframes
from event_hub.settings import HubSettings
from models import BUILTIN_ROOT
from pipelines.access import Scope, TokenFile
from pipelines.event import Event, IncidentEvent
from tests.camera_adapters.clips import TinyClip
from tests.e2e.command import Ran, cityeye, read_json
from tests.event_hub.thread import HubThread

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

KINDS = {"traffic.congestion", "littering.dropped_object", "crowding.density"}
QUIET = "arterial-night"
DURATION_S = "40"
"""All incidents of the scenes begin in their first 12 s, and are opened soon after."""

EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


@dataclass(frozen=True)
class Demo:
    ran: Ran
    report: Any
    folder: Path

    def incidents(self) -> list[IncidentEvent]:
        with sqlite3.connect(self.folder / "hub.db") as database:
            bodies = [row[0] for row in database.execute("SELECT body FROM events")]
        database.close()
        events = [EVENTS.validate_json(body) for body in bodies]
        return [event for event in events if isinstance(event, IncidentEvent)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    ran = cityeye("demo", "--duration", DURATION_S, "--json", "out.json", folder=folder)
    assert ran.status == 0, ran.output
    return Demo(ran, read_json(folder / "out.json"), folder / "var" / "demo")


def test_it_tells_a_person_where_to_look(demo: Demo) -> None:
    assert demo.ran.said(r"console: http://127\.0\.0\.1:\d+/")
    assert not demo.ran.said("Traceback")


def test_every_task_finds_its_incident(demo: Demo) -> None:
    assert {kind for kind, count in demo.report["incidents"].items() if count} == KINDS


def test_the_quiet_scene_has_none(demo: Demo) -> None:
    assert demo.report["cameras"][QUIET]["incidents"] == {}
    assert QUIET not in {event.data.camera.id for event in demo.incidents()}


def test_every_incident_has_a_keyframe_that_opens_and_matches_its_checksum(demo: Demo) -> None:
    incidents = demo.incidents()
    assert {event.data.kind for event in incidents} == KINDS
    for event in incidents:
        assert event.data.keyframes, f"{event.data.kind} has no image"
        for keyframe in event.data.keyframes:
            stored = (demo.folder / "keyframes" / keyframe.key).read_bytes()
            assert hashlib.sha256(stored).hexdigest() == keyframe.sha256
            image = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            assert image.shape == (720, 1280, 3)


def test_a_keyframe_is_where_its_event_says_for_who_has_a_token(demo: Demo) -> None:
    urls = {one.url for event in demo.incidents() for one in event.data.keyframes}
    (console,) = re.findall(r"console: (http://127\.0\.0\.1:\d+)/", demo.ran.output)
    assert urls
    assert all(url is not None and url.startswith(f"{console}/api/keyframes/") for url in urls)
    settings = HubSettings(
        database=f"sqlite:///{demo.folder}/hub.db",
        access=demo.folder / "access",
        port=int(console.rpartition(":")[2]),
        console=False,
    )
    token = TokenFile(settings.access).issue("reader", Scope.VIEWER)
    with HubThread(settings, FolderKeyframes(demo.folder / "keyframes")):
        for event in demo.incidents():
            for one in event.data.keyframes:
                headers = {"Authorization": f"Bearer {token}"}
                image = urllib3.request("GET", str(one.url), headers=headers)
                assert hashlib.sha256(image.data).hexdigest() == one.sha256
                assert urllib3.request("GET", str(one.url)).status == 401


def test_every_incident_that_started_has_ended(demo: Demo) -> None:
    phases: dict[str, set[str]] = {}
    for event in demo.incidents():
        phases.setdefault(event.data.incident_id, set()).add(event.data.phase)
    assert len(phases) >= len(KINDS)
    assert all({"started", "ended"} <= seen for seen in phases.values())


def test_the_report_says_what_every_camera_got(demo: Demo) -> None:
    assert len(demo.report["cameras"]) == 4
    for camera, figures in demo.report["cameras"].items():
        assert figures["analysed"] > 0, camera
        assert figures["requested_fps"] == 5.0
        assert 0 < figures["achieved_fps"] <= 5.5
        assert 0 < figures["frame_age_ms"]["p50"] <= figures["frame_age_ms"]["p95"]
    assert demo.report["events_delivered"] > 0
    assert demo.report["keyframes_stored"] >= len(KINDS)


def test_it_leaves_no_process_behind(demo: Demo) -> None:
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if str(demo.folder) in " ".join(process.info["cmdline"] or ())
    ]
    assert not left


def test_no_log_or_database_holds_the_camera_password(demo: Demo) -> None:
    config = (demo.folder / "city.yaml").read_text(encoding="utf-8")
    assert "CITYEYE_DEMO_PASSWORD" in config, "the file names a variable, not the password"
    for log in demo.folder.rglob("*.log*"):
        assert "@127.0.0.1" not in log.read_text(encoding="utf-8")


@pytest.mark.proof
def test_recordings_play_as_cameras(tmp_path: Path, tiny_clip: TinyClip) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("Yard east.mp4", "yard-east.mp4"):
        shutil.copy(tiny_clip.path, folder / name)
    ran = cityeye(
        "demo", "--real", str(folder), "--path", str(BUILTIN_ROOT), "--model", "crowding",
        "--duration", "12", "--json", "out.json", folder=tmp_path,
    )  # fmt: skip
    assert ran.status == 0, ran.output
    cameras = read_json(tmp_path / "out.json")["cameras"]
    assert set(cameras) == {"yard-east", "yard-east-2"}
    assert all(camera["analysed"] > 20 for camera in cameras.values())
