"""Today's program on the folder of a city that an earlier program left when it was killed.

`state/city-8dd4002.tar.xz` was written by the program of that commit; `state/README.md` says how.
The open incident of `square` had reached the hub and nothing else; of `yard` no sink had anything,
its incident was open when its recording ended. The city ran crowding 1 although 2 was there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from cityeye.model_place import cache_folder
from models import BUILTIN_ROOT, ModelPackage
from models.admission import why_not_admitted
from simulation import ensure_clips
from tests.e2e.command import Running, asked, auth_of
from tests.pipelines.delivery.http_receiver import Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

LEFT = Path(__file__).parent / "state" / "city-8dd4002.tar.xz"
HUB_PORT, SINK_PORT, API_PORT = 32101, 32102, 32103
"""As in the folder: progress of deliveries is kept by address."""

HEARTBEAT = "cityeye.worker.heartbeat"
"""Every sink gets them; the hub notes what they say and stores no event."""

ENDLESS = {"days": None}
SCENE = "square-crowd"
STOP_S = 60.0


@dataclass(frozen=True)
class LeftEvent:
    """An event in an outbox of the earlier program."""

    id: str
    worker: str
    sequence: int
    incident: str | None


def unpacked(folder: Path) -> Path:
    """The folder as it was left, with the graph of its models."""
    with tarfile.open(LEFT) as archive:
        archive.extractall(folder, filter="data")
    for version in ("1", "2"):
        for name in ("model.onnx", "golden.npz"):
            package = folder / "packages" / "crowding" / version
            shutil.copy(BUILTIN_ROOT / "crowding" / "1" / name, package)
    return folder


def made_for_today(folder: Path) -> None:
    """Gives its cameras a recording of this machine, and keeps what has become old since."""
    clip = ensure_clips((SCENE,), cache_folder("clips", os.environ))[SCENE]
    path = folder / "city.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    for camera in document["cameras"]:
        camera["source"] = camera["source"].replace("file:///crowd.mp4", clip.as_uri())
    document["retention"] = {"keyframes": ENDLESS, "events": ENDLESS, "hub": ENDLESS}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def left_events(folder: Path) -> list[LeftEvent]:
    """Those of all workers; read from a copy, as reading it changes a log that was left."""
    found = []
    copy = folder / "copy"
    shutil.copytree(folder / "state", copy)
    for path in sorted(copy.glob("*/outbox.db")):
        with closing(sqlite3.connect(path)) as database:
            for sequence, body in database.execute("SELECT seq, body FROM event ORDER BY seq"):
                event = json.loads(body)
                incident = event["data"].get("incident_id")
                found.append(LeftEvent(event["id"], path.parent.name, sequence, incident))
    shutil.rmtree(copy)
    return found


@dataclass
class UpgradedCity:
    folder: Path
    left: list[LeftEvent]
    running: Running
    receiver: Receiver

    def arrived(self) -> list[dict[str, Any]]:
        """What the sink took, in its order."""
        return [json.loads(one.body) for one in self.receiver.accepted]

    def in_hub(self, columns: str = "event_id") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.folder}/hub.db?mode=ro", uri=True)) as database:
            return database.execute(f"SELECT {columns} FROM events").fetchall()

    def gone_on(self) -> set[str]:
        """Incidents of which this program has said something."""
        known = {one.id for one in self.left}
        rows = self.in_hub("event_id, incident_id")
        return {incident for event, incident in rows if incident and event not in known}

    def ask(self, port: int, path: str) -> Any:
        return asked(self.folder / "state", port, path)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpgradedCity]:
    folder = unpacked(tmp_path_factory.mktemp("upgraded"))
    made_for_today(folder)
    left = left_events(folder)
    receiver = Receiver(port=SINK_PORT)
    running = Running(folder)
    yield UpgradedCity(folder, left, running, receiver)
    if running.process.poll() is None:
        for process in psutil.Process(running.process.pid).children(recursive=True):
            process.kill()
        running.process.kill()
        running.process.wait()
    receiver.close()


def test_what_was_admitted_is_still_admitted(tmp_path: Path) -> None:
    for version in ("1", "2"):
        package = ModelPackage.load(unpacked(tmp_path / version) / "packages/crowding" / version)
        assert why_not_admitted(package) == ""


def test_what_was_not_delivered_arrives_in_order(city: UpgradedCity) -> None:
    wanted = {one.id for one in city.left}
    assert len(wanted) == len(city.left) > 5
    city.running.wait(lambda: wanted <= {one["id"] for one in city.arrived()}, "they arrive")
    city.running.wait(lambda: wanted <= {row[0] for row in city.in_hub()}, "the hub has them")
    first: dict[str, int] = {}
    for place, event in enumerate(city.arrived()):
        first.setdefault(event["id"], place)
    for worker in {one.worker for one in city.left}:
        own = [one for one in city.left if one.worker == worker]
        places = [first[one.id] for one in sorted(own, key=lambda one: one.sequence)]
        assert places == sorted(places), worker


def test_it_runs_the_version_and_the_rule_that_it_ran(city: UpgradedCity) -> None:
    city.running.wait(lambda: bool(city.ask(API_PORT, "/cameras")), "the control API answers")
    models = city.ask(API_PORT, "/models")
    assert [(one["name"], one["version"]) for one in models] == [("crowding", "1")]
    kept = json.loads((city.folder / "state" / "rules.json").read_text("utf-8"))
    assert kept["versions"]["crowding.density"] == "1"


def test_keyframes_of_before_are_shown(city: UpgradedCity) -> None:
    keyframes = city.folder / "keyframes"
    keys = [path.relative_to(keyframes).as_posix() for path in keyframes.glob("**/*.jpg")]
    old = [key for key in keys if "2026/11/27" in key]
    assert len(old) >= 2
    for key in old:
        address = f"http://127.0.0.1:{HUB_PORT}/api/keyframes/{key}"
        request = urllib.request.Request(address, headers=auth_of(city.folder / "state"))
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.read(3) == b"\xff\xd8\xff"


def test_open_incidents_go_on_under_their_ids_and_end_once(city: UpgradedCity) -> None:
    old = {one.incident for one in city.left if one.incident}
    assert len(old) == 2
    city.running.wait(lambda: old <= city.gone_on(), "both go on")
    city.running.process.send_signal(signal.SIGTERM)
    assert city.running.process.wait(STOP_S) == 0, city.running.output
    happened = city.in_hub("incident_id, type, revision")
    assert {incident for incident, _, _ in happened if incident} == old
    for incident in old:
        own = [(kind, revision) for name, kind, revision in happened if name == incident]
        assert len({revision for _, revision in own}) == len(own)
        assert [kind for kind, _ in own].count("cityeye.incident.started") == 1
        assert [kind for kind, _ in own].count("cityeye.incident.ended") == 1
    ids = {one["id"] for one in city.arrived() if one["type"] != HEARTBEAT}
    assert {row[0] for row in city.in_hub()} == ids, "the sink has what the hub has"
