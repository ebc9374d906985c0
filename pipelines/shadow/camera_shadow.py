"""`CameraShadow`: what the shadows of one camera would have done, beside what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from camera_adapters.frame import Frame
from models.detections import Detections
from pipelines.batcher import CameraRoutes
from pipelines.incident import EndReason, Incident, Phase, Transition
from pipelines.plan import CameraPlan, ModelRef, Route, Routes
from pipelines.rules.rule import Moment
from pipelines.shadow.comparison import Comparison


class CameraShadow:
    """The comparisons of one camera. The worker's loop owns it.

    Attributes:
        comparisons: One per task that has a shadow.
    """

    def __init__(
        self, plan: CameraPlan, routes: CameraRoutes, incarnation: str, folder: Path
    ) -> None:
        """Compares nothing before `follow`.

        Args:
            plan: What is done with the camera's frames.
            routes: The camera's routes.
            incarnation: Differs between worker starts.
            folder: Where comparisons are kept.
        """
        self._camera = plan.camera.id
        self._plans = {task.task: task for task in plan.tasks}
        self._routes = routes
        self._incarnation = incarnation
        self._folder = folder
        self.comparisons: dict[str, Comparison] = {}
        self._open: dict[str, dict[str, Incident]] = {task: {} for task in self._plans}

    def follow(self, task: str, route: Route) -> None:
        """Ends the comparison of a task, and begins one where the new route has a shadow."""
        if task in self.comparisons:
            self.comparisons.pop(task).end()
        if route.shadow is not None:
            comparison = Comparison(
                self._plans[task], route, self._camera, self._incarnation, self._folder
            )
            comparison.note_open(tuple(self._open[task].values()))
            self.comparisons[task] = comparison

    def note(self, task: str, transitions: Sequence[Transition]) -> None:
        """Takes note of what the version in service has published."""
        for transition in transitions:
            if transition.phase is Phase.ENDED:
                self._open[task].pop(transition.incident.id, None)
            else:
                self._open[task][transition.incident.id] = transition.incident
        if task in self.comparisons:
            self.comparisons[task].note("first", transitions)

    def compare(
        self,
        frame: Frame,
        routes: Routes,
        found: Mapping[ModelRef, Detections],
        shadows: Mapping[ModelRef, Detections],
        fault: str = "",
    ) -> None:
        """Compares what shadows found in a frame with what counted.

        Args:
            frame: A frame whose result was processed already.
            routes: The routes that it was sent along.
            found: What the versions in service found in it.
            shadows: What the shadows found in it; one without a result is left out.
            fault: Why there is none, if it failed.
        """
        if routes != self._routes.processed:
            return  # The comparison that it belongs to is over.
        for task, comparison in self.comparisons.items():
            route = routes[task]
            if task not in frame.tasks or route.shadow is None:
                continue
            if route.model in found and route.shadow in shadows:
                comparison.observe(frame, found[route.model], shadows[route.shadow])
            else:
                comparison.missed(fault)

    def close(self, reason: EndReason, at: Moment) -> None:
        """Ends what the shadows would have going on."""
        for comparison in self.comparisons.values():
            comparison.close(reason, at)
