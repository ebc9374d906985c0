"""`EvidenceRecorder`: the keyframe is made durable, then the event; neither stops the cameras.

`publish` never raises for disk trouble and never waits for the network. Where the image cannot be
kept, the event goes out without it; where the event cannot be committed, it waits in memory. All of
it is counted. The same transition or state change always gives the same event id.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from camera_adapters import CameraSpec, FullImage, StateChange
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.spool import Spool
from pipelines.errors import EncodingError, OutboxUnavailable, SpoolError, SpoolFull
from pipelines.event import (
    EDGE_PRIORITY,
    CameraData,
    CameraStateData,
    CameraStateEvent,
    IncidentData,
    IncidentEvent,
    KeyframeData,
    MeasurementData,
    MeasurementEvent,
    OutgoingEvent,
    Role,
    SubjectData,
    VersionData,
    event_id,
)
from pipelines.incident import EndReason, Measurement, Phase, Severity, Transition
from pipelines.keyframe import encode, keyframe
from pipelines.plan import ModelRef

log = logging.getLogger(__name__)

SEVERITIES = tuple(Severity)
EDGE_ROLES: dict[Phase, Role] = {Phase.STARTED: "opening", Phase.ENDED: "closing"}
SHED_AT_ONCE = 16
"""Keyframes given up together when the spool is full."""

MAX_SUBJECTS = 30
"""The most confident subjects that travel; a crowd's size is in `detail`. Keeps events < 64 KiB."""


def incident_event(
    transition: Transition,
    camera: CameraSpec,
    model: ModelRef,
    rule: tuple[str, str],
    source: str,
) -> IncidentEvent:
    """The event of a transition, not finished: the outbox adds sequence, revision and keyframes."""
    incident, phase = transition.incident, transition.phase.value
    subjects = sorted(incident.subjects, key=lambda one: (-one.score, one.track))[:MAX_SUBJECTS]
    data = IncidentData(
        incident_id=incident.id,
        kind=incident.kind,
        phase=phase,
        revision=0,
        severity=incident.severity.value,
        camera=CameraData.model_validate(camera),
        zone=incident.zone,
        opened_at=incident.opened_at,
        updated_at=incident.updated_at,
        ended_at=incident.ended_at,
        end_reason=incident.end_reason,
        subjects=tuple(
            SubjectData(track=one.track, label=one.label, score=one.score, box=one.box)
            for one in subjects
        ),
        detail=_finite(incident.detail),
        model=VersionData.model_validate(model),
        rule=VersionData(name=rule[0], version=rule[1]),
    )
    return IncidentEvent.model_validate(
        {
            "id": event_id(incident.id, phase, incident.updated_at.isoformat()),
            "source": source,
            "subject": incident.id,
            "type": f"cityeye.incident.{phase}",
            "time": incident.updated_at,
            "partitionkey": camera.id,
            "sequence": "",
            "data": data,
        }
    )


def recovered_event(last: IncidentEvent, at: datetime) -> IncidentEvent:
    """The end of an incident that a crash left open, from its newest event."""
    return last.changed(
        event_id(last.data.incident_id, EndReason.RECOVERED),
        at,
        phase=Phase.ENDED.value,
        updated_at=at,
        ended_at=at,
        end_reason=EndReason.RECOVERED.value,
    )


def state_event(change: StateChange, camera: CameraSpec, source: str) -> CameraStateEvent:
    """The event of a camera-state change, not finished: the outbox adds the sequence."""
    return CameraStateEvent(
        id=event_id(source, camera.id, change.state, change.at.isoformat()),
        source=source,
        subject=camera.id,
        time=change.at,
        partitionkey=camera.id,
        sequence="",
        data=CameraStateData(
            camera=CameraData.model_validate(camera),
            state=change.state.value,
            previous=change.previous,
            reason=change.reason,
            since=change.at,
        ),
    )


def measurement_event(
    measurement: Measurement,
    camera: CameraSpec,
    model: ModelRef,
    rule: tuple[str, str],
    source: str,
) -> MeasurementEvent:
    """The event of a measurement, not finished: the outbox adds the sequence."""
    period = (measurement.begins_at.isoformat(), measurement.ends_at.isoformat())
    return MeasurementEvent(
        id=event_id(source, camera.id, measurement.kind, measurement.zone, *rule, *period),
        source=source,
        subject=f"{camera.id}/{measurement.zone}",
        time=measurement.ends_at,
        partitionkey=camera.id,
        sequence="",
        data=MeasurementData.model_validate(
            asdict(measurement)
            | {"camera": camera, "values": _finite(measurement.values), "model": model}
            | {"rule": {"name": rule[0], "version": rule[1]}}
        ),
    )


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    # JSON has no infinity: a value that could not be measured is left out.
    return {name: value for name, value in values.items() if math.isfinite(value)}


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
        source: str,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Call `recover` before the first `publish`.

        Args:
            outbox: Where events go.
            spool: Where keyframes go.
            source: CloudEvents source, unique per outbox (`cityeye/worker-0`).
            utc_now: Clock for recovered incidents.
        """
        self._outbox = outbox
        self._spool = spool
        self._source = source
        self._utc_now = utc_now
        self._publishing = threading.Lock()
        self._counting = threading.Lock()
        self._open: dict[str, _OpenIncident] = {}
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
        event = incident_event(transition, camera, model, rule, self._source)
        with self._publishing:
            captured = self._capture_keyframe(transition, event, image)
            self._record(event, (captured,) if captured else ())

    def publish_state(self, change: StateChange, camera: CameraSpec) -> None:
        """Makes a camera-state change durable; does not wait for an image being encoded."""
        self._record(state_event(change, camera, self._source))

    def publish_measurement(
        self, measurement: Measurement, camera: CameraSpec, model: ModelRef, rule: tuple[str, str]
    ) -> None:
        """Makes a measurement durable; does not wait for an image being encoded.

        Args:
            measurement: What was measured.
            camera: Where.
            model: Whose detections were counted.
            rule: Kind and version of the rule.
        """
        self._record(measurement_event(measurement, camera, model, rule, self._source))

    def recover(self) -> int:
        """Ends incidents that a crash left open and clears images that no event names.

        What this recorder has published itself is left alone.

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
        incidents = self._outbox.open_incidents()
        left_open = [last for last in incidents if last.data.incident_id not in known]
        for last in left_open:
            self._outbox.record(recovered_event(last, self._utc_now()))
        if left_open:
            log.warning("evidence.recovered", extra={"incidents": len(left_open)})
        return len(left_open)

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
            captured = keyframe(
                encoded, role, incident.camera, event.id, number, incident.updated_at
            )
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
        return captured

    def _shed(self, priority: int) -> bool:
        try:
            names = self._outbox.shed_blobs(priority, SHED_AT_ONCE)
        except OutboxUnavailable:
            return False
        for name in names:
            self._spool.remove(name)
        if names:
            log.warning("evidence.keyframes_shed", extra={"keyframes": len(names)})
        return bool(names)
