"""Builds events; the same transition or state change always gives the same id."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import astuple
from datetime import datetime

from camera_adapters.spec import CameraSpec
from camera_adapters.state import StateChange
from pipelines.event import (
    CameraData,
    CameraStateData,
    CameraStateEvent,
    IncidentData,
    IncidentEvent,
    MeasurementData,
    MeasurementEvent,
    SubjectData,
    VersionData,
)
from pipelines.incident import EndReason, Phase, Subject, Transition
from pipelines.measurement import Measurement
from pipelines.plan import ModelRef

NAMESPACE = uuid.UUID("6f1b8a52-3c0d-5f6e-9a41-c17e0e7ec175")
MAX_SUBJECTS = 30
"""The most confident subjects that travel; a crowd's size is in `detail`. Keeps events < 64 KiB."""


def event_id(*parts: str) -> str:
    """The id of an event: uuid5 over what makes it different from every other event."""
    return str(uuid.uuid5(NAMESPACE, "|".join(parts)))


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
        subjects=tuple(_subject(one) for one in subjects),
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
        data=MeasurementData(
            kind=measurement.kind,
            camera=CameraData.model_validate(camera),
            zone=measurement.zone,
            begins_at=measurement.begins_at,
            ends_at=measurement.ends_at,
            values=_finite(measurement.values),
            model=VersionData.model_validate(model),
            rule=VersionData(name=rule[0], version=rule[1]),
        ),
    )


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    # JSON has no infinity: a value that could not be measured is left out.
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _subject(one: Subject) -> SubjectData:
    return SubjectData(track=one.track, label=one.label, score=one.score, box=astuple(one.box))
