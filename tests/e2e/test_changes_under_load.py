"""While cameras, zones, rules and versions change, cameras that nobody touches lose no frames."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from cityeye.control_socket import request_apply
from cityeye.model_place import cache_folder
from models import BUILTIN_ROOT, ModelPackage
from simulation import ensure_clips
from tests.e2e.command import Running, asked, auth_of, free_ports
from tests.models.admitted import as_if_admitted

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.proof,
    pytest.mark.timeout(400),
]

SCENE = "square-crowd"
FPS = 5.0
UNTOUCHED = ("north", "east", "south")
WINDOW_S = 20.0
CHANGE_EVERY_S = 1.0
CHANGES = 40
LOST = 0.01
"""More of the frames that are due may be lost than without changes: one in a hundred."""

STOP_S = 60.0


@dataclass(frozen=True)
class Count:
    """What became of the frames of a camera."""

    at_s: float
    analysed: int
    lost: int

    def since(self, before: Count) -> Count:
        return Count(
            self.at_s - before.at_s, self.analysed - before.analysed, self.lost - before.lost
        )

    @property
    def missing(self) -> float:
        """The share of the frames that were due by its rate and have no result."""
        return 1.0 - self.analysed / (FPS * self.at_s)


class ChangedCity:
    """All cameras in one worker, so that whoever changes has those who do not beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hub_port, self.api_port = free_ports(2)
        for version in ("1", "2"):
            package = folder / "packages" / "crowding" / version
            shutil.copytree(BUILTIN_ROOT / "crowding" / "1", package)
            manifest = yaml.safe_load((package / "model.yaml").read_text("utf-8"))
            (package / "model.yaml").write_text(yaml.safe_dump({**manifest, "version": version}))
            as_if_admitted(ModelPackage.load(package))
        clip = ensure_clips((SCENE,), cache_folder("clips", os.environ))[SCENE]
        self.source = f"{clip.as_uri()}?realtime=1&loop=1"
        self.cameras = {name: self.camera(name) for name in (*UNTOUCHED, "zones", "rules")}
        self.cameras["zones"]["tasks"]["crowding"]["zones"] = ["all"]
        self.cameras["zones"]["zones"] = {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}
        self.write()
        self.running = Running(folder)

    def camera(self, name: str, **rule: float) -> dict[str, Any]:
        parameters = {"min_persons": 2, **rule}
        task = {"model": "crowding", "fps": FPS, "rules": {"crowding.density": parameters}}
        return {"id": name, "source": self.source, "tasks": {"crowding": task}}

    def write(self) -> None:
        document = {
            "cameras": list(self.cameras.values()),
            "hub": {"port": self.hub_port, "database": "sqlite:///hub.db"},
            "api": {"port": self.api_port},
            "models": {
                "path": "packages",
                "detector": "in_process",
                "threads": 1,
                "keep_warm_s": 0,
            },
            "workers": {"cameras_per_worker": 8},
            "capacity": "share",
            "state": "state",
        }
        path = self.folder / "city.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")

    def apply(self) -> None:
        self.write()
        outcome = request_apply(self.folder / "state", self.folder / "city.yaml", dry_run=False)
        assert outcome.done, outcome.lines

    def post(self, path: str, body: object = None) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api_port}/models/crowding/{path}",
            json.dumps(body).encode(),
            {**auth_of(self.folder / "state"), "Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    def counts(self) -> dict[str, Count]:
        answer = asked(self.folder / "state", self.api_port, "/cameras") or []
        now_s = time.monotonic()
        return {
            one["id"]: Count(now_s, one["analysed"], one["dropped"] + one["failed"])
            for one in answer
            if one["analysed"] is not None
        }

    def changes(self) -> Iterator[Callable[[], None]]:
        """One after the other, without end: zones, rules, cameras, versions."""
        for number in itertools.count():
            right = 0.6 + 0.1 * (number % 4)
            zone = {"all": [[0.1, 0.1], [right, 0.1], [right, 0.9], [0.1, 0.9]]}
            yield lambda zone=zone: self._take("zones", zones=zone)  # type: ignore[misc]
            yield lambda few=number % 3 + 2: self._rule(few)  # type: ignore[misc]
            yield lambda: self._take("guest", name="Guest")
            yield lambda: self.post("rollout", {"canary": "1", "cameras": "zones,rules"})
            yield lambda: self._without("guest")
            yield lambda: self.post("rollout", {"canary": "none"})

    def _take(self, camera: str, **keys: object) -> None:
        self.cameras[camera] = {**self.cameras.get(camera, self.camera(camera)), **keys}
        self.apply()

    def _rule(self, few: int) -> None:
        self.cameras["rules"] = self.camera("rules", min_persons=few)
        self.apply()

    def _without(self, name: str) -> None:
        del self.cameras[name]
        self.apply()

    def end(self) -> None:
        if self.running.process.poll() is None:
            for process in psutil.Process(self.running.process.pid).children(recursive=True):
                process.kill()
            self.running.process.kill()
            self.running.process.wait()


@pytest.fixture
def city(tmp_path: Path) -> Iterator[ChangedCity]:
    city = ChangedCity(tmp_path)
    yield city
    city.end()


def test_untouched_cameras_lose_nothing(city: ChangedCity, record_property) -> None:
    def all_analysed() -> bool:
        counts = city.counts()
        return counts.keys() == city.cameras.keys() and all(
            one.analysed > 5 for one in counts.values()
        )

    city.running.wait(all_analysed, "all cameras are analysed")
    began = city.counts()
    time.sleep(WINDOW_S)
    rested = city.counts()
    for change in itertools.islice(city.changes(), CHANGES):
        next_s = time.monotonic() + CHANGE_EVERY_S
        change()
        time.sleep(max(0.0, next_s - time.monotonic()))
    changed = city.counts()
    for name in UNTOUCHED:
        before, during = rested[name].since(began[name]), changed[name].since(rested[name])
        record_property(f"{name}: missing before", round(before.missing, 4))
        record_property(
            f"{name}: missing during {during.at_s:.0f} s of changes", round(during.missing, 4)
        )
        record_property(f"{name}: dropped or failed during changes", during.lost)
        assert during.missing <= max(0.0, before.missing) + LOST
        assert during.lost <= LOST * during.analysed + before.lost
    cameras = {one["id"]: one for one in asked(city.folder / "state", city.api_port, "/cameras")}
    assert {cameras[name]["reconnects"] for name in UNTOUCHED} == {0}
    assert "was replaced" not in city.running.output
    city.running.process.send_signal(signal.SIGTERM)
    assert city.running.process.wait(STOP_S) == 0
