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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from camera_adapters import CameraSpec, ClipFile, FullImage, StateChange
from pipelines.coverage import STOPPED as GAP_STOPPED
from pipelines.coverage import WORKER_DOWN, Coverage, CoveredPeriod, missing_period
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.restricted_rows import LEAST_KEYFRAME_PRIORITY
from pipelines.delivery.spool import Spool
from pipelines.errors import EncodingError, OutboxUnavailable, SpoolError, SpoolFull
from pipelines.event import (
    EDGE_PRIORITY,
    CameraData,
    IncidentEvent,
    OutgoingEvent,
)
from pipelines.event_evidence import ClipData, KeyframeData, Role
from pipelines.event_identity import camera_source
from pipelines.incident import Incident, Measurement, Phase, Severity, Transition
from pipelines.keyframe import clip_data, encode, keyframe
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

log = logging.getLogger(__name__)

SEVERITIES = tuple(Severity)
EDGE_ROLES: dict[Phase, Role] = {Phase.STARTED: "opening", Phase.ENDED: "closing"}
UNAUTHORIZED = "unauthorized"
SHED_AT_ONCE = 16
"""Files given up together when the spool is full, clips before keyframes."""


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
    ) -> None:
        """Call `recover` before the first `publish`.

        Args:
            outbox: Where events go.
            spool: Where keyframes go.
            city: The city's name in the CloudEvents source of every event.
            utc_now: Clock for what is recovered.
            keyframe_address: What stands before a keyframe's key where the hub or the control API
                gives it away; empty where neither does.
        """
        self._outbox = outbox
        self._spool = spool
        self._origin = Origin(city, outbox.incarnation)
        self._utc_now = utc_now
        self._keyframe_address = keyframe_address
        self._publishing = threading.Lock()
        self._counting = threading.Lock()
        self._open: dict[str, _OpenIncident] = {}
        self._states: dict[str, str] = {}
        self._published = 0
        self._keyframes = 0
        self._missed = 0

    @property
    def counters(self) -> EvidenceCounters:
        """What the recorder has done."""
        return EvidenceCounters(self._published, self._keyframes, self._missed)

    def publish(
        self,
        transition: Transition,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
        image: FullImage | None,
    ) -> None:
        """Makes a transition durable, with its image where it deserves one.

        Openings, endings and updates that raise the severity above all before get a keyframe.

        Args:
            transition: What happened.
            camera: Where.
            model: Whose detections led to it.
            rule: Kind and version of the rule.
            image: The full image of that moment, if there is one.
        """
        event = incident_event(transition, camera, model, rule, self._origin)
        with self._publishing:
            captured = self._capture_keyframe(transition, event, image)
            self._record(event, (captured,) if captured else ())

    def publish_state(self, change: StateChange, camera: CameraSpec) -> None:
        """Makes a camera-state change durable; does not wait for an image being encoded."""
        self._states[camera.id] = change.state.value
        self._record(state_event(change, camera, self._origin))

    def publish_stopped(self, camera: CameraSpec, reason: str) -> None:
        """Says that nobody watches the camera from now on, and that this is on purpose.

        Call it when no further state change of the camera can come.
        """
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
        described = clip_data(clip, incident, begins_at)
        try:
            self._spool.put(described.name, clip.data)
        except SpoolError as error:
            log.error(
                "evidence.clip_missed", extra={"camera": incident.camera, "error": str(error)}
            )
            reason = (
                "the spool is full" if isinstance(error, SpoolFull) else "the disk took nothing"
            )
            return ClipData(state="none", reason=reason)
        return described

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

        Incidents that were open end. A camera whose newest published state is one of a worker that
        was there is now offline, or stopped where it is not among `cameras`. What this recorder has
        published itself is left alone.

        Args:
            cameras: Ids of the cameras that this worker has.
            replaced: Why the worker before this one was replaced, if that is known.

        Returns:
            How many incidents were ended.

        Raises:
            OutboxUnavailable: The outbox cannot be read.
        """
        with self._publishing:
            if not self._published:
                for name in self._spool.names() - self._outbox.blob_names():
                    self._spool.remove(name)
            known = set(self._open)
        self._outbox.settle_clips()
        incidents = self._outbox.open_incidents()
        left_open = [last for last in incidents if last.data.incident_id not in known]
        for last in left_open:
            camera = last.data.camera.id
            incarnation = self._origin.incarnation if camera in cameras else last.incarnation
            moved = last.moved(camera_source(self._origin.city, camera), incarnation)
            self._outbox.record(recovered_event(moved, self._utc_now()))
        if left_open:
            log.warning("evidence.recovered", extra={"incidents": len(left_open)})
        self._recover_cameras(cameras, replaced)
        return len(left_open)

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
        self._outbox.record(event, keyframes)
        with self._counting:
            self._published += 1

    def _capture_keyframe(
        self, transition: Transition, event: IncidentEvent, image: FullImage | None
    ) -> KeyframeData | None:
        incident = transition.incident
        known = self._open.setdefault(incident.id, _OpenIncident(incident.severity))
        role = EDGE_ROLES.get(transition.phase)
        if SEVERITIES.index(incident.severity) > SEVERITIES.index(known.severity):
            role = role or "peak"
        number = known.keyframes
        if transition.phase is Phase.ENDED:
            del self._open[incident.id]
        if role is None:
            return None
        known.severity = incident.severity
        if image is None:
            return None
        try:
            encoded = encode(image)
            at, address = incident.updated_at, self._keyframe_address
            names = (incident.camera, incident.id, event.id)
            captured = keyframe(encoded, role, *names, number, at, address)
            try:
                self._spool.put(captured.name, encoded.jpeg)
            except SpoolFull:
                if not self._shed(EDGE_PRIORITY[incident.severity]):
                    raise
                self._spool.put(captured.name, encoded.jpeg)
        except (EncodingError, SpoolError) as error:
            self._missed += 1
            log.error(
                "evidence.keyframe_missed", extra={"camera": incident.camera, "error": str(error)}
            )
            return None
        known.keyframes += 1
        self._keyframes += 1
        return self._keep_clean(captured, encoded.clean, incident.camera)

    def _keep_clean(self, captured: KeyframeData, data: bytes | None, camera: str) -> KeyframeData:
        """Keeps the clean image of a keyframe, which goes without it where there is no room."""
        if captured.clean is None or data is None:
            return captured
        try:
            self._spool.put(captured.clean.name, data)
        except SpoolError as error:
            log.error("evidence.clean_missed", extra={"camera": camera, "error": str(error)})
            return captured.model_copy(update={"clean": None})
        return captured

    def _shed(self, priority: int) -> bool:
        try:
            restricted = self._outbox.shed_blobs(LEAST_KEYFRAME_PRIORITY - 1, SHED_AT_ONCE)
            names = restricted or self._outbox.shed_blobs(priority, SHED_AT_ONCE)
        except OutboxUnavailable:
            return False
        for name in names:
            self._spool.remove(name)
        if names:
            log.warning("evidence.shed", extra={"files": len(names)})
        return bool(names)
