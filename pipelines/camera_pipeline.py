"""Hops 6 to 8 for one camera: detections become tracks, tracks incidents, incidents evidence."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

from camera_adapters import Frame, FullImage, MainStream
from models.detections import Detections, plain_label
from pipelines.batcher import CameraRoutes
from pipelines.certainty import COVERING, certainty_of
from pipelines.coverage import LATE_S
from pipelines.coverage_ledger import SETTLE_S, CoverageLedger
from pipelines.evidence_frame import EvidenceFrame, PeakFrames, TrackTrails
from pipelines.incident import EndReason, Phase
from pipelines.incident_groups import IncidentGroups
from pipelines.live_view import LivePlaces, LiveView
from pipelines.masking import MaskMemory
from pipelines.metrics import CameraStatistics
from pipelines.place_check import PlaceCheck, place_check
from pipelines.place_memory import PlaceMemory
from pipelines.plan import CameraPlan, ModelRef, Routes
from pipelines.recorder import PipelineRecorder
from pipelines.rules import EndedIncident, Rule, build_rule, longest_gap_s
from pipelines.rules.condition import RuleExplanation
from pipelines.rules.rule import FrameSignals, Moment, RuleResult
from pipelines.shadow.comparison import CameraShadow
from pipelines.signals.camera_signals import CameraSignals
from pipelines.signals.signal import NO_SIGNALS, Signals, ViewFault
from pipelines.tracing.frame_trace import FOLLOWED, NOT_TRACED
from pipelines.track import Track
from pipelines.tracker import CameraTracker

VIEW_LOST_AFTER_S: Final = 20.0
"""How long a view must be at fault until incidents end that it cannot vouch for any more."""


class CameraPipeline:
    """Processes one camera's frames in order. Safe for use from several threads.

    Attributes:
        statistics: Its counters.
        ledger: What it could see, by task.
        live: Its newest frame, for whoever watches.
        main: The stream that keyframes are of; None where they are of the analysed frames.
    """

    def __init__(
        self,
        plan: CameraPlan,
        routes: CameraRoutes,
        recorder: PipelineRecorder,
        shadow: CameraShadow,
        incarnation: str,
        on_view: Callable[[ViewFault | None], None] = lambda _: None,
        memory: PlaceMemory | None = None,
        ended: Callable[[], Sequence[EndedIncident]] = tuple,
    ) -> None:
        """Builds trackers, signals and rules.

        Args:
            plan: What is to be done with the camera's frames.
            routes: The camera's routes.
            recorder: Where incident transitions go with their images.
            shadow: Takes note of transitions and of changed routes.
            incarnation: Differs between worker starts, so that incident ids never repeat.
            on_view: Called when the view becomes faulty, differently faulty, or well again.
            memory: Where what its places learn is kept; None where it is not.
            ended: Gives the incidents of the camera that an earlier run ended lately.
        """
        self._plan = plan
        self._on_view = on_view
        self._memory = memory
        self._ended = ended
        self.is_memory_due = False
        """Whether incidents have changed since what the places know was saved: a crash would make
        them forget what they have reported."""
        self._newest: Moment | None = None
        self._routes = routes
        self._recorder = recorder
        self._shadow = shadow
        self._stream_restarts = 0
        # A slot processes frames; incidents of a lost stream end on another thread.
        self._processing = threading.Lock()
        self._ids = itertools.count(1)
        self._rules: Mapping[str, tuple[Rule, ...]] = {
            task.task: tuple(build_rule(rule, plan.camera.id, incarnation) for rule in task.rules)
            for task in plan.tasks
        }
        self._trails, self._peaks = TrackTrails(), PeakFrames()
        rules = [rule for task in plan.tasks for rule in task.rules]
        places = LivePlaces.of(plan)
        self._places = places.zones
        self.live = LiveView(places, max((task.most_fps for task in plan.tasks), default=1.0))
        zones, lines = ([rule.zones for rule in rules], [rule.lines for rule in rules])
        self._groups = IncidentGroups(chain(*zones, *lines))
        declared = (rule.signals for rules in self._rules.values() for rule in rules)
        self._signals = CameraSignals(plan.signals.union(*declared), plan.cannot_see_s)
        # When the view became faulty; None while it is well, and once its incidents have ended.
        self._fault_since_s: float | None = None
        gaps_s = {task.task: longest_gap_s(task.least_fps, task.rules) for task in plan.tasks}
        settle_s = max(SETTLE_S, plan.cannot_see_s + LATE_S)
        self.main: MainStream | None = None
        self.ledger = CoverageLedger(plan.camera.id, gaps_s, plan.coverage_s, settle_s=settle_s)
        self.statistics = CameraStatistics({task.task: task.fps for task in plan.tasks})
        rates = {task.task: task.fps for task in plan.tasks}
        self._masks = MaskMemory(rates) if plan.masking else None
        self._trackers: dict[ModelRef, CameraTracker] = {}
        self._follow({}, routes.processed)

    def process_frame(
        self, frame: Frame, routes: Routes, found: Mapping[ModelRef, Detections], now_s: float
    ) -> Mapping[ModelRef, tuple[Track, ...]]:
        """Follows one frame from its detections to the outbox.

        Args:
            frame: The frame.
            routes: Which versions it was sent to, by task.
            found: What each due model found in it; one that failed is left out.
            now_s: Monotonic time at which the result came in, for the frame's age.

        Returns:
            The objects that are seen in it, by model.
        """
        with self._processing:
            if routes != self._routes.processed:
                old, self._routes.processed = self._routes.processed, routes
                self._follow(old, routes)
                self.statistics.rerouted()
            if frame.stream_restarts != self._stream_restarts:
                # Rules keep their state: a short reconnect must not cut one incident into two.
                self._stream_restarts = frame.stream_restarts
                for tracker in self._trackers.values():
                    tracker.restart()
            at = Moment(frame.captured_at, frame.captured_mono_s)
            if self._newest is None:
                self._recall(at)
            self._newest = at
            trace = FOLLOWED.get()
            with trace.measured("track") if trace else NOT_TRACED:
                tracks = self._track(frame, found)
            wanted = self._signals.is_wanted
            seen = self._observe_signals(frame, found, tracks, at) if wanted else NO_SIGNALS
            self._shadow.note_signals(frame, seen)
            inferred: dict[str, ModelRef] = {}
            evidence: EvidenceFrame | None = None
            for task, rules in self._rules.items():
                model = routes[task].model
                if task not in frame.tasks or model not in tracks:
                    continue
                inferred[task] = model
                if seen.view is not None:
                    continue
                analysed = frame.views[model.view]
                signals = FrameSignals(analysed, seen.motion, seen.static_changes)
                with trace.measured("rules") if trace else NOT_TRACED:
                    for rule in rules:
                        result = rule.observe(tracks[model], at, signals)
                        if result.transitions or result.peaks:
                            evidence = evidence or self._evidence(frame, tracks)
                        if result.transitions or result.measurements or result.peaks:
                            self._publish(task, rule, result, evidence)
            self.ledger.analysed(inferred, frame.arrived_mono_s, seen.view or "")
            self.statistics.analysed(frame, inferred, now_s)
        return tracks

    def close(self, reason: EndReason, at: Moment) -> None:
        """Ends every open incident."""
        with self._processing:
            self._end_incidents(reason, at)

    def remember(self) -> None:
        """Saves what the places have learned; safe from any thread."""
        with self._processing:
            at, memory = self._newest, self._memory
            if at is None or memory is None:
                return
            rules = [rule for rules in self._rules.values() for rule in rules]
            memories = {place: kept for rule in rules for place, kept in rule.remember(at).items()}
            self.is_memory_due = False
        memory.save(memories)

    def explain(self) -> Mapping[str, tuple[RuleExplanation, ...]]:
        """Why there are incidents or none after the newest frame, by task; nothing before it."""
        with self._processing:
            at = self._newest
            if at is None:
                return {}
            return {
                task: tuple(rule.account(at) for rule in rules)
                for task, rules in self._rules.items()
            }

    def check_place(self, kind: str, place: str, now_s: float) -> PlaceCheck:
        """Whether incidents of a kind are still seen at a place; safe from any thread."""
        with self._processing:
            at, said = self._newest, []
            if at is not None:
                rules = chain.from_iterable(self._rules.values())
                said = [rule.account(at) for rule in rules if rule.kind == kind]
            return place_check(said, place, at, self._signals.newest.view or "", now_s)

    @property
    def signals(self) -> Signals:
        """What the images say beside boxes, now; safe from any thread."""
        return self._signals.newest

    def _track(
        self, frame: Frame, found: Mapping[ModelRef, Detections]
    ) -> dict[ModelRef, tuple[Track, ...]]:
        """Detections become tracks; who masks, draws or watches gets to know them."""
        now_s = frame.captured_mono_s
        tracks: dict[ModelRef, tuple[Track, ...]] = {}
        for model, detections in found.items():
            letterbox = frame.views[model.view].letterbox
            tracks[model] = self._trackers[model].update(detections, letterbox, now_s)
            self._trails.observe(tracks[model], now_s)
        if self._masks is not None:
            self._masks.note(frame, found, tracks)
        if frame.arrived_mono_s < self.live.wanted_until_s:
            self.live.note(frame, self._masked(frame.full), tracks)
        return tracks

    def _recall(self, at: Moment) -> None:
        rules = [rule for rules in self._rules.values() for rule in rules]
        ended = self._ended()
        for rule in rules:
            rule.cool(ended, at)
        if self._memory is not None:
            memories, age_s = self._memory.load()
            for rule in rules:
                rule.recall(memories, age_s, at)

    def _observe_signals(
        self,
        frame: Frame,
        detections: Mapping[ModelRef, Detections],
        tracks: Mapping[ModelRef, tuple[Track, ...]],
        at: Moment,
    ) -> Signals:
        """What the image says; reports a view that is at fault, and ends what depended on it."""
        before = self._signals.newest.view
        covers = [
            track.box
            for found in tracks.values()
            for track in found
            if plain_label(track.label) in COVERING
        ]
        certainty = partial(certainty_of, frame, detections)
        seen = self._signals.observe(frame.full, at.mono_s, covers, certainty)
        if seen.view is not before:
            if before is None or seen.view is None:
                self._fault_since_s = at.mono_s if seen.view else None
            if before is None and seen.view is not None:
                blind_s = frame.arrived_mono_s - self._signals.noticed_after_s
                self.ledger.blind_since(blind_s, seen.view)
            self._on_view(seen.view)
        since_s = self._fault_since_s
        if since_s is not None and at.mono_s - since_s >= VIEW_LOST_AFTER_S:
            self._fault_since_s = None
            self._end_incidents(EndReason.VIEW_LOST, at)
        return seen

    def _end_incidents(self, reason: EndReason, at: Moment) -> None:
        for task, rules in self._rules.items():
            for rule in rules:
                self._publish(task, rule, rule.close(reason, at), None)
        self._shadow.close(reason, at)

    def _follow(self, old: Routes, new: Routes) -> None:
        """Takes over other versions: trackers of models that stay go on, and so do all rules."""
        known, self._trackers = self._trackers, {}
        models = {route.model for route in new.values()}
        kept = {model: known.pop(model) for model in models & known.keys()}
        for task, route in new.items():
            model, before = route.model, old.get(task)
            if model not in kept and before is not None and before.model.key == model.key:
                # The same version with other thresholds.
                tracker = known.pop(before.model, None)
                if tracker is not None:
                    tracker.threshold = model.thresholds
                    kept[model] = tracker
            if model not in kept:
                fps = max(one.fps for one in self._plan.tasks if new[one.task].model == model)
                kept[model] = CameraTracker(
                    model.labels, self._ids, fps, threshold=model.thresholds
                )
            self._trackers[model] = kept[model]
            if before != route:
                self._shadow.follow(task, route)

    def _evidence(
        self, frame: Frame, tracks: Mapping[ModelRef, tuple[Track, ...]]
    ) -> EvidenceFrame:
        seen = tuple(track for own in tracks.values() for track in own)
        at_s, full = frame.captured_mono_s, frame.full
        of_main = None if self.main is None else self.main.image(at_s, full)
        image = self._masked(of_main or full, is_other=of_main is not None)
        return EvidenceFrame(image, seen, self._trails.of(seen), self._places, of_main)

    def _masked(self, full: FullImage, *, is_other: bool = False) -> FullImage:
        """A full image, and where it is to be masked if it is; see `MaskMemory.image`."""
        return full if self._masks is None else self._masks.image(full, is_other=is_other)

    def _publish(
        self, task: str, rule: Rule, result: RuleResult, frame: EvidenceFrame | None
    ) -> None:
        camera, model = self._plan.camera, self._routes.processed[task].model
        source = (rule.kind, rule.version)
        self.is_memory_due = self.is_memory_due or bool(result.transitions)
        if frame is not None:
            for incident in result.peaks:
                self._peaks.keep(incident, frame)
        for transition in map(self._groups.follow, result.transitions):
            # The image of an opening is that of the first peak; any later one has been kept.
            peak = self._peaks.take(transition.incident.id)
            for image in (peak, frame if transition.phase is not Phase.UPDATED else None):
                if image is not None:
                    # Here, as the recorder lets all cameras of the worker wait for one another.
                    image.prepare()
            # What goes on since before a restart of the worker is no further incident.
            published = self._recorder.publish(transition, camera, model, source, frame, peak)
            self.statistics.transition(published)
        wanted = self._plan.measurements
        for measurement in result.measurements:
            if wanted is not None and measurement.kind not in wanted:
                continue
            coverage = self.ledger.coverage(task, measurement.begins_at, measurement.ends_at)
            self._recorder.publish_measurement(measurement, task, coverage, camera, model, source)
        self._shadow.note(task, result.transitions)
