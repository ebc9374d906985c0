"""Prints what a running city does at a terminal: steps, camera states, incidents."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from cityeye.report import cameras_of
from pipelines.group_camera import CameraSnapshot
from serving.director import WorkerState

SUMMARY_EVERY_S = 15.0
STYLES = {"online": "green", "degraded": "yellow", "offline": "red", "unauthorized": "red"}


class Progress:
    """Prints a line for everything that changed, and a summary from time to time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_s = time.monotonic()
        self._summarised_s = self._started_s
        self._states: dict[str, str] = {}
        self._incidents: Counter[tuple[str, str]] = Counter()
        self._restarts: Counter[str] = Counter()
        self._faults: dict[str, str] = {}

    def step(self, text: str, style: str = "") -> None:
        """One line, with the seconds since the start."""
        line = Text(f"{time.monotonic() - self._started_s:6.1f} s  ", style="dim")
        line.append(text, style=style)
        self._console.print(line, soft_wrap=True)

    def observe(self, workers: Sequence[WorkerState]) -> None:
        """Says what changed since the last call."""
        for state in workers:
            self._observe_worker(state)
        cameras = cameras_of(workers)
        for camera in cameras:
            self._observe_camera(camera)
        now_s = time.monotonic()
        if now_s - self._summarised_s >= SUMMARY_EVERY_S:
            self._summarised_s = now_s
            self.step(_summary(cameras), "dim")

    def _observe_worker(self, state: WorkerState) -> None:
        if state.restarts > self._restarts[state.name]:
            self._restarts[state.name] = state.restarts
            self.step(f"{state.name} was replaced ({state.restarts} times so far)", "yellow")
        fault = state.snapshot.group.detector_fault if state.snapshot else ""
        if fault != self._faults.get(state.name, ""):
            self._faults[state.name] = fault
            style = "red" if fault else "green"
            self.step(f"{state.name}: {fault or 'the detector answers again'}", style)

    def _observe_camera(self, camera: CameraSnapshot) -> None:
        shown = f"{camera.state.value}: {camera.reason}" if camera.reason else camera.state.value
        if self._states.get(camera.id) != shown:
            self._states[camera.id] = shown
            self.step(f"camera {camera.id} is {shown}", STYLES[camera.state.value])
        for kind, count in camera.statistics.incidents.items():
            if count > self._incidents[camera.id, kind]:
                self._incidents[camera.id, kind] = count
                self.step(f"incident {kind} at camera {camera.id}", "bold magenta")


def _summary(cameras: Sequence[CameraSnapshot]) -> str:
    statistics = [camera.statistics for camera in cameras]
    online = sum(camera.state.value == "online" for camera in cameras)
    requested = sum(one.requested_fps for one in statistics)
    achieved = sum(one.achieved_fps for one in statistics)
    age_ms = max((one.frame_age_ms["p95"] for one in statistics), default=0.0)
    incidents = sum(sum(one.incidents.values()) for one in statistics)
    return (
        f"{online} of {len(cameras)} cameras online, throughput {achieved:.1f} of "
        f"{requested:.1f} images/s, p95 frame age {age_ms:.0f} ms, {incidents} incidents so far"
    )
