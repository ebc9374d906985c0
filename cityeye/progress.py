"""What a run says of itself: lines at the terminal while it lasts, and the report at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from pipelines import CameraSnapshot, Priority, PriorityLoad, overload
from serving import WorkerState, loads_of

SUMMARY_EVERY_S = 15.0
STYLES_OF_LOAD = {True: "yellow", False: "green"}
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
        self._overloaded = False

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads along, and not a file or a journal."""
        return self._console.is_terminal

    def step(self, text: str, style: str = "") -> None:
        """One line, with the seconds since the start."""
        line = Text(f"{time.monotonic() - self._started_s:6.1f} s  ", style="dim")
        line.append(text, style=style)
        self._console.print(line, soft_wrap=True)

    def observe(self, workers: Sequence[WorkerState]) -> None:
        """Says what changed since the last call."""
        for state in workers:
            self._observe_worker(state)
        cameras = [camera for state in workers for camera in state.cameras]
        for camera in cameras:
            self._observe_camera(camera)
        loads = loads_of(workers)
        if loads:  # Of workers that are silent nothing is known.
            self._observe_load(overload(loads))
        now_s = time.monotonic()
        if now_s - self._summarised_s >= SUMMARY_EVERY_S:
            self._summarised_s = now_s
            self.step(_summary(cameras, loads), "dim")

    def _observe_worker(self, state: WorkerState) -> None:
        if state.restarts > self._restarts[state.name]:
            self._restarts[state.name] = state.restarts
            self.step(f"{state.name} was replaced ({state.restarts} times so far)", "yellow")
        fault = state.snapshot.group.detector_fault if state.snapshot else ""
        if fault != self._faults.get(state.name, ""):
            self._faults[state.name] = fault
            style = "red" if fault else "green"
            self.step(f"{state.name}: {fault or 'the detector answers again'}", style)

    def _observe_load(self, problem: str) -> None:
        """Says that more is asked for than can be inferred when it begins, and when it ends."""
        if bool(problem) == self._overloaded:
            return
        self._overloaded = bool(problem)
        self.step(problem or "all that is asked for is given again", STYLES_OF_LOAD[bool(problem)])

    def _observe_camera(self, camera: CameraSnapshot) -> None:
        shown = f"{camera.state.value}: {camera.reason}" if camera.reason else camera.state.value
        if self._states.get(camera.id) != shown:
            self._states[camera.id] = shown
            self.step(f"camera {camera.id} is {shown}", STYLES[camera.state.value])
        for kind, count in camera.statistics.incidents.items():
            if count > self._incidents[camera.id, kind]:
                self._incidents[camera.id, kind] = count
                self.step(f"incident {kind} at camera {camera.id}", "bold magenta")


def _summary(cameras: Sequence[CameraSnapshot], loads: Mapping[Priority, PriorityLoad]) -> str:
    statistics = [camera.statistics for camera in cameras]
    online = sum(camera.state.value == "online" for camera in cameras)
    asked = sum(load.asked_fps for load in loads.values())
    given = sum(load.given_fps for load in loads.values())
    age_ms = max((one.frame_age_ms["p95"] for one in statistics), default=0.0)
    incidents = sum(sum(one.incidents.values()) for one in statistics)
    return (
        f"{online} of {len(cameras)} cameras online, throughput {given:.1f} of "
        f"{asked:.1f} images/s, p95 frame age {age_ms:.0f} ms, {incidents} incidents so far"
    )


def report(workers: Sequence[WorkerState], kinds: Sequence[str]) -> dict[str, Any]:
    """What was measured in a run, ready for JSON; `kinds` of incidents not found count as 0.

    Returns:
        `cameras` by id (`frame_age_ms` is arrival of a frame to its result), `incidents` opened
        by kind, `events_delivered` to all sinks and `keyframes_stored`.
    """
    cameras = [camera for state in workers for camera in state.cameras]
    incidents: Counter[str] = Counter(dict.fromkeys(kinds, 0))
    for camera in cameras:
        incidents.update(camera.statistics.incidents)
    relays = [state.snapshot.relay for state in workers if state.snapshot]
    return {
        "cameras": {camera.id: _camera_report(camera) for camera in cameras},
        "incidents": dict(sorted(incidents.items())),
        "events_delivered": sum(relay.events_delivered for relay in relays),
        "keyframes_stored": sum(relay.keyframes_stored for relay in relays),
    }


def _camera_report(camera: CameraSnapshot) -> dict[str, Any]:
    statistics = camera.statistics
    return {
        "decoded": camera.reader.decoded,
        "analysed": statistics.analysed,
        "dropped": camera.reader.dropped,
        "failed": statistics.failed,
        "requested_fps": statistics.requested_fps,
        "achieved_fps": statistics.achieved_fps,
        "frame_age_ms": dict(statistics.frame_age_ms),
        "state": camera.state.value,
        "reason": camera.reason,
        "incidents": dict(statistics.incidents),
    }
