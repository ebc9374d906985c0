"""Hop 2, the micro-batcher: takes the due frames of all its cameras, work-conserving.

There is no timer: whoever has a free detector calls `take` and gets what is ready. Cameras take
turns at being first, so that none starves when more frames are due than a batch may hold.

Guarantees that a frame is judged by the versions of one set of routes, and that a camera's frames
never go back to an older set: a new one takes over with the first frame that was scaled for it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from camera_adapters.frame import Frame
from camera_adapters.geometry import ViewSpec
from camera_adapters.mailbox import Mailbox
from pipelines.detector import MicroBatch
from pipelines.plan import CameraPlan, ModelRef, Routes


class Bell:
    """Wakes the batcher when a frame has arrived; rings before anybody waits are kept."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        """Something arrived."""
        self._rung.set()

    def wait(self, timeout_s: float) -> bool:
        """Waits for a ring since the last wait; false when `timeout_s` passed without one."""
        rung = self._rung.wait(timeout_s)
        self._rung.clear()
        return rung


@dataclass(slots=True)
class _Wanted:
    """The models that take one analysis image of one frame."""

    frame: Frame
    models: set[ModelRef] = field(default_factory=set)
    shadows: set[ModelRef] = field(default_factory=set)


class MicroBatcher:
    """Collects newest frames into micro-batches, one per size and fit. One thread uses it.

    Attributes:
        misfits: Frames left out because they were scaled for versions that are over already.
    """

    def __init__(
        self,
        plans: Sequence[CameraPlan],
        mailboxes: Mapping[str, Mailbox],
        bell: Bell,
        max_frames: int = 16,
    ) -> None:
        """Prepares the routes from task to model.

        Args:
            plans: The cameras of this worker.
            mailboxes: Their mailboxes by camera id; their `on_arrival` rings `bell`.
            bell: Rung by every arrival.
            max_frames: Most frames in one turn, whatever the models accept.
        """
        # Oldest first; the first one is in force, the others wait for a frame that fits them.
        self._routes: dict[str, list[Routes]] = {plan.camera.id: [plan.routes] for plan in plans}
        self._order = [plan.camera.id for plan in plans]
        self._mailboxes = mailboxes
        self._bell = bell
        self._ceiling = max_frames
        self.misfits = 0

    def routes(self, camera: str) -> Routes:
        """The routes in force: those of the camera's newest frame."""
        return self._routes[camera][0]

    def reroute(self, camera: str, routes: Routes) -> None:
        """Changes versions from the first frame on that has the views that they need."""
        self._routes[camera].append(routes)

    def settle(self, camera: str) -> None:
        """Puts the newest routes into force; for a camera from which no old frame can come."""
        del self._routes[camera][:-1]

    def wanted(self, camera: str) -> frozenset[str]:
        """Every `name/version` that a frame of the camera may still be sent to."""
        return frozenset(
            model.key
            for routes in self._routes[camera]
            for route in routes.values()
            for model in route.models
        )

    def take(self, timeout_s: float) -> list[MicroBatch]:
        """What is ready now; waits up to `timeout_s` for a first frame, then may be empty."""
        frames = self._collect()
        if not frames and timeout_s > 0 and self._bell.wait(timeout_s):
            frames = self._collect()
        return self._assemble(frames)

    def _collect(self) -> list[Frame]:
        frames: list[Frame] = []
        most = self._max_frames()
        for camera in tuple(self._order):
            frame = self._mailboxes[camera].take()
            if frame is None:
                continue
            frames.append(frame)
            # Served cameras queue up again behind those that still wait.
            self._order.remove(camera)
            self._order.append(camera)
            if len(frames) == most:
                # Somebody may still have a frame; the next take must not wait for a new arrival.
                self._bell.ring()
                break
        return frames

    def _max_frames(self) -> int:
        accepted = (
            model.max_batch
            for sets in self._routes.values()
            for route in sets[-1].values()
            for model in route.models
        )
        return max(1, min(self._ceiling, min(accepted, default=self._ceiling)))

    def _assemble(self, frames: Sequence[Frame]) -> list[MicroBatch]:
        views: dict[ViewSpec, list[_Wanted]] = defaultdict(list)
        for frame in frames:
            routes = self._routes_for(frame)
            if routes is None:
                self.misfits += 1
                continue
            for view, wanted in _by_view(frame, routes).items():
                views[view].append(wanted)
        return [_stack(view, members) for view, members in views.items()]

    def _routes_for(self, frame: Frame) -> Routes | None:
        """The newest routes that the frame was scaled for; older ones are over with it."""
        sets = self._routes[frame.camera]
        for index in range(len(sets) - 1, -1, -1):
            if _fits(frame, sets[index]):
                del sets[:index]
                return sets[0]
        return None


def _fits(frame: Frame, routes: Routes) -> bool:
    return all(model.view in frame.views for task in frame.tasks for model in routes[task].models)


def _by_view(frame: Frame, routes: Routes) -> dict[ViewSpec, _Wanted]:
    """The models that take a frame, by analysis image."""
    wanted: dict[ViewSpec, _Wanted] = {}
    for task in sorted(frame.tasks):
        route = routes[task]
        wanted.setdefault(route.model.view, _Wanted(frame)).models.add(route.model)
        if route.shadow is not None:
            wanted.setdefault(route.shadow.view, _Wanted(frame)).shadows.add(route.shadow)
    return wanted


def _stack(view: ViewSpec, members: Sequence[_Wanted]) -> MicroBatch:
    rows: dict[ModelRef, list[int]] = defaultdict(list)
    shadows: dict[ModelRef, list[int]] = defaultdict(list)
    for row, member in enumerate(members):
        for model in member.models:
            rows[model].append(row)
        for model in member.shadows:
            shadows[model].append(row)
    return MicroBatch(
        images=np.stack([member.frame.views[view].image for member in members]),
        frames=tuple(member.frame for member in members),
        rows={model: tuple(indices) for model, indices in rows.items()},
        shadows={model: tuple(indices) for model, indices in shadows.items()},
    )
