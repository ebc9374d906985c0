"""An example of every type of event: made by the types of the contract, so that it is always right.

They stand in the schemas, in AsyncAPI and in the hub's description, and a stand-in for a city may
send them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, cast, get_args

from pipelines.event import (
    EVENT_TYPES,
    CameraBeat,
    CameraStateData,
    CameraStateEvent,
    CaseEvent,
    CoverageData,
    HeartbeatData,
    HeartbeatEvent,
    IncidentData,
    IncidentEvent,
    MeasurementData,
    MeasurementEvent,
    NoticeData,
    NoticeEvent,
    OutgoingEvent,
)
from pipelines.event_case import CaseActorData, CaseIncidentData, CaseTypes, CaseWorkData
from pipelines.event_evidence import KeyframeData, OverlayData, OverlayTrackData
from pipelines.event_identity import camera_source, event_id, hub_source, worker_source
from pipelines.event_incident import CaseData, PeakData, SubjectData
from pipelines.event_place import CameraData, PlaceData, VersionData

CITY: Final = "510118-Xinjin"
AT: Final = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
GATE: Final = CameraData(
    id="gate-1", name="北门路口", place=PlaceData(lon=103.82, lat=30.41, division="510118")
)
MODEL: Final = VersionData(name="street", version="3")
RULE: Final = VersionData(name="crowding.density", version="2")
WORKER: Final = "worker-1"
FIRST: Final = 1


@cache
def event_examples() -> Mapping[str, OutgoingEvent]:
    """An event of every type, by type."""
    found: dict[str, OutgoingEvent] = {
        **{f"cityeye.incident.{phase}": _incident(phase) for phase in ("started", "updated")},
        "cityeye.incident.ended": _incident("ended"),
        "cityeye.camera.state": _camera_state(),
        "cityeye.measurement": _measurement(),
        "cityeye.worker.heartbeat": _heartbeat(),
        "cityeye.worker.notice": _notice(),
        **{name: _case(name) for name in get_args(CaseTypes)},
    }
    missing = EVENT_TYPES - found.keys()
    if missing:
        raise ValueError(f"give an example of {', '.join(sorted(missing))} in {__name__}")
    return found


def _of_camera(number: int, at: datetime, *parts: str) -> dict[str, Any]:
    """The attributes of a camera's event."""
    return {
        "id": event_id(CITY, GATE.id, *parts),
        "source": camera_source(CITY, GATE.id),
        "subject": "/".join((GATE.id, *parts)),
        "time": at,
        "partitionkey": GATE.id,
        "incarnation": FIRST,
        "sequence": f"{number:012d}",
    }


def _incident(phase: str) -> IncidentEvent:
    number = ("started", "updated", "ended").index(phase) + 1
    at = AT + timedelta(seconds=60 * (number - 1))
    persons = (24.0, 31.0, 31.0)[number - 1]
    subject = SubjectData(track=17, label="person", score=0.91, box=(0.41, 0.5, 0.45, 0.62))
    shown = OverlayTrackData(track=17, label="person", box=subject.box, subject=True)
    place = ((0.1, 0.4), (0.9, 0.4), (0.9, 0.95), (0.1, 0.95))
    key = "kf-30d/v1/2026/11/20/gate-1/04/9b1d6c-0-opening.jpg"
    keyframe = KeyframeData(
        role="opening", at=AT, overlay=OverlayData(place=place, tracks=(shown,)), key=key,
        sha256="5d41402abc4b2a76b9719d911017c592" * 2, size_bytes=184_220, width=1920, height=1080,
        masked=True, url=f"https://eye.city.example/api/keyframes/{key}",
    )  # fmt: skip
    incident_id = event_id("example")
    data = IncidentData.model_validate(
        {
            "incident_id": incident_id,
            "group": incident_id,
            "kind": "crowding.density",
            "phase": phase,
            "revision": number,
            "severity": "high",
            "camera": GATE,
            "zone": "square",
            "opened_at": AT,
            "updated_at": at,
            "ended_at": at if phase == "ended" else None,
            "end_reason": "cleared" if phase == "ended" else None,
            "subjects": (subject,),
            "detail": {"persons": persons, "persons_error": 2.0},
            "peak": PeakData(at=at, severity="high", size=persons, subjects=(subject,)),
            "keyframes": (keyframe,),
            "model": MODEL,
            "rule": RULE,
            "case": CaseData(code="0409", table="example 1", zh="人群聚集", en="Crowd"),
        }
    )
    known = _of_camera(number, at, incident_id, str(number))
    return IncidentEvent.model_validate(
        {**known, "type": f"cityeye.incident.{phase}", "data": data}
    )


