"""From what rules and readers say to events; the outbox finishes them with sequence and revision.

The same transition, state change or measurement always gives the same event id.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from camera_adapters import CameraSpec, StateChange
from pipelines.case_codes import CaseTable
from pipelines.coverage import COVERAGE, Coverage, CoveredPeriod
from pipelines.event import (
    CameraData,
    CameraStateData,
    CameraStateEvent,
    CoverageData,
    IncidentData,
    IncidentEvent,
    MeasurementData,
    MeasurementEvent,
    NoticeData,
    NoticeEvent,
    VersionData,
)
from pipelines.event_evidence import ClipData
from pipelines.event_identity import camera_source, event_id, worker_source
from pipelines.event_incident import CaseData, PeakData, SubjectData
from pipelines.incident import EndReason, Measurement, Peak, Phase, Subject, Transition
from pipelines.plan import ModelRef

MAX_SUBJECTS: Final = 30
"""The most confident subjects that travel; a crowd's size is in `detail`. Keeps events < 64 KiB."""

STOPPED: Final = "stopped"
OFFLINE: Final = "offline"
WORKER_LOST: Final = "its worker crashed or was replaced"
WORKER_REPLACED: Final = "its worker was replaced"
REASON_CHARS: Final = 200
NOT_HERE: Final = "it was removed from the configuration, or moved to another worker"
REMOVED: Final = "it was removed from the configuration"
NOT_CONFIGURED: Final = frozenset({NOT_HERE, REMOVED})
"""Why a camera that stopped was not asked for any more."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who speaks: the city, and which start of a worker."""

    city: str
    incarnation: int


def incident_event(
    transition: Transition,
    camera: CameraSpec,
    model: ModelRef,
    rule: tuple[str, str],
    origin: Origin,
    cases: CaseTable | None = None,
) -> IncidentEvent:
    """The event of a transition, not finished: the outbox adds sequence, revision and keyframes."""
    incident, phase = transition.incident, transition.phase.value
    data = IncidentData(
        incident_id=incident.id,
        group=incident.group or incident.id,
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
        subjects=_subjects(incident.subjects),
        detail=_finite(incident.detail),
        clip=ClipData() if camera.clip else None,
        peak=_peak(incident.peak),
        model=VersionData.model_validate(model),
        rule=VersionData(name=rule[0], version=rule[1]),
        case=_case(incident.kind, cases),
    )
    return IncidentEvent.model_validate(
        {
            "id": event_id(incident.id, phase, incident.updated_at.isoformat()),
            "source": camera_source(origin.city, camera.id),
            "incarnation": origin.incarnation,
            "subject": incident.id,
            "type": f"cityeye.incident.{phase}",
            "time": incident.updated_at,
            "partitionkey": camera.id,
            "sequence": "",
            "data": data,
        }
    )


def _case(kind: str, cases: CaseTable | None) -> CaseData | None:
    found = cases.codes.get(kind) if cases else None
    if cases is None or found is None:
        return None
    return CaseData(code=found.code, table=cases.version, zh=found.zh, en=found.en)


def _subjects(subjects: Iterable[Subject]) -> tuple[SubjectData, ...]:
    most = sorted(subjects, key=lambda one: (-one.score, one.track))[:MAX_SUBJECTS]
    return tuple(map(SubjectData.model_validate, most))


def _peak(peak: Peak | None) -> PeakData | None:
    if peak is None:
        return None
    return PeakData(
        at=peak.at,
        severity=peak.severity.value,
        size=peak.size,
        detail=_finite(peak.detail),
        subjects=_subjects(peak.subjects),
    )


def recovered_event(last: IncidentEvent, at: datetime) -> IncidentEvent:
    """The end of an incident that a crash left open, from its newest event.

    Its `detail` is that of the newest peak that was published, as with every end.
    """
    return last.changed(
        event_id(last.data.incident_id, EndReason.RECOVERED),
        at,
        phase=Phase.ENDED.value,
        updated_at=at,
        ended_at=at,
        end_reason=EndReason.RECOVERED.value,
        detail=last.data.peak.detail if last.data.peak else last.data.detail,
    )


def state_event(change: StateChange, camera: CameraSpec, origin: Origin) -> CameraStateEvent:
    """The event of a camera-state change, not finished: the outbox adds the sequence."""
    state, previous = change.state.value, change.previous.value
    said = (state, previous, change.reason, change.view)
    return _camera_state(camera, said, change.at, origin)


def stopped_event(
    camera: CameraSpec, previous: str, reason: str, at: datetime, origin: Origin
) -> CameraStateEvent:
    """The event that says that a camera is not watched any more, on purpose; not finished."""
    return _camera_state(camera, (STOPPED, previous, reason, ""), at, origin)


