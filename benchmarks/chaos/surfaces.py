"""What each surface of a city says of who is watched: `SURFACES` asks them one by one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.chaos.city import ChaosCity, parsed
from benchmarks.chaos.processes import MAIN
from benchmarks.chaos.records import SurfaceClaim

ONLINE: Final = "online"
_LINE: Final = re.compile(r"^ *\d+\.\d s  (.*)$")
_CAMERA: Final = re.compile(r"camera (\S+) is (\w+)")
_METRIC: Final = re.compile(rb'^cityeye_cameras\{state="online"\} ([0-9.e+]+)$', re.MULTILINE)
_NOBODY: Final = ("nobody watches", "starting Ray", "stopping: ")
_AWAY: Final = ("the director ", "nothing is known of any camera")
_BACK: Final = "the director is back after"


class TerminalReader:
    """Follows the lines of a city: who is called online by those that still stand."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._away = False

    @property
    def watched(self) -> frozenset[str]:
        """Who is called online now."""
        if self._away:
            return frozenset()
        return frozenset(name for name, state in self._states.items() if state == ONLINE)

    def read(self, text: str) -> None:
        """Reads a line that was printed."""
        found = _LINE.match(text)
        line = found.group(1) if found else text
        camera = _CAMERA.match(line)
        if camera:
            self._states[camera.group(1)] = camera.group(2)
        elif any(word in line for word in _NOBODY):
            self._states.clear()
            self._away = False
        elif line.startswith(_BACK):
            self._away = False
        elif line.startswith(_AWAY):
            self._away = True


class Terminal:
    """The terminal of a city as a surface; what a program that has ended said counts no more."""

    def __init__(self) -> None:
        self._reader = TerminalReader()
        self._start = 0
        self._at = 0
        self._rest = ""

    def __call__(self, city: ChaosCity, cameras: frozenset[str]) -> SurfaceClaim:
        """Reads on to the end of what was printed; each start of a city begins anew."""
        if city.starts != self._start:
            self._start, self._reader = city.starts, TerminalReader()
        with city.output.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        self._at += len(new)
        *lines, self._rest = (self._rest + new.decode(errors="replace")).split("\n")
        for line in lines:
            self._reader.read(line)
        watched = self._reader.watched & cameras if is_there(city) else frozenset()
        return SurfaceClaim("terminal", time.monotonic(), watched)


def is_there(city: ChaosCity) -> bool:
    """Whether the main process runs."""
    return any(process.state not in "XZ" for process in city.find(MAIN))


def health(city: ChaosCity, cameras: frozenset[str]) -> SurfaceClaim:
    """`/health` calls watched whom no problem names, as long as it calls anybody online."""
    return SurfaceClaim("/health", time.monotonic(), watched_by(city.health(), cameras))


def watched_by(answer: Any, cameras: frozenset[str]) -> frozenset[str]:  # noqa: ANN401 - JSON
    """Whom an answer of `/health` calls watched."""
    if not answer or not answer["cameras_online"]:
        return frozenset()
    problems = " ".join(answer["problems"])
    return frozenset(
        camera
        for camera in cameras
        if not re.search(rf"(?<![\w.-]){re.escape(camera)}(?![\w-])", problems)
    )


def listed(city: ChaosCity, _cameras: frozenset[str]) -> SurfaceClaim:
    """`/cameras` gives the state of each."""
    answer = parsed(city.ask_api("/cameras")) or ()
    watched = frozenset(one["id"] for one in answer if one["state"] == ONLINE)
    return SurfaceClaim("/cameras", time.monotonic(), watched)


def metrics(city: ChaosCity, _cameras: frozenset[str]) -> SurfaceClaim:
    """`/metrics` counts those that are online."""
    found = _METRIC.search(city.ask_api("/metrics") or b"")
    count = int(float(found.group(1))) if found else 0
    return SurfaceClaim("/metrics", time.monotonic(), count=count)


def hub(city: ChaosCity, _cameras: frozenset[str]) -> SurfaceClaim:
    """The hub's list of cameras, which its console shows too."""
    answer = parsed(city.ask_hub("/api/cameras")) or {"cameras": ()}
    watched = frozenset(one["camera"]["id"] for one in answer["cameras"] if one["state"] == ONLINE)
    return SurfaceClaim("hub", time.monotonic(), watched)


Surface = Callable[[ChaosCity, frozenset[str]], SurfaceClaim]
"""Asks a city once, given the ids of its cameras."""

SURFACES: Final[Mapping[str, Callable[[], Surface]]] = {
    "terminal": Terminal,
    "/health": lambda: health,
    "/cameras": lambda: listed,
    "/metrics": lambda: metrics,
    "hub": lambda: hub,
}
"""Every surface by name: a new one is one entry."""