def _camera_state() -> CameraStateEvent:
    data = CameraStateData(
        camera=GATE, state="degraded", previous="online", reason="the view is covered", since=AT,
        view="covered",
    )  # fmt: skip
    return CameraStateEvent(**_of_camera(4, AT, "state"), data=data)


def _measurement() -> MeasurementEvent:
    ends_at = AT + timedelta(minutes=1)
    seen = CoverageData(requested_s=60, watched_s=58, able_s=50, gaps={"covered": 8, "offline": 2})
    data = MeasurementData(
        kind="traffic.flow", value=12.4, unit="1/min", camera=GATE, task="traffic", zone="approach",
        begins_at=AT, ends_at=ends_at, coverage=seen, detail={"vehicles": 12.0, "watched_s": 58.0},
        model=MODEL, rule=VersionData(name="traffic.zone_traffic", version="1"),
    )  # fmt: skip
    return MeasurementEvent(**_of_camera(5, ends_at, "traffic.flow"), data=data)


def _of_worker(number: int, name: str) -> dict[str, Any]:
    """The attributes of a worker's event."""
    return {
        **_of_camera(number, AT, name),
        "source": worker_source(CITY, WORKER),
        "subject": f"{WORKER}/{name}",
        "partitionkey": WORKER,
    }


def _heartbeat() -> HeartbeatEvent:
    beats = (CameraBeat(camera=GATE, state="online"),)
    data = HeartbeatData(worker=WORKER, beat=12, uptime_s=48.0, valid_s=12.0, cameras=beats)
    expires = AT + timedelta(seconds=12)
    return HeartbeatEvent(**_of_worker(5, "heartbeat"), expirytime=expires, data=data)


def _notice() -> NoticeEvent:
    text = "3 events were lost because the disk took none for too long; free some space"
    data = NoticeData(worker=WORKER, kind="events_lost", text=text, at=AT, values={"count": 3})
    return NoticeEvent(**_of_worker(6, "notice"), data=data)


def _case(name: str) -> CaseEvent:
    action = name.rpartition(".")[2]
    state = {"reopened": "new", "joined": "new", "split": "new", "escalated": "new"}
    state |= {"checked": "resolved"}
    incident = _incident("started").data
    found = CaseIncidentData(
        incident_id=incident.incident_id, kind=incident.kind, camera=GATE, zone=incident.zone,
        severity="high", model=MODEL, rule=RULE,
    )  # fmt: skip
    escalated = {"name": "decide", "due_at": AT, "stage": 1} if action == "escalated" else None
    place = {"incident_id": incident.incident_id, "camera": GATE.id, "outcome": "clear"}
    image = incident.keyframes[0].model_copy(update={"role": "closing", "clean": None})
    check = {"outcome": "clear", "places": [place | {"keyframe": image}]}
    data = CaseWorkData.model_validate(
        {
            "case_id": event_id("example case"),
            "revision": 2,
            "state": state.get(action, action),
            "previous": "resolved" if action in ("reopened", "checked") else "new",
            "at": AT,
            "by": CaseActorData(name="Li Na", role="operator"),
            "reason": "allowed" if action == "false_alarm" else "",
            "to": "sanitation team 3" if action == "dispatched" else "",
            "incidents": (found,),
            "limit": escalated,
            "check": check if action == "checked" else None,
        }
    )
    known = _of_camera(7, AT, action) | {"source": hub_source(CITY, "hub-1")}
    return CaseEvent(**known, type=cast(CaseTypes, name), data=data)
