"""How much of what was asked for was given lately, by priority."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.plan import PRIORITIES, CameraPlan, Priority

LOAD_WINDOW_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class PriorityLoad:
    """What the tasks of one priority asked for and got, inferences per second.

    Cameras that send nothing ask for nothing.

    Attributes:
        asked_fps: Frames that were due at the full rates.
        taken_fps: Frames that a slot took for inference: what there was room for.
        given_fps: Frames with a result. A model that fails takes frames and gives nothing.
    """

    asked_fps: float
    taken_fps: float
    given_fps: float

    def __add__(self, other: PriorityLoad) -> PriorityLoad:
        return PriorityLoad(
            self.asked_fps + other.asked_fps,
            self.taken_fps + other.taken_fps,
            self.given_fps + other.given_fps,
        )

    def since(self, before: PriorityLoad, span_s: float) -> PriorityLoad:
        """The rates over a span of seconds, where both are counts."""
        return PriorityLoad(
            (self.asked_fps - before.asked_fps) / span_s,
            (self.taken_fps - before.taken_fps) / span_s,
            (self.given_fps - before.given_fps) / span_s,
        )

    @property
    def room(self) -> float:
        """Taken by asked, at most 1; 1 where nothing was asked for."""
        return min(1.0, self.taken_fps / self.asked_fps) if self.asked_fps > 0 else 1.0

    @property
    def share(self) -> float:
        """Given by asked, at most 1; 1 where nothing was asked for."""
        return min(1.0, self.given_fps / self.asked_fps) if self.asked_fps > 0 else 1.0


NO_LOAD: Final = PriorityLoad(0.0, 0.0, 0.0)

OVERLOADED: Final = 0.95
"""Room below which a machine counts as overloaded; frames come with jitter."""


def total_loads(parts: Iterable[Mapping[Priority, PriorityLoad]]) -> dict[Priority, PriorityLoad]:
    """The sums by priority, for those that any part has, the highest first."""
    totals: dict[Priority, PriorityLoad] = {}
    for loads in parts:
        for priority, load in loads.items():
            totals[priority] = totals.get(priority, NO_LOAD) + load
    return {priority: totals[priority] for priority in PRIORITIES if priority in totals}


def overload(loads: Mapping[Priority, PriorityLoad]) -> str:
    """Says how much less there is room for than was asked for; empty if it is not less."""
    short = [
        f"tasks of {priority} priority are given {load.room:.0%} of what they ask for "
        f"({load.taken_fps:.0f} of {load.asked_fps:.0f} images/s)"
        for priority, load in loads.items()
        if load.room < OVERLOADED
    ]
    if not short:
        return ""
    # A replica that is stuck looks the same from here, until it is known to be.
    remedy = "if nothing else is wrong, lower fps, remove tasks or add machines"
    return f"{' and '.join(short)}; {remedy}"


class LoadMeter:
    """Measures the load over the last seconds. One thread writes, anybody reads `loads`.

    Counters of a camera that is removed, or begins anew, stay in the sums.

    Attributes:
        loads: By priority, for those that tasks have had; replaced as a whole.
    """

    def __init__(self, plans: Sequence[CameraPlan]) -> None:
        self._priorities: dict[tuple[str, str], Priority] = {}
        self._used: tuple[Priority, ...] = ()
        self._counts: dict[tuple[str, str], tuple[Priority, PriorityLoad]] = {}
        self._noted: set[tuple[str, str]] = set()
        self._past: dict[Priority, PriorityLoad] = dict.fromkeys(PRIORITIES, NO_LOAD)
        self._window: deque[tuple[float, dict[Priority, PriorityLoad]]] = deque()
        for plan in plans:
            self.add(plan)
        self.loads: Mapping[Priority, PriorityLoad] = dict.fromkeys(self._used, NO_LOAD)

    def add(self, plan: CameraPlan) -> None:
        """Counts a camera from now on, or counts it anew; safe from any thread."""
        self._priorities |= {(plan.camera.id, task.task): task.priority for task in plan.tasks}
        wanted = {*self._used, *(task.priority for task in plan.tasks)}
        self._used = tuple(priority for priority in PRIORITIES if priority in wanted)

    def note(
        self,
        camera: str,
        asked: Mapping[str, int],
        taken: Mapping[str, int],
        given: Mapping[str, int],
    ) -> None:
        """Takes a camera's counters, by task; a camera without them counts as removed."""
        for task, count in taken.items():
            key = (camera, task)
            counts = PriorityLoad(asked.get(task, 0), count, given.get(task, 0))
            before = self._counts.get(key)
            if before is not None and counts.taken_fps < before[1].taken_fps:
                self._leave(key)
            self._counts[key] = (self._priorities[key], counts)
            self._noted.add(key)

    def advance(self, now_s: float) -> None:
        """Ends a step at monotonic time `now_s`, seconds."""
        for key in self._counts.keys() - self._noted:
            self._leave(key)
        self._noted.clear()
        sums = dict(self._past)
        for priority, counts in self._counts.values():
            sums[priority] += counts
        self._window.append((now_s, sums))
        while len(self._window) > 2 and now_s - self._window[1][0] >= LOAD_WINDOW_S:  # noqa: PLR2004
            self._window.popleft()
        since_s, first = self._window[0]
        span_s = now_s - since_s
        if span_s > 0:
            self.loads = {
                priority: sums[priority].since(first[priority], span_s) for priority in self._used
            }

    def _leave(self, key: tuple[str, str]) -> None:
        priority, counts = self._counts.pop(key)
        self._past[priority] += counts
