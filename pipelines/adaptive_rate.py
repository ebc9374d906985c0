"""`AdaptiveRates`: how many frames per second the tasks of a camera get, by what its images show.

Where nothing is seen and nothing moves for some seconds, a task goes down to its idle rate; the
first frame in which something does ends that. Where an object will be at a line or at the edge of a
zone within a second, or was there a second ago, the task goes up to its near rate, so that on which
side it is and how fast is known better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from camera_adapters import Frame, Luma
from pipelines.motion_gate import LUMA_SIZE, has_moved, masked_pixels
from pipelines.plan import CameraPlan, ModelRef, Routes, TaskPlan
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import ImagePoint, Zone
from pipelines.track import Track

IDLE_AFTER_S: Final = 10.0
"""So long nothing must have been seen, and nothing moved."""

NEAR_S: Final = 1.0
"""An object is near an edge that it could reach, or has left, within this time at its speed."""

LEAST_SPEED: Final = 0.3
"""In heights of its box per second: what is slower stands, and its box trembles."""

BORDER: Final = 0.01
"""Edges of zones so near to a border of the image are no edges: nobody is seen beyond them."""

_Edges = npt.NDArray[np.float64]
"""(E, 2, 2): start and end of each edge, (x, y) in shares of the image."""


class AdaptiveRates:
    """The rates of one camera's tasks. Not thread-safe.

    Attributes:
        rates: Frames per second of each task now; replaced as a whole.
    """

    def __init__(self, plan: CameraPlan) -> None:
        """Starts with the usual rates."""
        self.rates: Mapping[str, float] = {task.task: task.fps for task in plan.tasks}
        self._paces = {task.task: _TaskPace(task) for task in plan.tasks if task.is_adaptive}
        self._still = _Stillness(plan.masks)

    def note(
        self, frame: Frame, routes: Routes, tracks: Mapping[ModelRef, Sequence[Track]]
    ) -> Mapping[str, float]:
        """Takes a frame that was analysed, and gives the rates from now on.

        Args:
            frame: The frame.
            routes: Which versions it was sent to, by task.
            tracks: What is seen in it, by model; a model that failed is left out.

        Raises:
            UnreadableFault: The pixel format of the frame cannot be converted.
        """
        at_s = frame.captured_mono_s
        changed: dict[str, float] = {}
        for task, pace in self._paces.items():
            model = routes[task].model
            if task not in frame.tasks or model not in tracks:
                continue
            if pace.may_idle and not tracks[model]:
                self._still.note(frame, at_s)
            changed[task] = pace.rate(tracks[model], at_s, self._still.moved_s)
        if changed:
            self.rates = {**self.rates, **changed}
        return self.rates


class _Stillness:
    """When something last moved.

    What moves slowly adds up: images are compared with the one after which nothing has moved.
    """

    def __init__(self, masks: Iterable[Zone]) -> None:
        self._masked = masked_pixels(masks)
        self.moved_s = -math.inf
        self._reference: Luma | None = None
        self._noted_s = -math.inf

    def note(self, frame: Frame, at_s: float) -> None:
        if at_s == self._noted_s:
            return  # For another task.
        self._noted_s = at_s
        luma = frame.full.luma(LUMA_SIZE)
        if self._reference is None or has_moved(self._reference, luma, self._masked):
            self._reference, self.moved_s = luma, at_s


class _TaskPace:
    """The rate of one task."""

    def __init__(self, task: TaskPlan) -> None:
        self._task = task
        self._edges = (
            edges_of(task.rules) if task.adaptive.near is not None else np.zeros((0, 2, 2))
        )
        self._feet: dict[int, tuple[ImagePoint, float]] = {}
        self._seen_s = -math.inf
        self._since_s: float | None = None

    @property
    def may_idle(self) -> bool:
        return self._task.adaptive.idle is not None

    def rate(self, tracks: Sequence[Track], at_s: float, moved_s: float) -> float:
        idle, near = self._task.adaptive.idle, self._task.adaptive.near
        if self._since_s is None:
            self._since_s = at_s
        if tracks:
            self._seen_s = at_s
        if near is not None and self._is_near(tracks, at_s):
            return near
        if idle is not None and at_s - max(self._since_s, self._seen_s, moved_s) >= IDLE_AFTER_S:
            return idle
        return self._task.fps

    def _is_near(self, tracks: Sequence[Track], at_s: float) -> bool:
        """Whether one of the objects is near an edge."""
        before, self._feet = self._feet, {track.id: (track.box.foot, at_s) for track in tracks}
        feet, reaches = [], []
        for track in tracks:
            if track.id not in before:
                continue
            (x, y), noted_s = before[track.id]
            foot = track.box.foot
            way = math.hypot((foot[0] - x) * track.aspect, foot[1] - y)
            speed = way / (at_s - noted_s) if at_s > noted_s else 0.0
            if speed >= LEAST_SPEED * (track.box.y2 - track.box.y1):
                feet.append((foot[0] * track.aspect, foot[1]))
                reaches.append(speed * NEAR_S)
        if not feet or not len(self._edges):
            return False
        edges = self._edges * (tracks[0].aspect, 1.0)
        return bool((distances(np.array(feet), edges) <= np.array(reaches)).any())


def edges_of(rules: Iterable[RulePlan]) -> _Edges:
    """The lines of some rules, and the edges of their zones that lie within the image."""
    zones = {zone.name: zone for rule in rules for zone in rule.zones}
    lines = {line.name: line for rule in rules for line in rule.lines}
    edges = [(line.start, line.end) for line in lines.values()]
    for zone in zones.values():
        corners = (*zone.polygon, zone.polygon[0])
        edges += [edge for edge in pairwise(corners) if not _is_border(*edge)]
    return np.array(edges, np.float64).reshape(-1, 2, 2)


def _is_border(start: ImagePoint, end: ImagePoint) -> bool:
    """Whether an edge runs along a border of the image."""
    return any(
        max(abs(start[axis] - side), abs(end[axis] - side)) <= BORDER
        for axis in (0, 1)
        for side in (0.0, 1.0)
    )


def distances(points: npt.NDArray[np.float64], edges: _Edges) -> npt.NDArray[np.float64]:
    """How far each of (P, 2) points is from the nearest of (E, 2, 2) edges: (P,)."""
    starts, ways = edges[:, 0], edges[:, 1] - edges[:, 0]
    squares = np.maximum((ways**2).sum(axis=1), 1e-12)
    offsets = points[:, None] - starts[None]
    shares = np.clip((offsets * ways).sum(axis=2) / squares, 0.0, 1.0)
    gaps = offsets - shares[..., None] * ways
    nearest: npt.NDArray[np.float64] = np.hypot(gaps[..., 0], gaps[..., 1]).min(axis=1)
    return nearest
