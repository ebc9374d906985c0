"""`WorkerState`: a worker as the director sees it, and how far that can be relied on.

What is older than a few seconds is not known. Whoever shows a city asks for what is known, so that
no surface repeats what was true once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipelines import CameraSnapshot, Priority, PriorityLoad, total_loads
from serving.camera_worker import WorkerSnapshot

KNOWN_FOR_S: Final = 5.0
"""How long an answer counts; workers are asked once a second."""

JUST_STARTED_S: Final = 2.0
"""How long nobody expects an answer of a worker that was started."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker as the director sees it.

    Attributes:
        snapshot: The newest answer of this incarnation, None before the first one.
        restarts: How often it was replaced.
        alive: Whether it answered the newest check.
        camera_ids: The cameras that it has to watch, whether it does or not.
        silent_s: Seconds since its newest answer; before the first one, since it was started.
        incarnation: The number of its newest start.
        problem: Why it was replaced, until the new one answers; empty otherwise.
        unplaced: Why it is on no machine; empty where it is on one.
        node: Ray's id of the node that it is on; empty where it is on none.
        node_name: What that node is called; empty where one machine has all workers.
    """

    name: str
    snapshot: WorkerSnapshot | None
    restarts: int
    alive: bool
    camera_ids: tuple[str, ...] = ()
    silent_s: float = 0.0
    incarnation: int = 0
    problem: str = ""
    unplaced: str = ""
    node: str = ""
    node_name: str = ""

    @property
    def current(self) -> WorkerSnapshot | None:
        """The newest answer, None where it is too old to say anything about now."""
        return self.snapshot if self.silent_s <= KNOWN_FOR_S else None

    @property
    def cameras(self) -> Sequence[CameraSnapshot]:
        """The snapshots of its cameras; none where nothing is known of them now."""
        return self.current.group.cameras if self.current else ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """Ids of its cameras of which nothing is known now: they count as not watched."""
        known = {camera.id for camera in self.cameras}
        return tuple(camera for camera in self.camera_ids if camera not in known)

    @property
    def silence(self) -> str:
        """Why nothing is known of its cameras, in words; empty where something is."""
        if self.current is not None:
            return ""
        if self.unplaced:
            return self.unplaced
        if self.problem:
            return f"{self.name} was replaced and does not answer yet: {self.problem}"
        if self.snapshot:
            return f"{self.name} has not answered for {self.silent_s:.0f} s"
        if self.silent_s < JUST_STARTED_S:
            return f"{self.name} has just been started"
        return f"{self.name} has not answered in the {self.silent_s:.0f} s since its start"


def loads_of(workers: Sequence[WorkerState]) -> Mapping[Priority, PriorityLoad]:
    """The load of the city by priority; a worker that does not answer gives nothing."""
    live = (state.current for state in workers if state.alive)
    return total_loads(snapshot.group.loads for snapshot in live if snapshot)
