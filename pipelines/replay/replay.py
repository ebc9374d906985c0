"""`Replay`: one camera's frames of a recording, each followed to the end before the next is read.

It is what a camera worker does with a frame, by the same functions, without a slot, an outbox or a
clock: the same recording, plan and models always give the same result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from camera_adapters import CameraSpec, Frame, Playback
from models.detections import Detections
from pipelines.adaptive_rate import AdaptiveRates
from pipelines.batcher import CameraRoutes, TakenFrames, assemble
from pipelines.camera_pipeline import CameraPipeline
from pipelines.coverage import Coverage
from pipelines.detector import DetectorPort
from pipelines.evidence_frame import EvidenceFrame
from pipelines.incident import EndReason, Measurement, Transition
from pipelines.motion_gate import gate_of
from pipelines.plan import CameraPlan, ModelRef, Routes
from pipelines.rules.condition import RuleExplanation
from pipelines.rules.rule import Moment
from pipelines.shadow.comparison import CameraShadow
from pipelines.signals.signal import Signals
from pipelines.track import Track

INCARNATION: Final = "replay"
"""Part of the ids of incidents, which are therefore the same every time."""

NOWHERE: Final = Path("/dev/null")
"""Shadows are compared on live cameras only."""


@dataclass(frozen=True, slots=True)
class RuleStep:
    """What a rule found, with whose tracks.

    Attributes:
        found: One change of an incident, or one measurement.
        model: `name/version` whose tracks led to it.
        rule: Kind and version of the rule: `traffic.congestion/2`.
    """

    found: Transition | Measurement
    model: str
    rule: str


@dataclass(frozen=True, slots=True, eq=False)
class ReplayStep:
    """One analysed frame, or the end of the recording.

    Attributes:
        at_s: Second of the recording.
        frame: The frame; None at the end, where incidents end that are still going on.
        tracks: The objects that are seen in it, by model.
        tasks: The due tasks that each of these models is for, sorted.
        signals: What its images say beside boxes, where that was computed anew, else None.
        found: What the rules found.
        others: What the rules of each other plan found.
    """

    at_s: float
    frame: Frame | None
    tracks: Mapping[ModelRef, tuple[Track, ...]]
    tasks: Mapping[ModelRef, tuple[str, ...]]
    signals: Signals | None
    found: tuple[RuleStep, ...]
    others: tuple[tuple[RuleStep, ...], ...] = ()

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """What became of incidents."""
        found = (one.found for one in self.found)
        return tuple(one for one in found if isinstance(one, Transition))


class Replay:
    """Runs a camera's plan over a recording, once. Not thread-safe.

    Attributes:
        analysed: Frames that went to the rules.
        held: Of these, frames that were not inferred, as nothing had moved.
    """

    def __init__(
        self,
        plan: CameraPlan,
        playback: Playback,
        detector: DetectorPort,
        others: Sequence[CameraPlan] = (),
    ) -> None:
        """Prepares tracker, signals and rules.

        Args:
            plan: The camera; shadows are left out.
            playback: The recording, opened for the same camera.
            detector: Has the models of the plan.
            others: The same camera with other rules, which get the same frames and detections.
        """
        self._playback = playback
        self._detector = detector
        self._routes = CameraRoutes(_unshadowed(plan).routes)
        self.analysed = self.held = 0
        self._gate = gate_of(plan)
        self._rates = AdaptiveRates(plan) if plan.is_adaptive else None
        self._watcher, *self._others = (_Watcher(_unshadowed(one)) for one in (plan, *others))

    def steps(self) -> Iterator[ReplayStep]:
        """Every analysed frame in order, and at last the end of the recording; once.

        Raises:
            CameraFault: The recording has no image that can be used.
            DetectorError: A model failed.
        """
        at: Moment | None = None
        for frame in self._playback.frames():
            at = Moment(frame.captured_at, frame.captured_mono_s)
            yield self._follow(frame)
        if at is not None:
            # As with a camera that plays a recording: what nobody can see any more has ended.
            for one in (self._watcher, *self._others):
                one.pipeline.close(EndReason.STREAM_LOST, at)
            yield ReplayStep(at.mono_s, None, {}, {}, None, *self._taken())

    def explain(self) -> tuple[Mapping[str, tuple[RuleExplanation, ...]], ...]:
        """Why there are incidents or none after the newest step, by task, for each plan."""
        return tuple(one.pipeline.explain() for one in (self._watcher, *self._others))

    def _taken(self) -> tuple[tuple[RuleStep, ...], tuple[tuple[RuleStep, ...], ...]]:
        """What was found in one step, by the rules of the plan and by those of the others."""
        others = tuple(one.recorder.taken() for one in self._others)
        return self._watcher.recorder.taken(), others

    def _follow(self, frame: Frame) -> ReplayStep:
        """Does what a slot of a camera group does with one frame."""
        routes, known = self._routes.newest, self._watcher.pipeline.signals
        frame, found = self._found(frame, routes)
        self.analysed += 1
        at_s = frame.captured_mono_s
        tracks = self._watcher.pipeline.process_frame(frame, routes, found, at_s)
        for one in self._others:
            one.pipeline.process_frame(frame, routes, found, at_s)
        if self._rates is not None:
            self._playback.pace(self._rates.note(frame, routes, tracks))
        signals = self._watcher.pipeline.signals
        new = None if signals is known else signals
        due = sorted(frame.tasks)
        tasks = {model: tuple(t for t in due if routes[t].model == model) for model in tracks}
        return ReplayStep(at_s, frame, tracks, tasks, new, *self._taken())

    def _found(self, frame: Frame, routes: Routes) -> tuple[Frame, Mapping[ModelRef, Detections]]:
        """The frame converted, with what is in it by model."""
        if self._gate is not None:
            held = self._gate.held(frame, {routes[task].model for task in frame.tasks})
            if held is not None:
                self.held += 1
                return held.frame, held.found
        batches, faults = assemble(TakenFrames((frame,), (routes,)))
        for fault in faults.values():
            raise fault
        found: dict[ModelRef, Detections] = {}
        for batch in batches:
            result = self._detector.submit(batch).result(math.inf)
            for error in result.failures.values():
                raise error
            found |= {model: own for _, model, own in batch.unpacked(result)}
            (frame,) = batch.frames
        if self._gate is not None:
            self._gate.note(frame, found)
        return frame, found


def _unshadowed(plan: CameraPlan) -> CameraPlan:
    return replace(plan, tasks=tuple(replace(task, shadow=None) for task in plan.tasks))


class _Watcher:
    """The tracker, signals and rules of one plan."""

    def __init__(self, plan: CameraPlan) -> None:
        self.recorder = _StepRecorder()
        routes = CameraRoutes(plan.routes)
        shadow = CameraShadow(plan, routes, INCARNATION, NOWHERE)
        self.pipeline = CameraPipeline(plan, routes, self.recorder, shadow, INCARNATION)


class _StepRecorder:
    """Keeps what the rules found until somebody takes it; see `PipelineRecorder`."""

    def __init__(self) -> None:
        self._found: list[RuleStep] = []

    def taken(self) -> tuple[RuleStep, ...]:
        """What was found since the last call."""
        found, self._found = tuple(self._found), []
        return found

    def publish(
        self,
        transition: Transition,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
        frame: EvidenceFrame | None,
        peak: EvidenceFrame | None = None,
    ) -> Transition:
        self._found.append(RuleStep(transition, model.key, "/".join(rule)))
        return transition

    def publish_measurement(
        self,
        measurement: Measurement,
        task: str,
        coverage: Coverage,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
    ) -> None:
        # Coverage is of the clock that a live camera is watched by; a recording has none.
        self._found.append(RuleStep(measurement, model.key, "/".join(rule)))
