"""How much of what was asked for was given lately, by priority."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.plan import PRIORITIES, CameraPlan, Priority

WINDOW_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class PriorityLoad:
    """What the tasks of one priority asked for and got, inferences per second.

    Cameras that send nothing ask for nothing.
    """

    asked_fps: float
    given_fps: float

    def __add__(self, other: PriorityLoad) -> PriorityLoad:
        return PriorityLoad(self.asked_fps + other.asked_fps, self.given_fps + other.given_fps)

    @property
    def share(self) -> float:
        """Given by asked, at most 1; 1 where nothing was asked for."""
        return min(1.0, self.given_fps / self.asked_fps) if self.asked_fps > 0 else 1.0


NO_LOAD: Final = PriorityLoad(0.0, 0.0)

OVERLOADED: Final = 0.95
"""Share below which less is given than was asked for; frames come with jitter."""


def total_loads(parts: Iterable[Mapping[Priority, PriorityLoad]]) -> dict[Priority, PriorityLoad]:
    """The sums by priority, for those that any part has, the highest first."""
    totals: dict[Priority, PriorityLoad] = {}
    for loads in parts:
        for priority, load in loads.items():
            totals[priority] = totals.get(priority, NO_LOAD) + load
    return {priority: totals[priority] for priority in PRIORITIES if priority in totals}


def overload(loads: Mapping[Priority, PriorityLoad]) -> str:
    """Says how much less is given than was asked for; empty if it is not less."""
    short = [
        f"{load.share:.0%} of what tasks of {priority} priority ask for "
        f"({load.given_fps:.0f} of {load.asked_fps:.0f} images/s)"
        for priority, load in loads.items()
        if load.share < OVERLOADED
    ]
    if not short:
        return ""
    return f"overloaded, given are {' and '.join(short)}; lower fps, remove tasks or add machines"


class LoadMeter:
    """Measures the load over the last seconds. One thread writes, anybody reads `loads`.

    Attributes:
        loads: By priority, for those that tasks have; replaced as a whole.
    """

    def __init__(self, plans: Sequence[CameraPlan]) -> None:
        self._priorities = {
            (plan.camera.id, task.task): task.priority for plan in plans for task in plan.tasks
        }
        wanted = frozenset(self._priorities.values())
        self._used = tuple(priority for priority in PRIORITIES if priority in wanted)
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        self._window: deque[tuple[float, dict[Priority, tuple[int, int]]]] = deque()
        self.loads: Mapping[Priority, PriorityLoad] = dict.fromkeys(self._used, NO_LOAD)

    def note(self, camera: str, asked: Mapping[str, int], given: Mapping[str, int]) -> None:
        """Takes a camera's counters, by task."""
        for task, count in given.items():
            self._counts[camera, task] = (asked.get(task, 0), count)

    def advance(self, now_s: float) -> None:
        """Ends a step at monotonic time `now_s`, seconds."""
        sums: dict[Priority, tuple[int, int]] = dict.fromkeys(self._used, (0, 0))
        for key, (asked, given) in self._counts.items():
            priority = self._priorities[key]
            sums[priority] = (sums[priority][0] + asked, sums[priority][1] + given)
        self._window.append((now_s, sums))
        while len(self._window) > 2 and now_s - self._window[1][0] >= WINDOW_S:  # noqa: PLR2004
            self._window.popleft()
        since_s, first = self._window[0]
        span_s = now_s - since_s
        if span_s > 0:
            self.loads = {
                priority: PriorityLoad(
                    (sums[priority][0] - first[priority][0]) / span_s,
                    (sums[priority][1] - first[priority][1]) / span_s,
                )
                for priority in self._used
            }
