"""A real `cityeye run` on a cluster of several machines, with cameras in the field."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.chaos.processes import PROCESSES
from cityeye.model_place import cache_folder
from simulation import ensure_clips
from tests.e2e.command import asked, free_ports
from tests.e2e.ray_machines import RayMachines

SCENE = "square-crowd"
FIELD = {"network": "field"}
CAMERAS = ("square-1", "square-2", "square-3", "square-4")
START_S = 240.0
MODELS = {"detector": "in_process", "threads": 1, "replicas": 1, "precision": "fp32"}


class ClusterCity:
    """`cityeye run` on the head of a cluster; its cameras are on the machines of the field.

    With `machine`, its name, it is there and not on the head.
    """

    def __init__(
        self,
        folder: Path,
        cluster: RayMachines,
        machine: str = "",
        cameras: tuple[str, ...] = CAMERAS,
        fps: float = 2,
    ) -> None:
        self.folder, self.cluster, self._fps = folder, cluster, fps
        inside = cluster.machines[machine].inside if machine else []
        self._is_inside = bool(inside)
        self.hub_port, self.api_port = free_ports(2)
        self.clip = ensure_clips((SCENE,), cache_folder("clips", os.environ))[SCENE]
        self.write(cameras)
        with (folder / "output.txt").open("w") as stream:
            self.process = subprocess.Popen(
                [*inside, sys.executable, "-m", "cityeye", "run", folder / "city.yaml"],
                cwd=folder,
                env={**os.environ, "COLUMNS": "200", **cluster.environment},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def write(self, cameras: tuple[str, ...]) -> None:
        rules = {"crowding.density": {"min_persons": 2, "confirm_s": 2}}
        task = {"model": "crowding", "fps": self._fps, "rules": rules}
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
            "models": MODELS,
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

    def kill_city_process(self) -> None:
        """Kills the driver of Ray; the main process starts another one."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            if PROCESSES["city process"] in " ".join(process.cmdline()):
                process.kill()

    def stop(self) -> int:
        """Ends it in order; its status."""
        program = psutil.Process(self.process.pid)
        # What enters another machine passes the status on, and no signal.
        (program,) = program.children() if self._is_inside else (program,)
        program.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def apply(self, *cameras: str) -> subprocess.CompletedProcess[str]:
        """Writes the file with these cameras and gives it to the city."""
        self.write(cameras)
        return subprocess.run(
            [sys.executable, "-m", "cityeye", "apply", "city.yaml"],
            cwd=self.folder,
            env={**os.environ, **self.cluster.environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def health(self) -> Any:
        return asked(self.folder / "state", self.api_port, "/health")

    def given_fps(self) -> float:
        """Frames with a result per second, of all cameras; 0 where that is not known."""
        health = self.health() or {"load": {}}
        return sum(one["given_fps"] for one in health["load"].values())

    def problems(self) -> str:
        """What `/health` says is wrong; `no answer` where it does not answer."""
        answer = self.health()
        return "\n".join(answer["problems"]) if answer else "no answer"

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
