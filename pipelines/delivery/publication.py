"""Turns transitions and state changes into events; the same transition always gives the same id."""

from __future__ import annotations

import math
import uuid
from datetime import datetime
from typing import Protocol

from camera_adapters.spec import CameraSpec
from pipelines.event import (
    INCIDENT_ENDED,
    INCIDENT_STARTED,
    INCIDENT_UPDATED,
    CameraData,
    CameraStateData,
    CameraStateEvent,
    IncidentData,
    IncidentEvent,
    PlaceData,
    SubjectData,
    VersionData,
)
from pipelines.incident import EndReason, Incident, Phase, Subject, Transition
from pipelines.plan import ModelRef

NAMESPACE = uuid.UUID("6f1b8a52-3c0d-5f6e-9a41-c17e0e7ec175")
MAX_SUBJECTS = 100
"""The most confident subjects that travel; a crowd's size is in `detail`. Keeps events < 64 KiB."""

TYPES = {
    Phase.STARTED: INCIDENT_STARTED,
    Phase.UPDATED: INCIDENT_UPDATED,
    Phase.ENDED: INCIDENT_ENDED,
}


class CameraChange(Protocol):
    """A camera that went from one state to another, as the adapters report it."""

    @property
    def state(self) -> str:
        """`online`, `degraded`, `offline` or `unauthorized`."""
        ...

    @property
    def previous(self) -> str:
        """The state before."""
        ...

    @property
    def reason(self) -> str:
        """Why, in words without credentials."""
        ...

    @property
    def at(self) -> datetime:
        """When, UTC."""
        ...


def event_id(incident: str, step: str, revision: int) -> str:
    """The id of an incident's event: uuid5 over incident, step and revision."""
    return str(uuid.uuid5(NAMESPACE, f"{incident}|{step}|{revision}"))


def incident_event(
    transition: Transition,
    camera: CameraSpec,
    model: ModelRef,
    rule: tuple[str, str],
    source: str,
) -> IncidentEvent:
    """The event of a transition, without keyframes and sequence: the outbox adds those."""
    incident = transition.incident
    return IncidentEvent(
        id=event_id(incident.id, transition.phase, incident.revision),
        source=source,
        subject=incident.id,
        type=TYPES[transition.phase],
        time=incident.updated_at,
        partitionkey=camera.id,
        sequence="",
        data=_incident_data(incident, transition.phase, camera, model, rule),
    )


def recovered_event(last: IncidentEvent, at: datetime) -> IncidentEvent:
    """The end of an incident that a crash left open, from its newest event."""
    revision = last.data.revision + 1
    data = last.data.model_copy(
        update={
            "phase": Phase.ENDED.value,
            "revision": revision,
            "updated_at": at,
            "ended_at": at,
            "end_reason": EndReason.RECOVERED.value,
        }
    )
    update = {
        "id": event_id(data.incident_id, Phase.ENDED, revision),
        "type": INCIDENT_ENDED,
        "time": at,
        "data": data,
    }
    return last.model_copy(update=update)


def state_event(change: CameraChange, camera: CameraSpec, source: str) -> CameraStateEvent:
    """The event of a camera-state change, without sequence.

    Raises:
        pydantic.ValidationError: The state is none that the contract knows.
    """
    name = f"{source}|{camera.id}|{change.state}|{change.at.isoformat()}"
    return CameraStateEvent(
        id=str(uuid.uuid5(NAMESPACE, name)),
        source=source,
        subject=camera.id,
        time=change.at,
        partitionkey=camera.id,
        sequence="",
        data=CameraStateData.model_validate(
            {
                "camera": _camera_data(camera),
                "state": str(change.state),
                "previous": str(change.previous),
                "reason": str(change.reason),
                "since": change.at,
            }
        ),
    )


def _incident_data(
    incident: Incident, phase: Phase, camera: CameraSpec, model: ModelRef, rule: tuple[str, str]
) -> IncidentData:
    likeliest = sorted(incident.subjects, key=lambda subject: -subject.score)[:MAX_SUBJECTS]
    return IncidentData(
        incident_id=incident.id,
        kind=incident.kind,
        phase=phase.value,
        revision=incident.revision,
        severity=incident.severity.value,
        camera=_camera_data(camera),
        zone=incident.zone,
        opened_at=incident.opened_at,
        updated_at=incident.updated_at,
        ended_at=incident.ended_at,
        end_reason=incident.end_reason.value if incident.end_reason else None,
        subjects=tuple(_subject_data(subject) for subject in likeliest),
        # JSON has no infinity: a figure that could not be measured is left out.
        detail={name: value for name, value in incident.detail.items() if math.isfinite(value)},
        model=VersionData(name=model.name, version=model.version),
        rule=VersionData(name=rule[0], version=rule[1]),
    )


def _subject_data(subject: Subject) -> SubjectData:
    box = subject.box
    return SubjectData(
        track=subject.track,
        label=subject.label,
        score=subject.score,
        box=(box.x1, box.y1, box.x2, box.y2),
    )


def _camera_data(camera: CameraSpec) -> CameraData:
    place = camera.place
    return CameraData(
        id=camera.id,
        name=camera.name,
        place=PlaceData(lon=place.lon, lat=place.lat, division=place.division),
    )
