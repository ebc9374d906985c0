"""`Comparison`: a shadow version against the version in service, for one task of one camera.

The shadow's detections go through a tracker and rules of their own; what would have been incidents
is noted beside the real ones and never published. What was noted survives a restart of the worker.
`CameraShadow` holds the comparisons of one camera.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from camera_adapters import Frame, FullImage, Image, Size
from models.detections import Detections
from pipelines.annotation import GREEN, MAGENTA, Overlay, RgbColour, annotated
from pipelines.batcher import CameraRoutes
from pipelines.errors import EncodingError
from pipelines.incident import EndReason, Incident, Phase, Transition
from pipelines.keyframe import encode
from pipelines.plan import CameraPlan, ModelRef, Route, Routes, TaskPlan
from pipelines.rules import build_rule
from pipelines.rules.rule import FrameSignals, Moment
from pipelines.shadow.agreement import IncidentNote, ModelDetections, Side, box_agreement
from pipelines.shadow.comparison_state import ComparisonState, Gallery, load_state, save_state
from pipelines.signals.signal import NO_SIGNALS, Signals
from pipelines.tracker import CameraTracker

log = logging.getLogger(__name__)

MAX_NOTES: Final = 500
IMAGES: Final = "images"
"""Folder of the images beside the states."""
MAX_IMAGES: Final = 256
DISPUTE_EVERY_S: Final = 10.0
"""Least time between two images of boxes that only one version found."""
SAVE_EVERY_S: Final = 2.0
SIGNALS_KEPT: Final = 64
"""Frames whose signals are kept until their shadow has inferred them; few wait at a time."""


class Comparison:
    """One shadow at work. Not thread-safe: the worker's loop owns it."""

    def __init__(
        self, plan: TaskPlan, route: Route, camera: str, incarnation: str, folder: Path
    ) -> None:
        """Starts, or goes on where an earlier worker stopped: with the same thresholds only.

        Args:
            plan: The task; its rules are built anew for the shadow.
            route: The versions; `route.shadow` must be there.
            camera: Camera id.
            incarnation: Differs between worker starts.
            folder: Where states and images are kept.
        """
        if route.shadow is None:
            raise ValueError(f"camera {camera}: a comparison needs a shadow")
        self._first, self._second = route.model, route.shadow
        self._camera = camera
        self._rules = tuple(
            build_rule(rule, camera, f"{incarnation}/{self._second.key}") for rule in plan.rules
        )
        self._tracker = CameraTracker(
            self._second.labels, itertools.count(1), plan.fps, threshold=self._second.thresholds
        )
        name = f"{camera}-{plan.task}-{self._first.key}-{self._second.key}".replace("/", "-")
        self._path = folder / f"{name}.json"
        self._gallery = Gallery(folder / IMAGES, most=MAX_IMAGES)
        self._stream_restarts = 0
        self._undrawn: list[str] = []
        self._saved_s = self._disputed_s = float("-inf")
        now = datetime.now(UTC)
        begun = ComparisonState(
            camera,
            plan.task,
            self._first.key,
            self._second.key,
            since=now,
            until=now,
            first_thresholds=self._first.named_thresholds,
            second_thresholds=self._second.named_thresholds,
        )
        self._state = _resumed(self._path, begun) or begun

    @property
    def state(self) -> ComparisonState:
        """What is known so far."""
        return self._state

    def note(self, side: Side, transitions: Sequence[Transition]) -> None:
        """Notes transitions of the version in service (`first`) or of the shadow (`second`)."""
        for transition in transitions:
            self._note(side, transition.incident)

    def note_open(self, incidents: Sequence[Incident]) -> None:
        """Notes incidents of the version in service that were open when the shadow began."""
        for incident in incidents:
            self._note("first", incident)
        self._undrawn.clear()

    def observe(
        self, frame: Frame, first: Detections, second: Detections, seen: Signals = NO_SIGNALS
    ) -> None:
        """Compares one frame and lets the shadow's rules observe it.

        Args:
            frame: The frame, after it was processed for the version in service.
            first: Detections of the version in service, pixels of its analysis image.
            second: Detections of the shadow, likewise.
            seen: What the image of this frame said beside boxes; while the view is at fault the
                rules of the shadow get no frames, as those in service.
        """
        if frame.stream_restarts != self._stream_restarts:
            self._stream_restarts = frame.stream_restarts
            self._tracker.restart()
        at = Moment(frame.captured_at, frame.captured_mono_s)
        view = frame.views[self._second.view]
        tracks = self._tracker.update(second, view.letterbox, at.mono_s)
        signals = FrameSignals(view, seen.motion, seen.static_changes)
        for rule in self._rules if seen.view is None else ():
            result = rule.observe(tracks, at, signals)
            self.note("second", result.transitions)
        boxes = box_agreement(
            _normalised(self._first, frame, first), _normalised(self._second, frame, second)
        )
        self._state = replace(self._state, boxes=self._state.boxes + boxes, until=at.utc)
        disputed = boxes.disputed and at.mono_s - self._disputed_s >= DISPUTE_EVERY_S
        if disputed:
            self._disputed_s = at.mono_s
        if disputed or self._undrawn:
            self._draw(frame, first, second, disputed=disputed)
        self._save_sometimes(at.mono_s)

    def missed(self, fault: str = "") -> None:
        """A frame without a result of the shadow, and why if it failed."""
        self._state = replace(
            self._state, unseen=self._state.unseen + 1, fault=fault or self._state.fault
        )

    def end(self) -> None:
        """The comparison is over: what is open is ended as far as it was seen, and saved."""
        self._state = _ended(self._state)
        save_state(self._path, self._state)

    def close(self, reason: EndReason, at: Moment) -> None:
        """Ends the shadow's open incidents and saves."""
        for rule in self._rules:
            self.note("second", rule.close(reason, at).transitions)
        save_state(self._path, self._state)

    def _save_sometimes(self, at_s: float) -> None:
        if at_s - self._saved_s >= SAVE_EVERY_S:
            self._saved_s = at_s
            save_state(self._path, self._state)

    def _note(self, side: Side, incident: Incident) -> None:
        known = {note.id: note for note in self._state.notes if note.side == side}
        old = known.get(incident.id)
        note = IncidentNote(
            side=side,
            id=incident.id,
            camera=incident.camera,
            kind=incident.kind,
            zone=incident.zone,
            severity=incident.severity.value,
            opened_at=incident.opened_at,
            ended_at=incident.ended_at,
            image=old.image if old else "",
        )
        others = tuple(one for one in self._state.notes if one is not old)
        self._state = replace(self._state, notes=(*others, note)[-MAX_NOTES:])
        if old is None:
            self._undrawn.append(incident.id)

    def _draw(self, frame: Frame, first: Detections, second: Detections, *, disputed: bool) -> None:
        what = "incident" if self._undrawn else "boxes"
        stamp = f"{frame.captured_at:%Y%m%dT%H%M%S}-{frame.index}"
        versions = f"{self._first.key}-{self._second.version}".replace("/", "-")
        name = f"{self._camera}-{versions}-{stamp}-{what}.jpg"
        overlays = [
            _overlay(self._first, frame, first, GREEN),
            _overlay(self._second, frame, second, MAGENTA),
        ]
        try:
            still = encode(_Annotated(frame.full, overlays))
        except EncodingError as error:
            log.warning("comparison_not_drawn", extra={"camera": self._camera, "why": str(error)})
            self._undrawn.clear()
            return
        self._gallery.put(name, still.jpeg)
        notes = tuple(
            replace(note, image=name) if note.id in self._undrawn else note
            for note in self._state.notes
        )
        images = (*self._state.images, name) if disputed else self._state.images
        self._state = replace(self._state, notes=notes, images=images[-MAX_IMAGES:])
        self._undrawn.clear()


