"""A city under profile on rendered cameras: its processes, and windows measured in one mode."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.errors import BenchmarkError
from benchmarks.processes import processes_of
from benchmarks.profiling.account import ProfileWindow
from benchmarks.profiling.recorder import (
    LINES_FILE,
    MODE_FILE,
    READ_EVERY_S,
    WRITE_EVERY_S,
    ProfileLine,
    ProfileMode,
)
from models import BUILTIN_ROOT, ModelPackage
from simulation.scenes import SCENES, scene_named

START_TIMEOUT_S: Final = 180.0
STOP_TIMEOUT_S: Final = 90.0
POLL_S: Final = 0.5
NEAR: Final = 0.9
"""The city runs when it infers this share of what is asked for, or `SETTLE_TIMEOUT_S` are over."""

SETTLE_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class ProfiledCitySpec:
    """The city to profile.

    Attributes:
        package: The model that every camera needs.
        clips: What the cameras show, by name; repeated as needed. A scene's name gives its zones.
        cameras: How many cameras.
        fps: Frames per second to infer of each.
        detector: `models.detector` of the configuration.
        hub: Whether the embedded hub runs and receives the events; without, nobody does.
        signals: Whether every camera asks for all signals of its images.
    """

    package: ModelPackage
    clips: Mapping[str, Path]
    cameras: int
    fps: float
    detector: str
    hub: bool = False
    signals: bool = True

    def document(self, urls: list[str], ports: tuple[int, int]) -> dict[str, Any]:
        """The configuration, as a person would write it."""
        built_in = self.package.directory.resolve().is_relative_to(BUILTIN_ROOT.resolve())
        models: dict[str, Any] = {"detector": self.detector}
        if not built_in:
            models["path"] = str(self.package.directory.resolve().parents[1])
        names = itertools.cycle(self.clips)
        return {
            "city": {"name": "Profile", "division": "510118"},
            "cameras": [
                self._camera(number, url, next(names), pinned=not built_in)
                for number, url in enumerate(urls, start=1)
            ],
            "models": models,
            "keyframes": {"folder": "keyframes"},
            "api": {"port": ports[0]},
            "state": "state",
            # A configuration without any receiver is refused; see `--without-sinks`.
            **(
                {"hub": {"port": ports[1], "database": "sqlite:///hub.db"}}
                if self.hub
                else {"sinks": [{"url": f"http://127.0.0.1:{ports[1]}/events"}]}
            ),
        }

    def _camera(self, number: int, url: str, clip: str, *, pinned: bool) -> dict[str, Any]:
        task = self.package.manifest.tasks[0]
        model = str(self.package.name) + (f"/{self.package.version}" if pinned else "")
        wanted: dict[str, Any] = {"model": model, "fps": self.fps}
        camera: dict[str, Any] = {"id": f"camera-{number}", "source": url, "tasks": {task: wanted}}
        if self.signals:
            camera["signals"] = ["view", "motion", "static_change"]
        if clip in SCENES:
            scene = scene_named(clip)
            zones = [zone for zone in scene.zones if zone.task == task]
            camera["ground"] = [
                [round(value, 4) for value in (*point.image, *point.ground_m)]
                for point in scene.ground_points()
            ]
            camera["zones"] = {
                zone.name: [[round(x, 4), round(y, 4)] for x, y in zone.polygon] for zone in zones
            }
            wanted["zones"] = [zone.name for zone in zones]
        return camera


class ProfiledCity:
    """A running city whose workers record the profile."""

    def __init__(
        self, spec: ProfiledCitySpec, folder: Path, process: subprocess.Popen[bytes]
    ) -> None:
        self._spec = spec
        self._state = folder / "state"
        self._log = folder / "city.log"
        self._process = process

    def wait_until_running(self) -> None:
        """Waits until the city infers what it is asked for, or as much as it can.

        Raises:
            BenchmarkError: It ended, or infers nothing.
        """
        started_s = time.monotonic()
        first_s: float | None = None
        wanted = NEAR * self._spec.cameras * self._spec.fps
        while True:
            time.sleep(POLL_S)
            now_s = time.monotonic()
            newest = [one[-1] for one in self.lines() if one]
            per_s = sum(one.inferred / (one.to_s - one.from_s) for one in newest)
            if first_s is None and per_s > 0:
                first_s = now_s
            if per_s >= wanted or (first_s is not None and now_s - first_s > SETTLE_TIMEOUT_S):
                return
            if self._process.poll() is not None or now_s - started_s > START_TIMEOUT_S:
                raise BenchmarkError(f"the city infers nothing: {self._last_words()}")

    def measure(self, mode: ProfileMode, seconds: float) -> ProfileWindow:
        """Measures for some seconds.

        Raises:
            BenchmarkError: The city has ended.
        """
        (self._state / MODE_FILE).write_text(mode, encoding="utf-8")
        # Until the workers have seen it and have written what they did before.
        time.sleep(READ_EVERY_S + WRITE_EVERY_S)
        before, from_s = processes_of(self._process.pid), time.monotonic()
        time.sleep(seconds)
        after, to_s = processes_of(self._process.pid), time.monotonic()
        if self._process.poll() is not None:
            raise BenchmarkError(f"the city has ended: {self._last_words()}")
        return ProfileWindow(mode, from_s, to_s, after.since(before))

    def lines(self) -> list[list[ProfileLine]]:
        """What the workers wrote so far."""
        files = sorted(self._state.glob(f"*/{LINES_FILE}"))
        # The last line of a file may not be complete yet.
        texts = [file.read_text(encoding="utf-8").split("\n")[:-1] for file in files]
        return [[ProfileLine.model_validate_json(line) for line in text] for text in texts]

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"


@contextmanager
def profiled_city(spec: ProfiledCitySpec, folder: Path) -> Iterator[ProfiledCity]:
    """A running city with its cameras, as long as the context lasts; `folder` is empty.

    Raises:
        BenchmarkError: It did not start.
    """
    (folder / "state").mkdir()
    (folder / "state" / MODE_FILE).write_text("off", encoding="utf-8")
    with ExitStack() as stack:
        urls = stack.enter_context(_cameras(spec, folder))
        document = spec.document(urls, (_free_port(), _free_port()))
        path = folder / "city.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        log = stack.enter_context((folder / "city.log").open("wb"))
        flags = () if spec.hub else ("--without-sinks",)
        command = [sys.executable, "-m", "cityeye.profiled_city", str(path), *flags]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        stack.callback(_stop, process)
        city = ProfiledCity(spec, folder, process)
        city.wait_until_running()
        yield city


@contextmanager
def _cameras(spec: ProfiledCitySpec, folder: Path) -> Iterator[list[str]]:
    """URLs of the cameras, which a process of their own serves."""
    clips = itertools.cycle(spec.clips.values())
    links = [folder / f"camera-{number}.mp4" for number in range(1, spec.cameras + 1)]
    for link, clip in zip(links, clips, strict=False):
        os.symlink(clip.absolute(), link)
    command = [sys.executable, "-m", "simulation.rtsp_server", *map(str, links)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = process.stdout if process.stdout is not None else ()
            urls = [line.strip() for line in itertools.islice(lines, spec.cameras)]
            if len(urls) < spec.cameras:
                raise BenchmarkError(f"the RTSP server ended with status {process.wait()}")
            yield urls
        finally:
            process.terminate()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Lets the city stop in order, as its standard input ends."""
    try:
        process.communicate(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