def _camera_state(
    camera: CameraSpec, said: tuple[str, str, str, str], at: datetime, origin: Origin
) -> CameraStateEvent:
    """The event of a change: the state, the one before, the reason, and what is wrong to see."""
    source, (state, previous, reason, view) = camera_source(origin.city, camera.id), said
    return CameraStateEvent(
        id=event_id(source, str(origin.incarnation), state, at.isoformat()),
        source=source,
        incarnation=origin.incarnation,
        subject=camera.id,
        time=at,
        partitionkey=camera.id,
        sequence="",
        data=CameraStateData(
            camera=CameraData.model_validate(camera),
            state=state,
            previous=previous,
            reason=reason,
            since=at,
            view=view,
        ),
    )


def left_behind_event(
    last: CameraStateEvent,
    *,
    held: bool,
    replaced: str,
    since: datetime,
    at: datetime,
    origin: Origin,
) -> CameraStateEvent:
    """What became of a camera whose worker could not say so itself; not finished.

    A camera that this worker no longer has keeps the incarnation that had it: a worker that has it
    now knows better, and its events must come after this one whatever its incarnation is.

    Args:
        last: The newest state that was published.
        held: Whether this worker has the camera.
        replaced: Why the worker before was replaced, empty where that is not known.
        since: When the worker before was last known to be there.
        at: When this was noticed.
        origin: Who notices.
    """
    source = camera_source(origin.city, last.data.camera.id)
    lost = f"{WORKER_REPLACED}: {replaced[:REASON_CHARS]}" if replaced else WORKER_LOST
    state, reason = (OFFLINE, lost) if held else (STOPPED, NOT_HERE)
    data = {
        "state": state,
        "previous": last.data.state,
        "reason": reason,
        "since": since,
        "view": "",
    }
    return last.model_copy(
        update={
            "id": event_id(last.id, "left behind"),
            "source": source,
            "incarnation": origin.incarnation if held else last.incarnation,
            "time": at,
            "data": last.data.model_copy(update=data),
        }
    )


def measurement_event(
    measurement: Measurement,
    task: str,
    coverage: Coverage,
    camera: CameraSpec,
    model: ModelRef,
    rule: tuple[str, str],
    origin: Origin,
) -> MeasurementEvent:
    """The event of what a rule measured, not finished: the outbox adds the sequence."""
    return _measured(
        MeasurementData.model_validate(
            asdict(measurement)
            | {"camera": camera, "task": task, "detail": _finite(measurement.detail)}
            | {"coverage": coverage, "model": model}
            | {"rule": {"name": rule[0], "version": rule[1]}}
        ),
        origin,
    )


def coverage_event(period: CoveredPeriod, camera: CameraData, origin: Origin) -> MeasurementEvent:
    """The event of what a task could see in a period, not finished."""
    coverage = CoverageData.model_validate(period.coverage)
    return _measured(
        MeasurementData(
            kind=COVERAGE,
            value=coverage.able_s,
            unit="s",
            camera=camera,
            task=period.task,
            begins_at=period.begins_at,
            ends_at=period.ends_at,
            coverage=coverage,
        ),
        origin,
    )


def _measured(data: MeasurementData, origin: Origin) -> MeasurementEvent:
    """The event of a measurement: the same one whenever what it says of a period is said again."""
    source = camera_source(origin.city, data.camera.id)
    place = (data.task, data.zone, data.line)
    rule = (data.rule.name, data.rule.version) if data.rule else ()
    return MeasurementEvent(
        id=event_id(source, data.kind, *place, *rule, data.begins_at.isoformat()),
        source=source,
        incarnation=origin.incarnation,
        subject="/".join((data.camera.id, *filter(None, place))),
        time=data.ends_at,
        partitionkey=data.camera.id,
        sequence="",
        data=data,
    )


def notice_event(
    worker: str, kind: str, text: str, at: datetime, values: Mapping[str, int], origin: Origin
) -> NoticeEvent:
    """The event of something that a worker has to say of itself, not finished.

    The same kind and time give the same id, so that what is said twice counts once.
    """
    source = worker_source(origin.city, worker)
    return NoticeEvent(
        id=event_id(source, kind, at.isoformat()),
        source=source,
        incarnation=origin.incarnation,
        subject=worker,
        time=at,
        partitionkey=worker,
        sequence="",
        data=NoticeData(worker=worker, kind=kind, text=text, at=at, values=dict(values)),
    )


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    # JSON has no infinity: a value that could not be measured is left out.
    return {name: value for name, value in values.items() if math.isfinite(value)}