@dataclass(frozen=True, slots=True, eq=False)
class _Annotated:
    """A full image with the detections of both versions drawn in."""

    full: FullImage
    overlays: Sequence[Overlay]

    @property
    def size(self) -> Size:
        return self.full.size

    def rgb(self) -> Image:
        return annotated(self.full.rgb(), self.overlays)


def _normalised(model: ModelRef, frame: Frame, found: Detections) -> ModelDetections:
    boxes = frame.views[model.view].letterbox.to_normalised(found.boxes)
    return ModelDetections(model, replace(found, boxes=boxes))


def _overlay(model: ModelRef, frame: Frame, found: Detections, colour: RgbColour) -> Overlay:
    return Overlay(
        found=found.above(model.thresholds),
        letterbox=frame.views[model.view].letterbox,
        labels=model.labels,
        colour=colour,
        prefix=f"v{model.version} ",
    )


def _resumed(path: Path, begun: ComparisonState) -> ComparisonState | None:
    """What an earlier worker left; what was open then is over, as far as it was seen.

    None where there is nothing, or where it was counted with other thresholds.
    """
    state = load_state(path)
    thresholds = begun.first_thresholds, begun.second_thresholds
    if state is None or (state.first_thresholds, state.second_thresholds) != thresholds:
        return None
    return _ended(state)


def _ended(state: ComparisonState) -> ComparisonState:
    notes: tuple[IncidentNote, ...] = tuple(
        note if note.ended_at else replace(note, ended_at=max(state.until, note.opened_at))
        for note in state.notes
    )
    return replace(state, notes=notes)


class CameraShadow:
    """The comparisons of one camera. Safe for use from several threads.

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
        # Slots note what was published, the thread of the shadows compares.
        self._lock = threading.RLock()
        self._seen: dict[float, Signals] = {}

    def note_signals(self, frame: Frame, seen: Signals) -> None:
        """Keeps what the image of a frame said, for when its shadow has inferred it."""
        with self._lock:
            if self.comparisons:
                self._seen[frame.captured_mono_s] = seen
                while len(self._seen) > SIGNALS_KEPT:
                    del self._seen[next(iter(self._seen))]

    def follow(self, task: str, route: Route) -> None:
        """Ends the comparison of a task, and begins one where the new route has a shadow."""
        with self._lock:
            self._follow(task, route)

    def _follow(self, task: str, route: Route) -> None:
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
        with self._lock:
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
        with self._lock:
            if routes != self._routes.processed:
                return  # The comparison that it belongs to is over.
            seen = self._seen.get(frame.captured_mono_s, NO_SIGNALS)
            for task, comparison in self.comparisons.items():
                route = routes[task]
                if task not in frame.tasks or route.shadow is None:
                    continue
                if route.model in found and route.shadow in shadows:
                    comparison.observe(frame, found[route.model], shadows[route.shadow], seen)
                else:
                    comparison.missed(fault)

    def close(self, reason: EndReason, at: Moment) -> None:
        """Ends what the shadows would have going on."""
        with self._lock:
            for comparison in self.comparisons.values():
                comparison.close(reason, at)
