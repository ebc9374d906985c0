"""A real `cityeye run` whose processes are killed and stopped, watched from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.chaos.processes import PROCESSES
from tests.e2e.command import asked, free_ports

ROOT = Path(__file__).parents[2]
START_S = 180.0
COUNTED_EVERY_S = 1.5
"""Workers are asked for their counts once a second."""

CAMERAS = ("gate", "yard")


class SupervisedCity:
    """A program with two cameras, one worker and, if asked for, models on Ray Serve."""

    def __init__(
        self, folder: Path, clip: Path, detector: str, ray: str = "local", **environment: str
    ) -> None:
        self.folder = folder
        self.hub_port, self.api_port = free_ports(2)
        task = {"crowding": {"model": "crowding", "fps": 4}}
        document = {
            "cameras": [
                {"id": camera, "source": f"{clip.as_uri()}?realtime=1&loop=1", "tasks": task}
                for camera in CAMERAS
            ],
            "hub": {"port": self.hub_port, "database": "sqlite:///hub.db"},
            "api": {"port": self.api_port},
            "models": {"detector": detector},
            "ray": {"address": ray},
            "state": "state",
        }
        (folder / "city.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        self.output = folder / "output.txt"
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cityeye", "run", "city.yaml"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def below(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def find(self, name: str) -> list[psutil.Process]:
        """The processes of a kind."""
        found = []
        for process in self.below():
            with contextlib.suppress(psutil.Error):
                if PROCESSES[name] in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def ask(self, port: int, path: str) -> Any:
        """The JSON that a path answers; None where nobody does."""
        return asked(self.folder / "state", port, path)

    def health(self) -> Any:
        return self.ask(self.api_port, "/health")

    def hub_cameras(self) -> dict[str, str]:
        """The state of each camera as the hub shows it; empty where it does not answer."""
        answer = self.ask(self.hub_port, "/api/cameras")
        return {one["camera"]["id"]: one["state"] for one in answer["cameras"]} if answer else {}

    def analysed(self) -> int | None:
        """Frames with a result, over all cameras; None where that is not known."""
        answer = self.ask(self.api_port, "/cameras")
        if not answer or any(one["analysed"] is None for one in answer):
            return None
        return sum(one["analysed"] for one in answer)

    def ailment(self) -> str:
        """What is not good: health, inference or hub; empty where all is well."""
        health = self.health()
        if not health:
            return "health does not answer"
        if health["status"] != "ok" or health["cameras_online"] != len(CAMERAS):
            return f"health is {health['status']}, {health['cameras_online']} online"
        before = self.analysed()
        time.sleep(COUNTED_EVERY_S)
        after = self.analysed()
        if before is None or after is None or after <= before:
            return f"frames with a result: {before}, then {after}"
        return "" if self.ask(self.hub_port, "/health") else "the hub does not answer"

    def is_well(self) -> bool:
        """Whether health is good, frames are inferred, and the hub answers."""
        return not self.ailment()

    def wait_until(self, holds: Callable[[], bool], limit_s: float = START_S) -> float:
        """Waits; returns the seconds that it took."""
        started_s = time.monotonic()
        while not holds():
            assert time.monotonic() - started_s < limit_s, self.text()[-4000:]
            assert self.process.poll() is None, self.text()[-4000:]
            time.sleep(0.1)
        return time.monotonic() - started_s

    def stop(self) -> None:
        """Ends everything, by force where a stop does not."""
        if self.process.poll() is None:
            left = self.below()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            _, alive = psutil.wait_procs(left, timeout=5)
            for process in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


@contextlib.contextmanager
def well_city(folder: Path, clip: Path) -> Iterator[SupervisedCity]:
    """A city that has come to work, with models in the worker; ended with the context."""
    city = SupervisedCity(folder, clip, "in_process")
    try:
        city.wait_until(city.is_well)
        yield city
    finally:
        city.stop()
