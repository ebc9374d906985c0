"""Hop 2, the micro-batcher: gives due frames to whoever is free, the most deserving camera first.

There is no timer: whoever has a free detector calls `take` and gets what is ready. Frames are
converted by whoever takes them, so none is converted that nobody infers.

Guarantees, however much more is due than can be inferred: within a priority every task gets the
same share of the rate that it asks for; a higher priority goes first, yet no task waits for longer
than `STARVED_AFTER_S` for a frame of its camera; a camera's frames are taken one after the other,
in order; and a frame is inferred by the versions of one set of routes.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import numpy as np

from camera_adapters import CameraFault, Frame, Mailbox, ViewSpec
from pipelines.detector import MicroBatch
from pipelines.plan import PRIORITY_RANKS, CameraPlan, ModelRef, Routes, model_keys

STARVED_AFTER_S: Final = 10.0


class CameraRoutes:
    """The routes of a camera. Safe for use from several threads.

    Attributes:
        newest: The routes that the next frame is sent along; replaced as a whole.
        processed: Those of the newest frame with a result.
    """

    def __init__(self, routes: Routes) -> None:
        self.newest = routes
        self.processed = routes


@dataclass(slots=True)
class _TaskTime:
    """The virtual time of a task: how many of its intervals it was served for, seconds.

    This is start-time fair queueing (Goyal, Vin and Cheng, 1996): the task with the least virtual
    time is served, and one that asked for nothing meanwhile does not catch up.
    """

    interval_s: float
    rank: int
    served_s: float = 0.0
    count: int = 0


_Place = tuple[int, float, float, int]
"""Where a camera stands in the queue: the rank of its best task, the virtual time of that one,
since when it has been waiting, and a number that no other place has."""


@dataclass(slots=True, eq=False)
class _Camera:
    """A camera as the batcher sees it.

    Attributes:
        waiting_since_s: Since when a frame has been waiting, None while there is none.
        place: Its place in the queue, None while it has no frame to take.
        taken: The frame that somebody has taken and not given back, with its routes.
        is_leaving: Whether somebody waits for that frame, to remove the camera.
    """

    mailbox: Mailbox
    routes: CameraRoutes
    tasks: Mapping[str, _TaskTime]
    waiting_since_s: float | None = None
    place: _Place | None = None
    taken: tuple[Frame, Routes] | None = None
    is_leaving: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TakenFrames:
    """Frames of different cameras that somebody infers now.

    Attributes:
        frames: Not converted yet.
        routes: Which versions infer each of them.
    """

    frames: tuple[Frame, ...]
    routes: tuple[Routes, ...]


class MicroBatcher:
    """Chooses the frames to infer. Safe for use from several threads."""

    def __init__(self, max_frames: int) -> None:
        """Prepares to give frames, at most `max_frames` together, whatever the models accept."""
        self._cameras: dict[str, _Camera] = {}
        self._max_frames = max_frames
        lock = threading.RLock()
        self._arrival = threading.Condition(lock)
        self._released = threading.Condition(lock)
        # Both keep places that a camera has left; whoever looks at the front drops those.
        self._queue: list[tuple[_Place, _Camera]] = []
        self._by_age: deque[tuple[float, _Camera]] = deque()
        self._numbers = count()
        # Virtual time by rank: that of the task that was served last.
        self._now_s = dict.fromkeys(PRIORITY_RANKS.values(), 0.0)

    def add(self, plan: CameraPlan, mailbox: Mailbox, routes: CameraRoutes) -> None:
        """Adds a camera, before frames arrive; its mailbox calls `note_arrival` for each."""
        tasks = {
            task.task: _TaskTime(1.0 / task.fps, PRIORITY_RANKS[task.priority])
            for task in plan.tasks
        }
        with self._arrival:
            self._cameras[plan.camera.id] = _Camera(mailbox, routes, tasks)

    def remove(self, camera: str, timeout_s: float) -> bool:
        """Removes a camera whose reader was stopped, once nobody has a frame of it any more.

        Returns:
            Whether it is gone; not, where a frame was not given back within `timeout_s` seconds.
        """
        with self._released:
            one = self._cameras[camera]
            one.is_leaving = True
            one.place = one.waiting_since_s = None
            while one.mailbox.take() is not None:
                pass
            gone = self._released.wait_for(lambda: one.taken is None, timeout_s)
            if gone:
                # A frame that came at the last moment keeps no place either.
                one.place = one.waiting_since_s = None
                del self._cameras[camera]
            return gone

    def note_arrival(self, camera: str) -> None:
        """A due frame of a camera has arrived in its mailbox."""
        with self._arrival:
            one = self._cameras.get(camera)
            if one is None or not one.mailbox.waiting_tasks:
                return  # Removed, or somebody has taken it between its arrival and this note.
            if one.waiting_since_s is None:
                one.waiting_since_s = time.monotonic()
                self._by_age.append((one.waiting_since_s, one))
            if one.taken is None:
                self._queue_up(one, one.waiting_since_s)

    def take(self, timeout_s: float) -> TakenFrames | None:
        """The frames to infer next; waits up to `timeout_s` for one. Give them back by `release`.

        At most one frame of a camera is out at a time.
        """
        with self._arrival:
            first = self._first()
            if first is None and timeout_s > 0:
                self._arrival.wait(timeout_s)
                first = self._first()
            frames: list[Frame] = []
            routes: list[Routes] = []
            most = self._max_frames
            while first is not None:
                own = first.routes.newest
                most = min(most, *(route.max_batch for route in own.values()))
                if len(frames) >= most:
                    # Another thread may be waiting for just these.
                    self._arrival.notify()
                    break
                frame, following = self._take_from(first, own)
                if frame is not None:
                    frames.append(frame)
                    routes.append(own)
                first = following
            return TakenFrames(tuple(frames), tuple(routes)) if frames else None

    def release(self, taken: TakenFrames) -> None:
        """The frames have their results, or never will."""
        with self._arrival:
            for frame in taken.frames:
                camera = self._cameras[frame.camera]
                camera.taken = None
                if camera.waiting_since_s is not None:
                    self._queue_up(camera, camera.waiting_since_s)
                if camera.is_leaving:
                    self._released.notify_all()

    def models(self, camera: str) -> frozenset[str]:
        """Every `name/version` that frames of a camera are or may still be sent to."""
        with self._arrival:
            one = self._cameras.get(camera)
            if one is None:
                return frozenset()
            keys = model_keys(one.routes.newest)
            return keys | model_keys(one.taken[1]) if one.taken else keys

    def taken(self, camera: str) -> Mapping[str, int]:
        """How many frames of a camera were taken for each of its tasks."""
        one = self._cameras.get(camera)
        return {name: task.count for name, task in one.tasks.items()} if one is not None else {}

    def _queue_up(self, camera: _Camera, since_s: float) -> None:
        """Gives a camera that has a frame to take its place, or a better one than it has."""
        rank, behind_s = min(
            (task.rank, max(task.served_s, self._now_s[task.rank]))
            for task in map(camera.tasks.__getitem__, camera.mailbox.waiting_tasks)
        )
        if camera.place is None or (rank, behind_s) < camera.place[:2]:
            is_new = camera.place is None
            camera.place = (rank, behind_s, since_s, next(self._numbers))
            heapq.heappush(self._queue, (camera.place, camera))
            if is_new:
                self._arrival.notify()

    def _first(self) -> _Camera | None:
        """The camera that goes first, None where none has a frame to take."""
        while self._by_age and self._by_age[0][0] != self._by_age[0][1].waiting_since_s:
            self._by_age.popleft()
        if self._by_age:
            late_s = time.monotonic() - STARVED_AFTER_S
            for since_s, camera in self._by_age:
                if since_s >= late_s:
                    break
                if camera.place is not None and since_s == camera.waiting_since_s:
                    return camera
        while self._queue and self._queue[0][0] is not self._queue[0][1].place:
            heapq.heappop(self._queue)
        return self._queue[0][1] if self._queue else None

    def _take_from(self, camera: _Camera, routes: Routes) -> tuple[Frame | None, _Camera | None]:
        """Takes a camera's frame for its tasks of the best rank, and for those that cost no more.

        Tasks of lower ranks go along where nobody else waits, or where the same models infer them.

        Returns:
            The frame, and the camera that goes first after it.
        """
        camera.place = None
        following = self._first()
        tasks = waiting = camera.mailbox.waiting_tasks
        if following is not None and len(waiting) > 1:
            rank = min(camera.tasks[name].rank for name in waiting)
            due = {routes[name].model.key for name in waiting if camera.tasks[name].rank == rank}
            tasks = frozenset(name for name in waiting if routes[name].model.key in due)
        frame = camera.mailbox.take(tasks)
        if frame is None:
            return None, following
        for name in frame.tasks:
            task = camera.tasks[name]
            start_s = max(task.served_s, self._now_s[task.rank])
            task.served_s = start_s + task.interval_s
            task.count += 1
            self._now_s[task.rank] = start_s
        camera.taken = (frame, routes)
        if not camera.mailbox.waiting_tasks:
            camera.waiting_since_s = None
        return frame, following


@dataclass(slots=True)
class _GrowingBatch:
    """The frames of one analysis size and fit, and the rows of each model that is due."""

    frames: list[Frame] = field(default_factory=list)
    routes: list[Routes] = field(default_factory=list)
    rows: dict[ModelRef, tuple[int, ...]] = field(default_factory=dict)


def assemble(
    taken: TakenFrames, resting: frozenset[ModelRef] = frozenset()
) -> tuple[list[MicroBatch], Mapping[str, CameraFault]]:
    """Converts frames and puts them into micro-batches, one per size and fit.

    Args:
        taken: The frames.
        resting: Models that get no frames at present.

    Returns:
        The batches, and why the frames of some cameras cannot be converted, by camera id.
    """
    growing: dict[ViewSpec, _GrowingBatch] = {}
    faults: dict[str, CameraFault] = {}
    for frame, routes in zip(taken.frames, taken.routes, strict=True):
        due = {routes[task].model: None for task in sorted(frame.tasks)}
        models = [model for model in due if model not in resting]
        # Those of shadows too, which get the same frame later.
        views = frozenset[ViewSpec]().union(*(routes[task].views for task in frame.tasks))
        try:
            converted = frame.converted(views) if models else frame
        except CameraFault as fault:
            faults[frame.camera] = fault
            continue
        for model in models:
            batch = growing.setdefault(model.view, _GrowingBatch())
            if not batch.frames or batch.frames[-1] is not converted:
                batch.frames.append(converted)
                batch.routes.append(routes)
            batch.rows[model] = (*batch.rows.get(model, ()), len(batch.frames) - 1)
    batches = []
    for view, batch in growing.items():
        each = [frame.views[view].image for frame in batch.frames]
        # A single image is not copied.
        images = each[0][np.newaxis] if len(each) == 1 else np.stack(each)
        batches.append(MicroBatch(images, tuple(batch.frames), tuple(batch.routes), batch.rows))
    return batches, faults
