"""Hops 6 to 8 for one camera: detections become tracks, tracks incidents, incidents evidence."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camera_adapters.frame import Frame
from models.detections import Detections
from pipelines.evidence import EvidenceRecorder
from pipelines.incident import EndReason, Incident, Phase, Transition
from pipelines.plan import CameraPlan, ModelRef, Route, Routes, TaskPlan
from pipelines.rules import build_rule
from pipelines.rules.rule import Moment, Rule
from pipelines.shadow.comparison import Comparison
from pipelines.statistics import CameraStatistics
from pipelines.tracker import CameraTracker


@dataclass(slots=True)
class _Task:
    """A task at work: its plan, the rules that judge its tracks, and its shadow if it has one."""

    plan: TaskPlan
    rules: tuple[Rule, ...]
    open: dict[str, Incident] = field(default_factory=dict)
    comparison: Comparison | None = None


class CameraPipeline:
    """Judges one camera's frames in order. Not thread-safe: the worker's loop owns it."""

    def __init__(
        self, plan: CameraPlan, recorder: EvidenceRecorder, incarnation: str, comparisons: Path
    ) -> None:
        """Builds trackers and rules.

        Args:
            plan: What is to be done with the camera's frames.
            recorder: Where incident transitions go with their images.
            incarnation: Differs between worker starts, so that incident ids never repeat.
            comparisons: Folder for what shadows would have said.
        """
        self._plan = plan
        self._recorder = recorder
        self._incarnation = incarnation
        self._comparisons = comparisons
        self._stream_restarts = 0
        self._ids = itertools.count(1)
        self._tasks = {
            task.task: _Task(
                task, tuple(build_rule(rule, plan.camera.id, incarnation) for rule in task.rules)
            )
            for task in plan.tasks
        }
        self.statistics = CameraStatistics({task.task: task.fps for task in plan.tasks})
        self._routes: Routes = {}
        self._trackers: dict[ModelRef, CameraTracker] = {}
        self._follow(plan.routes)

    @property
    def camera(self) -> str:
        """Camera id."""
        return self._plan.camera.id

    @property
    def routes(self) -> Routes:
        """The versions that judged the newest frame."""
        return self._routes

    def process_frame(
        self, frame: Frame, routes: Routes, seen: Mapping[ModelRef, Detections], now_s: float
    ) -> None:
        """Follows one frame from its detections to the outbox.

        Args:
            frame: The frame.
            routes: Which versions it was sent to, by task.
            seen: What each due model saw in it; one that failed is left out.
            now_s: Monotonic time at which the result came in, for the frame's age.
        """
        if routes != self._routes:
            self._follow(routes)
            self.statistics.rerouted()
        if frame.stream_restarts != self._stream_restarts:
            self._restart(frame.stream_restarts)
        at = Moment(frame.captured_at, frame.captured_mono_s)
        tracks = {
            model: self._trackers[model].update(
                detections, frame.views[model.view].letterbox, at.mono_s
            )
            for model, detections in seen.items()
        }
        for name, task in self._tasks.items():
            model = routes[name].model
            if name not in frame.tasks or model not in tracks:
                continue
            for rule in task.rules:
                self._publish(task, rule, rule.observe(tracks[model], at), frame)
            self.statistics.inference_done(name, model.key, now_s)
        self.statistics.analysed(frame, now_s)

    def compare(
        self,
        frame: Frame,
        routes: Routes,
        seen: Mapping[ModelRef, Detections],
        shadows: Mapping[ModelRef, Detections],
        fault: str = "",
    ) -> None:
        """Compares what shadows saw in a frame with what counted.

        Args:
            frame: A frame that was judged already.
            routes: Which versions it was sent to.
            seen: What the versions in service saw in it.
            shadows: What the shadows saw in it; one that did not answer is left out.
            fault: Why it did not, if it failed.
        """
        if routes != self._routes:
            return  # The comparison it belongs to is over.
        for name, task in self._tasks.items():
            route = routes[name]
            if task.comparison is None or route.shadow is None or name not in frame.tasks:
                continue
            if route.model in seen and route.shadow in shadows:
                task.comparison.observe(frame, seen[route.model], shadows[route.shadow])
            else:
                task.comparison.missed(fault)

    def close(self, reason: EndReason, at: Moment) -> None:
        """Ends every open incident."""
        for task in self._tasks.values():
            for rule in task.rules:
                self._publish(task, rule, rule.close(reason, at), None)
            if task.comparison is not None:
                task.comparison.close(reason, at)

    def _restart(self, stream_restarts: int) -> None:
        # Rules keep their state: a short reconnect must not cut one incident into two.
        self._stream_restarts = stream_restarts
        for tracker in self._trackers.values():
            tracker.restart()

    def _follow(self, routes: Routes) -> None:
        """Takes over other versions: trackers of models that stay go on, and so do all rules."""
        old, self._routes = self._routes, routes
        known = {model.key: tracker for model, tracker in self._trackers.items()}
        self._trackers = {}
        for route in routes.values():
            model = route.model
            kept = known.get(model.key)
            if kept is not None:
                kept.threshold = model.threshold
            self._trackers.setdefault(model, kept or self._tracker(model))
        for name, task in self._tasks.items():
            if old.get(name) != routes[name]:
                self._follow_shadow(task, routes[name])

    def _tracker(self, model: ModelRef) -> CameraTracker:
        rates = [task.fps for task in self._plan.tasks if self._routes[task.task].model == model]
        return CameraTracker(model.labels, self._ids, max(rates), threshold=model.threshold)

    def _follow_shadow(self, task: _Task, route: Route) -> None:
        if task.comparison is not None:
            task.comparison.end()
            task.comparison = None
        if route.shadow is not None:
            folder = self._comparisons
            task.comparison = Comparison(task.plan, route, self.camera, self._incarnation, folder)
            task.comparison.note_open(tuple(task.open.values()))

    def _publish(
        self, task: _Task, rule: Rule, transitions: Sequence[Transition], frame: Frame | None
    ) -> None:
        for transition in transitions:
            self._recorder.publish(
                transition,
                camera=self._plan.camera,
                model=self._routes[task.plan.task].model,
                rule=(rule.kind, rule.version),
                image=frame.full if frame else None,
            )
            self.statistics.transition(transition)
            if transition.phase is Phase.ENDED:
                task.open.pop(transition.incident.id, None)
            else:
                task.open[transition.incident.id] = transition.incident
        if task.comparison is not None:
            task.comparison.note("first", transitions)
