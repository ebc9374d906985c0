"""A city on a cluster of several machines, of which one is lost and comes back."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from cityeye.model_place import cache_folder
from simulation import ensure_clips
from tests.e2e.command import asked, free_ports
from tests.e2e.ray_machines import RayMachines

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.proof,
    pytest.mark.timeout(900),
]

SCENE = "square-crowd"
FIELD = {"network": "field"}
CAMERAS = ("square-1", "square-2", "square-3", "square-4")
START_S = 240.0
AGAIN_S = 30.0
"""Within so many seconds cameras of a machine that was lost are inferred elsewhere."""


class ClusterCity:
    """`cityeye run` on the head of a cluster; its cameras are on the machines of the field."""

    def __init__(self, folder: Path, cluster: RayMachines) -> None:
        self.folder, self.cluster = folder, cluster
        self.hub_port, self.api_port = free_ports(2)
        self.clip = ensure_clips((SCENE,), cache_folder("clips", os.environ))[SCENE]
        self.write(CAMERAS)
        with (folder / "output.txt").open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cityeye", "run", "city.yaml"],
                cwd=folder,
                env={**os.environ, "COLUMNS": "200", **cluster.environment},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def write(self, cameras: tuple[str, ...]) -> None:
        rules = {"crowding.density": {"min_persons": 2, "confirm_s": 2}}
        task = {"model": "crowding", "fps": 2, "rules": rules}
        document = {
            "cameras": [
                {
                    "id": camera,
                    "source": f"{self.clip.as_uri()}?realtime=1&loop=1",
                    "node": FIELD,
                    "tasks": {"crowding": task},
                }
                for camera in cameras
            ],
            "keyframes": {"folder": "keyframes"},
            "hub": {"port": self.hub_port, "database": "sqlite:///hub.db"},
            "api": {"port": self.api_port},
            "models": {"detector": "in_process", "threads": 1, "replicas": 1},
            "workers": {"nodes": "all", "cameras_per_worker": 1},
            "ray": {"address": self.cluster.address},
            "state": "state",
        }
        (self.folder / "city.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")

    def text(self) -> str:
        return (self.folder / "output.txt").read_text("utf-8")

    def cameras(self) -> dict[str, dict[str, Any]]:
        answer = asked(self.folder / "state", self.api_port, "/cameras")
        return {one["id"]: one for one in answer or []}

    def analysed_on(self) -> dict[str, str]:
        """The node of each camera that is analysed."""
        before = self.cameras()
        time.sleep(2.0)
        return {
            name: one["node"]
            for name, one in self.cameras().items()
            if _is_analysed(before.get(name), one)
        }

    def incidents(self) -> list[dict[str, Any]]:
        answer = asked(self.folder / "state", self.hub_port, "/api/incidents?limit=200")
        return answer["incidents"] if answer else []

    def wait(self, holds: Callable[[], bool], what: str, limit_s: float = START_S) -> float:
        began_s = time.monotonic()
        while not holds():
            assert time.monotonic() - began_s < limit_s, f"{what}\n{self.text()[-4000:]}"
            assert self.process.poll() is None, self.text()[-4000:]
            time.sleep(0.2)
        return time.monotonic() - began_s

    def stop(self) -> int:
        """Ends it in order; its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def end(self) -> None:
        """Whatever is left of it."""
        left = []
        with suppress(psutil.NoSuchProcess):
            left = psutil.Process(self.process.pid).children(recursive=True)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()
        self.process.wait()


def _is_analysed(before: dict[str, Any] | None, after: dict[str, Any]) -> bool:
    was, now = before and before["analysed"], after["analysed"]
    return was is not None and now is not None and now > was


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RayMachines]:
    cluster = RayMachines(tmp_path)
    try:
        cluster.start("head", 1, network="office")
        cluster.start("north", 2, **FIELD)
        cluster.start("south", 2, **FIELD)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def city(tmp_path: Path, cluster: RayMachines) -> Iterator[ClusterCity]:
    city = ClusterCity(tmp_path, cluster)
    yield city
    city.end()


def committed(state: Path) -> set[str]:
    """Ids of the events in the outboxes below a folder whose owners are dead."""
    found = set()
    for path in state.glob("*/outbox.db"):
        with closing(sqlite3.connect(path)) as db:
            found |= {row[0] for row in db.execute("SELECT id FROM event")}
    return found


def stored(folder: Path) -> set[str]:
    """Ids of the events that the hub has."""
    with closing(sqlite3.connect(f"file:{folder}/hub.db?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("SELECT event_id FROM events")}


def open_ones(folder: Path) -> int:
    """How many incidents the hub shows as open."""
    with closing(sqlite3.connect(f"file:{folder}/hub.db?mode=ro", uri=True)) as db:
        counted: int = db.execute("SELECT count(*) FROM incidents WHERE is_open").fetchone()[0]
        return counted


def test_cameras_of_a_machine_that_is_lost_go_on_elsewhere(cluster, city, record_property) -> None:
    city.wait(lambda: len(city.analysed_on()) == len(CAMERAS), "all cameras are analysed")
    places = city.analysed_on()
    assert sorted(places.values()) == ["north", "north", "south", "south"]
    lost = {name for name, node in places.items() if node == "north"}
    city.wait(lambda: {one["camera"]["id"] for one in city.incidents()} >= lost, "incidents open")

    cluster.machines["north"].kill()
    went_on_s = city.wait(
        lambda: city.analysed_on() == dict.fromkeys(CAMERAS, "south"),
        "cameras go on elsewhere",
    )
    record_property("seconds until all cameras were analysed again", round(went_on_s, 1))
    assert went_on_s < AGAIN_S
    workers = [one for one in cluster.actors() if one.startswith("cityeye-worker:")]
    assert len({one.split(":")[1] for one in workers}) == len(workers) == len(CAMERAS)

    promised = committed(cluster.machines["north"].state)
    assert promised
    back = cluster.start("north", 2, **FIELD)
    city.wait(lambda: promised <= stored(city.folder), "what north had promised has arrived")
    assert set(city.analysed_on().values()) == {"south"}, "what runs well does not move"

    city.write((*CAMERAS, "square-5"))
    applied = subprocess.run(
        [sys.executable, "-m", "cityeye", "apply", "city.yaml"],
        cwd=city.folder,
        env={**os.environ, **cluster.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert applied.returncode == 0, applied.stdout + applied.stderr
    city.wait(lambda: city.analysed_on().get("square-5") == "north", "the new camera uses north")

    assert city.stop() == 0, city.text()
    assert cluster.actors() == []
    assert open_ones(city.folder) == 0
    back.kill()
    assert committed(back.state) <= stored(city.folder)
