"""What a run says of itself: lines at the terminal while it lasts, and the report at its end.

A line says what is known now. What is older than a few seconds is called unknown.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from cityeye.incident_count import IncidentCount
from pipelines import CameraSnapshot, overload
from pipelines.delivery import city_sinks
from serving import KNOWN_FOR_S, WorkerState, loads_of

SUMMARY_EVERY_S = 15.0
QUIET_FAILURE = timedelta(seconds=3)
STYLES_OF_LOAD = {True: "yellow", False: "green"}
STYLES = {"online": "green", "degraded": "yellow", "offline": "red", "unauthorized": "red"}
UNKNOWN = "unknown"
_DIGITS: Final = re.compile(r"\d+")


class Progress:
    """Prints a line for everything that changed, and a summary from time to time.

    Attributes:
        started_s: From when on lines count, monotonic seconds.
    """

    def __init__(
        self,
        console: Console,
        started_s: float | None = None,
        incidents: Mapping[str, int] | None = None,
    ) -> None:
        """With `started_s`, and what it has counted, where this process goes on for another one."""
        self._console = console
        self.started_s = time.monotonic() if started_s is None else started_s
        self._summarised_s = time.monotonic()
        self._away: dict[str, float] = {}
        self._troubles: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        self._states: dict[str, str] = {}
        self._incidents = IncidentCount(incidents)
        self._restarts: Counter[str] = Counter()
        self._faults: dict[str, str] = {}
        self._overloaded = False
        self._dead: Counter[str] = Counter()

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads along, and not a file or a journal."""
        return self._console.is_terminal

    def step(self, text: str, style: str = "") -> None:
        """One line, with the seconds since the start."""
        line = Text(f"{time.monotonic() - self.started_s:6.1f} s  ", style="dim")
        line.append(text, style=style)
        self._console.print(line, soft_wrap=True)

    def away(self, part: str, problem: str) -> None:
        """Says when a part of the program is gone, and when it is back; `problem` is then empty."""
        now_s = time.monotonic()
        if problem and part not in self._away:
            self._away[part] = now_s
            self.step(problem, "red")
        elif not problem and part in self._away:
            self.step(f"{part} is back after {now_s - self._away.pop(part):.0f} s", "green")

    def troubled(self, part: str, problems: Sequence[str]) -> None:
        """Says what is newly wrong with a part, a sentence each, and when nothing is any more."""
        # A sentence whose figures change is the same one.
        known = {_DIGITS.sub("", one): one for one in problems}
        for kept, problem in known.items():
            if kept not in self._troubles[part]:
                self.step(f"{part}: {problem}", "red")
        if self._troubles[part] and not known:
            self.step(f"{part}: nothing is wrong any more", "green")
        self._troubles[part] = frozenset(known)

    def observe(self, workers: Sequence[WorkerState]) -> None:
        """Says what changed since the last call."""
        for state in workers:
            self._observe_worker(state)
        cameras = [camera for state in workers for camera in state.cameras]
        for camera in cameras:
            self._observe_camera(camera)
        self._observe_sinks(workers)
        loads = loads_of(workers)
        if loads:  # Of workers that are silent nothing is known.
            self._observe_load(overload(loads))
        self.count(workers)
        self._summarise(lambda: self.summary(workers))

    def count(self, workers: Sequence[WorkerState]) -> None:
        """Says which incidents are new since the last call."""
        for camera, kind in self._incidents.add(workers):
            self.step(f"incident {kind} at camera {camera}", "bold magenta")

    @property
    def incidents(self) -> Mapping[str, int]:
        """How many this run has seen, by kind."""
        return dict(self._incidents.by_kind)

    def summary(self, workers: Sequence[WorkerState]) -> str:
        """What is known of all cameras, and how many incidents this run has seen, in one line."""
        count = self._incidents.by_kind.total()
        word = "incident" if count == 1 else "incidents"
        return f"{summary(workers)}, {count} {word} since the start"

    def unknown(self, why: str) -> None:
        """To be called instead of `observe` where nothing is known of any camera."""
        self._summarise(lambda: f"nothing is known of any camera: {why}")

    def _summarise(self, text: Callable[[], str]) -> None:
        now_s = time.monotonic()
        if now_s - self._summarised_s >= SUMMARY_EVERY_S:
            self._summarised_s = now_s
            self.step(text(), "dim")

    def _observe_worker(self, state: WorkerState) -> None:
        if state.restarts > self._restarts[state.name]:
            self._restarts[state.name] = state.restarts
            why = f": {state.problem}" if state.problem else ""
            said = f"{state.name} was replaced (replacements so far: {state.restarts}){why}"
            self.step(said, "yellow")
        # A start takes its time, and a new director asks before it knows.
        if state.problem or (
            state.silent_s > KNOWN_FOR_S and (state.snapshot is not None or state.restarts)
        ):
            for camera in state.unknown:
                self._show(camera, f"{UNKNOWN}: {state.silence}", "red")
        if state.current is None:
            return
        fault = state.current.group.detector_fault
        if fault != self._faults.get(state.name, ""):
            self._faults[state.name] = fault
            style = "red" if fault else "green"
            self.step(f"{state.name}: {fault or 'the detector answers again'}", style)

    def _observe_sinks(self, workers: Sequence[WorkerState]) -> None:
        """Says when a sink takes no events, when it does again, and when it refused some."""
        now = datetime.now(UTC)
        current = [state.current.relay.sinks for state in workers if state.current]
        for sink in city_sinks(one for sinks in current for one in sinks):
            # One attempt that fails is nothing to read about.
            if sink.since is None or now - sink.since > QUIET_FAILURE:
                self.away(f"sink {sink.name}", sink.trouble)
            if sink.dead > self._dead[sink.name]:
                self.step(f"sink {sink.name} refused events: see `cityeye events dead`", "red")
            self._dead[sink.name] = sink.dead

    def _observe_load(self, problem: str) -> None:
        """Says that more is asked for than can be inferred when it begins, and when it ends."""
        if bool(problem) == self._overloaded:
            return
        self._overloaded = bool(problem)
        self.step(problem or "all that is asked for is given again", STYLES_OF_LOAD[bool(problem)])

    def _observe_camera(self, camera: CameraSnapshot) -> None:
        shown = f"{camera.state.value}: {camera.reason}" if camera.reason else camera.state.value
        self._show(camera.id, shown, STYLES[camera.state.value])

    def _show(self, camera: str, shown: str, style: str) -> None:
        """Says how a camera is; that it is unknown once, whatever the reason becomes."""
        before = self._states.get(camera, "")
        self._states[camera] = shown
        if shown != before and not (shown.startswith(UNKNOWN) and before.startswith(UNKNOWN)):
            self.step(f"camera {camera} is {shown}", style)


