"""Hops 6 to 8 for one camera: detections become tracks, tracks incidents, incidents evidence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from camera_adapters.frame import Frame
from models.detections import Detections
from pipelines.evidence import EvidenceDesk
from pipelines.incident import EndReason, Transition
from pipelines.plan import CameraPlan, ModelRef, TaskPlan
from pipelines.rules import build_rule
from pipelines.rules.rule import Moment, Rule
from pipelines.statistics import CameraStatistics
from pipelines.tracker import CameraTracker


@dataclass(slots=True)
class _Task:
    """A task at work: its plan and the rules that judge its tracks."""

    plan: TaskPlan
    rules: tuple[Rule, ...]


@dataclass(slots=True)
class _Sight:
    """What one model makes of the camera: a tracker, and the tasks that listen to it."""

    tracker: CameraTracker
    tasks: list[_Task] = field(default_factory=list)


def _sight(plan: CameraPlan, model: ModelRef, ids: Iterator[int]) -> _Sight:
    fps = max(task.fps for task in plan.tasks if task.model == model)
    return _Sight(CameraTracker(model.labels, ids, fps, threshold=model.threshold))


class CameraPipeline:
    """Judges one camera's frames in order. Not thread-safe: the worker's loop owns it."""

    def __init__(self, plan: CameraPlan, desk: EvidenceDesk, epoch: str) -> None:
        """Builds trackers and rules.

        Args:
            plan: What is to be done with the camera's frames.
            desk: Where incident transitions go with their pictures.
            epoch: Differs between worker starts, so that incident ids never repeat.
        """
        self._plan = plan
        self._desk = desk
        self._stream_epoch = 0
        self.statistics = CameraStatistics({task.task: task.fps for task in plan.tasks})
        ids = itertools.count(1)
        self._sights: dict[ModelRef, _Sight] = {}
        for task in plan.tasks:
            sight = self._sights.setdefault(task.model, _sight(plan, task.model, ids))
            rules = tuple(build_rule(rule, plan.camera.id, epoch) for rule in task.rules)
            sight.tasks.append(_Task(task, rules))

    @property
    def camera(self) -> str:
        """Camera id."""
        return self._plan.camera.id

    def judge(self, frame: Frame, seen: Mapping[ModelRef, Detections], now_s: float) -> None:
        """Follows one frame from its detections to the outbox.

        Args:
            frame: The frame.
            seen: What each due model saw in it.
            now_s: Monotonic time at which the result came in, for the frame's age.
        """
        if frame.epoch != self._stream_epoch:
            self._restart(frame.epoch)
        at = Moment(frame.captured_at, frame.captured_mono_s)
        for model, detections in seen.items():
            sight = self._sights[model]
            letterbox = frame.views[model.size].letterbox
            tracks = sight.tracker.update(detections, letterbox, frame.captured_mono_s)
            for task in sight.tasks:
                if task.plan.task in frame.tasks:
                    for rule in task.rules:
                        self._publish(task.plan, rule, rule.observe(tracks, at), frame)
                    self.statistics.looked(task.plan.task, now_s)
        self.statistics.analysed(frame, now_s)

    def close(self, reason: EndReason, at: Moment) -> None:
        """Ends every open incident."""
        for sight in self._sights.values():
            for task in sight.tasks:
                for rule in task.rules:
                    self._publish(task.plan, rule, rule.close(reason, at), None)

    def _restart(self, epoch: int) -> None:
        # Rules keep their state: a short reconnect must not cut one incident into two.
        self._stream_epoch = epoch
        for sight in self._sights.values():
            sight.tracker.restart()

    def _publish(
        self, task: TaskPlan, rule: Rule, transitions: Sequence[Transition], frame: Frame | None
    ) -> None:
        for transition in transitions:
            self._desk.publish(
                transition,
                camera=self._plan.camera,
                model=task.model,
                rule=(rule.kind, rule.version),
                picture=frame.full if frame else None,
            )
            self.statistics.transition(transition)
