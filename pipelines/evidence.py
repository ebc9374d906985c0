"""`EvidenceRecorder`: the keyframe is made durable, then the event; neither stops the cameras.

`publish` never raises for disk trouble and never waits for the network. Where the image cannot be
kept, the event goes out without it; where the event cannot be committed, it waits in memory. All of
it is counted. After a crash, `recover` says what became of incidents and cameras.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from camera_adapters import CameraSpec, ClipFile, StateChange
from pipelines.case_codes import CaseTable
from pipelines.coverage import STOPPED as GAP_STOPPED
from pipelines.coverage import WORKER_DOWN, Coverage, CoveredPeriod, missing_period
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.spool import Spool
from pipelines.errors import OutboxUnavailable
from pipelines.event import CameraData, IncidentEvent, OutgoingEvent
from pipelines.event_evidence import ClipData, KeyframeData, Role
from pipelines.event_identity import camera_source
from pipelines.evidence_files import EvidenceFiles, WantedImage
from pipelines.evidence_frame import EvidenceFrame
from pipelines.incident import Incident, Measurement, Phase, Severity, Transition, worst
from pipelines.left_open import LeftOpenIncidents, cooling_down
from pipelines.plan import ModelRef
from pipelines.publication import (
    NOT_CONFIGURED,
    OFFLINE,
    STOPPED,
    Origin,
    coverage_event,
    incident_event,
    left_behind_event,
    measurement_event,
    notice_event,
    recovered_event,
    state_event,
    stopped_event,
)
from pipelines.rules import EndedIncident
from pipelines.tracing.frame_trace import FOLLOWED, NOT_TRACED

log = logging.getLogger(__name__)

EDGE_ROLES: dict[Phase, Role] = {Phase.STARTED: "opening", Phase.ENDED: "closing"}
UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True, slots=True)
class EvidenceCounters:
    """What a recorder has done since it started.

    Attributes:
        published: Events recorded.
        keyframes: Keyframes spooled.
        keyframes_missed: Keyframes that events had to go without.
    """

    published: int
    keyframes: int
    keyframes_missed: int


@dataclass(slots=True)
class _OpenIncident:
    """An open incident: the severity at which its newest keyframe was due, and their number."""

    severity: Severity
    keyframes: int = 0


class EvidenceRecorder:
    """One per camera worker; safe for use from several threads."""

    def __init__(
        self,
        outbox: Outbox,
        spool: Spool,
        city: str,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        keyframe_address: str = "",
        monotonic: Callable[[], float] = time.monotonic,
        resumption_s: Callable[[], Mapping[str, Mapping[str, float]]] = dict,
        cases: CaseTable | None = None,
    ) -> None:
        """Call `recover` before the first `publish`.

        Args:
            outbox: Where events go.
            spool: Where keyframes go.
            city: The city's name in the CloudEvents source of every event.
            utc_now: Clock for what is recovered.
            keyframe_address: What stands before a keyframe's key where the hub or the control API
                gives it away; empty where neither does.
            monotonic: Clock for how long an incident that was left open waits for its rule.
            resumption_s: Gives how long that is, seconds, by camera and kind; what is not named
                does not wait.
            cases: The city's case codes, if it has any.
        """
        self._outbox = outbox
        self._files = EvidenceFiles(outbox, spool, keyframe_address)
        self._origin = Origin(city, outbox.incarnation)
        self._utc_now = utc_now
        self._publishing = threading.Lock()
        self._counting = threading.Lock()
        self._monotonic = monotonic
        self._resumption_s = resumption_s
        self._cases = cases
        self._left_open = LeftOpenIncidents()
        self._open: dict[str, _OpenIncident] = {}
        self._states: dict[str, str] = {}
        self._published = 0

    @property
    def counters(self) -> EvidenceCounters:
        """What the recorder has done."""
        return EvidenceCounters(self._published, self._files.keyframes, self._files.missed)

    def publish(
        self,
        transition: Transition,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
        frame: EvidenceFrame | None,
        peak: EvidenceFrame | None = None,
    ) -> Transition:
        """Makes a transition durable, with its images where it deserves them.

        Openings, endings and updates that raise the severity above all before get a keyframe, and
        so does a peak that was not published before.

        Args:
            transition: What happened.
            camera: Where.
            model: Whose detections led to it.
            rule: Kind and version of the rule.
            frame: The frame of that moment, if there is one.
            peak: The frame of the incident's peak, if no event before had it.

        Returns:
            The transition as it was published: what a crash left open goes on with its old id.
        """
        with self._publishing:
            found, (transition, is_own) = transition, self._left_open.follow(transition)
            if not is_own:
                peak = None
            elif found.phase is Phase.STARTED is not transition.phase:
                # What goes on has its opening keyframe, and was never greater than here.
                peak = frame
            event = incident_event(transition, camera, model, rule, self._origin, self._cases)
            trace = FOLLOWED.get()
            with trace.measured("keyframe") if trace else NOT_TRACED:
                keyframes = self._capture_keyframes(transition, event, frame, peak)
            self._record(event, keyframes)
        if transition.phase is not Phase.UPDATED:
            incident = transition.incident
            facts = {"camera": camera.id, "incident": incident.id, "kind": incident.kind}
            log.info("incident.%s", transition.phase.value, extra=facts)
        return transition

    def publish_state(self, change: StateChange, camera: CameraSpec) -> None:
        """Makes a camera-state change durable; does not wait for an image being encoded."""
        self._states[camera.id] = change.state.value
        self._record(state_event(change, camera, self._origin))

    def publish_stopped(self, camera: CameraSpec, reason: str) -> None:
        """Says that nobody watches the camera from now on, and that this is on purpose.

        Call it when no further state change of the camera can come.
        """
        with self._publishing:
            self._end(self._left_open.overdue(camera=camera.id), {camera.id})
        previous = self._states.pop(camera.id, OFFLINE)
        event = stopped_event(camera, previous, reason, self._utc_now(), self._origin)
        self._record(event)

    def publish_measurement(
        self,
        measurement: Measurement,
        task: str,
        coverage: Coverage,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
    ) -> None:
        """Makes a measurement durable; does not wait for an image being encoded.

        Args:
            measurement: What was measured; left out where its value is not finite.
            task: The task of the rule.
            coverage: What the task could see meanwhile.
            camera: Where.
            model: Whose detections were counted.
            rule: Kind and version of the rule.
        """
        if math.isfinite(measurement.value):
            said = (measurement, task, coverage, camera, model, rule)
            self._record(measurement_event(*said, self._origin))

    def publish_coverage(self, period: CoveredPeriod, camera: CameraSpec) -> None:
        """Makes durable, and publishes, what a task could see in a period that is over."""
        data = CameraData.model_validate(camera)
        self._record(coverage_event(period, data, self._origin))

    def save_coverage(self, periods: Sequence[CoveredPeriod]) -> None:
        """Makes durable what is known of periods that are not over, in case this process dies."""
        with contextlib.suppress(OutboxUnavailable):
            self._outbox.coverage.save(periods)

    def is_open(self, incident: str) -> bool:
        """Whether an incident has begun under this id, and has not ended."""
        return incident in self._open

    def keep_clip(self, clip: ClipFile, incident: Incident, begins_at: datetime) -> ClipData:
        """Makes a clip durable; never raises for disk trouble, which is why there is none then.

        Args:
            clip: The clip.
            incident: Whose it is.
            begins_at: When its first image was captured, UTC.
        """
        return self._files.keep_clip(clip, incident, begins_at)

    def publish_clip(self, incident: str, clip: ClipData) -> None:
        """Publishes what became of a clip: at once where there is none, else once it is stored.

        Raises:
            OutboxUnavailable: The disk does not take it now; it may be tried again.
        """
        if clip.key:
            self._outbox.record_clip(incident, clip)
        else:
            self._outbox.record_no_clip(incident, clip.reason)

    def publish_notice(
        self, worker: str, kind: str, text: str, at: datetime, values: Mapping[str, int]
    ) -> None:
        """Makes durable what a worker has to say of itself; see `NoticeData`."""
        self._record(notice_event(worker, kind, text, at, values, self._origin))

    def recover(self, cameras: Collection[str], replaced: str = "") -> int:
        """Says what became of what a crash left behind, and clears images that no event names.

        Incidents that were open go on where their rule finds them again, see `LeftOpenIncidents`;
        the others end. A camera whose newest published state is one of a worker that
        was there is now offline, or stopped where it is not among `cameras`. What this recorder has
        published itself is left alone.

        Args:
            cameras: Ids of the cameras that this worker has.
            replaced: Why the worker before this one was replaced, if that is known.

        Returns:
            How many incidents were left open.

        Raises:
            OutboxUnavailable: The outbox cannot be read.
        """
        with self._publishing:
            if not self._published:
                self._files.clear()
            self._outbox.settle_clips()
            known = self._open.keys() | self._left_open.ids
            incidents = self._outbox.open_incidents()
            left_open = [last for last in incidents if last.data.incident_id not in known]
            waits, now_s = self._resumption_s(), self._monotonic()
            for last in left_open:
                wait_s = waits.get(last.data.camera.id, {}).get(last.data.kind, 0.0)
                self._left_open.wait(last, now_s + wait_s)
                self._open[last.data.incident_id] = _OpenIncident(Severity(last.data.severity))
            self._end(self._left_open.overdue(now_s), cameras)
        if left_open:
            log.warning("evidence.recovered", extra={"incidents": len(left_open)})
        self._recover_cameras(cameras, replaced)
        return len(left_open)

    def ended_before(self, camera: str) -> Sequence[EndedIncident]:
        """The incidents of a camera that cool down; none while the disk is away."""
        with contextlib.suppress(OutboxUnavailable):
            return cooling_down(self._outbox, camera, self._utc_now())
        return ()

    def end_left_open(self, cameras: Collection[str], *, at_once: bool = False) -> None:
        """Ends incidents that a crash left open, and whose rules did not find them again in time.

        Args:
            cameras: Ids of the cameras that this worker has.
            at_once: Whether they end however long they have waited, as this worker ends.
        """
        with self._publishing:
            now_s = math.inf if at_once else self._monotonic()
            self._end(self._left_open.overdue(now_s), cameras)

    def _end(self, left_open: Sequence[IncidentEvent], cameras: Collection[str]) -> None:
        for last in left_open:
            camera = last.data.camera.id
            incarnation = self._origin.incarnation if camera in cameras else last.incarnation
            moved = last.moved(camera_source(self._origin.city, camera), incarnation)
            self._outbox.record(recovered_event(moved, self._utc_now()))
            self._open.pop(last.data.incident_id, None)

    def recover_coverage(
        self, tasks: Mapping[str, Collection[str]], since: Mapping[str, datetime]
    ) -> None:
        """Publishes the periods that a crash left, and that nobody watched since then.

        Args:
            tasks: The tasks of each camera that this worker counts for, by its id.
            since: From when on it counts for each of them, UTC.

        Raises:
            OutboxUnavailable: The outbox cannot be read.
        """
        states = self._outbox.camera_states()
        known = {last.data.camera.id: last.data for last in states}
        before = min(since.values(), default=self._utc_now())
        periods = list(self._outbox.coverage.unpublished(before))
        for (camera, task), ends_at in self._outbox.coverage.ends(before).items():
            begins_at = since.get(camera, ends_at)
            if task in tasks.get(camera, ()) and ends_at < begins_at:
                last = known.get(camera)
                if last is not None and last.reason in NOT_CONFIGURED:
                    continue
                stopped = last is not None and last.state == STOPPED
                reason = GAP_STOPPED if stopped else WORKER_DOWN
                periods.append(missing_period(camera, task, ends_at, begins_at, reason))
        for period in periods:
            last = known.get(period.camera)
            about = last.camera if last else CameraData(id=period.camera)
            self._outbox.record(coverage_event(period, about, self._origin))

    def _recover_cameras(self, cameras: Collection[str], replaced: str) -> None:
        now = self._utc_now()
        for last in self._outbox.camera_states():
            camera, state = last.data.camera.id, last.data.state
            held = camera in cameras
            said = (STOPPED, OFFLINE, UNAUTHORIZED) if held else (STOPPED,)
            if camera in self._states or state in said:
                continue
            since = self._outbox.last_alive_at or last.time
            event = left_behind_event(
                last, held=held, replaced=replaced, since=since, at=now, origin=self._origin
            )
            self._outbox.record(event)
            log.warning("evidence.camera_left_behind", extra={"camera": camera, "was": state})

    def _record(self, event: OutgoingEvent, keyframes: tuple[KeyframeData, ...] = ()) -> None:
        if trace := FOLLOWED.get():
            event = event.model_copy(update={"traceparent": trace.traceparent})
        with trace.measured("outbox.commit") if trace else NOT_TRACED:
            self._outbox.record(event, keyframes)
        with self._counting:
            self._published += 1

    def _capture_keyframes(
        self,
        transition: Transition,
        event: IncidentEvent,
        frame: EvidenceFrame | None,
        peak: EvidenceFrame | None,
    ) -> tuple[KeyframeData, ...]:
        incident = transition.incident
        known = self._open.setdefault(incident.id, _OpenIncident(incident.severity))
        role = EDGE_ROLES.get(transition.phase)
        if peak is None and incident.severity.level > known.severity.level:
            role = role or "peak"
        known.severity = worst((known.severity, incident.severity))
        if transition.phase is Phase.ENDED:
            del self._open[incident.id]
        wanted: list[tuple[Role, EvidenceFrame, datetime]] = []
        if peak is not None and incident.peak is not None:
            wanted.append(("peak", peak, incident.peak.at))
        if role is not None and frame is not None:
            wanted.append((role, frame, incident.updated_at))
        captured = []
        for what in wanted:
            one = self._files.keep_image(incident, event.id, WantedImage(*what, known.keyframes))
            if one is not None:
                known.keyframes += 1
                captured.append(one)
        return tuple(captured)