def summary(workers: Sequence[WorkerState]) -> str:
    """What is known of all cameras in one line."""
    cameras = [camera for state in workers for camera in state.cameras]
    unknown = sum(len(state.unknown) for state in workers)
    total = len(cameras) + unknown
    loads = loads_of(workers)
    statistics = [camera.statistics for camera in cameras]
    states = Counter(camera.state.value for camera in cameras)
    asked = sum(load.asked_fps for load in loads.values())
    given = sum(load.given_fps for load in loads.values())
    age_ms = max((one.frame_age_ms["p95"] for one in statistics), default=0.0)
    others = {"degraded": states["degraded"], "unknown": unknown}
    named = ", ".join(f"{count} {state}" for state, count in others.items() if count)
    besides = f" ({named})" if named else ""
    pending = sum(state.current.relay.pending for state in workers if state.current)
    waiting = f", events that wait: {pending}" if pending else ""
    return (
        f"{states['online']} of {total} cameras online{besides}, throughput {given:.1f} of "
        f"{asked:.1f} images/s, p95 frame age {age_ms:.0f} ms{waiting}"
    )


def report(workers: Sequence[WorkerState], incidents: Mapping[str, int]) -> dict[str, Any]:
    """What was measured in a run, ready for JSON; `incidents` of the whole run by kind.

    Returns:
        `cameras` by id (`frame_age_ms` is arrival of a frame to its result), `incidents`,
        `events_delivered`, `events_pending` and `events_dead` of all sinks, and
        `keyframes_stored`. What workers count is since the newest start of each.
    """
    # What was measured counts, however long ago.
    snapshots = [state.snapshot for state in workers if state.snapshot]
    cameras = [camera for snapshot in snapshots for camera in snapshot.group.cameras]
    relays = [snapshot.relay for snapshot in snapshots]
    return {
        "cameras": {camera.id: _camera_report(camera) for camera in cameras},
        "incidents": dict(sorted(incidents.items())),
        "events_delivered": sum(relay.events_delivered for relay in relays),
        "events_pending": sum(relay.pending for relay in relays),
        "events_dead": sum(relay.dead for relay in relays),
        "keyframes_stored": sum(relay.keyframes_stored for relay in relays),
    }


def _camera_report(camera: CameraSnapshot) -> dict[str, Any]:
    statistics = camera.statistics
    return {
        "decoded": camera.reader.decoded,
        "analysed": statistics.analysed,
        "dropped": camera.reader.dropped,
        "failed": statistics.failed,
        "held": statistics.held,
        "requested_fps": statistics.requested_fps,
        "achieved_fps": statistics.achieved_fps,
        "frame_age_ms": dict(statistics.frame_age_ms),
        "state": camera.state.value,
        "reason": camera.reason,
        "incidents": dict(statistics.incidents),
    }
