"""Events of a district for a hub under measurement: incidents of two months, a day of the rest.

They look like those of a city: an incident is about two kilobytes, with a keyframe and what may be
drawn over it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pipelines.event import (
    CameraData,
    CameraStateData,
    CameraStateEvent,
    CoverageData,
    IncidentData,
    IncidentEvent,
    MeasurementData,
    MeasurementEvent,
    PlaceData,
    VersionData,
)
from pipelines.event_evidence import KeyframeData, OverlayData, OverlayTrackData
from pipelines.event_identity import camera_source, event_id
from pipelines.event_incident import LEVELS, CaseData, PeakData, SubjectData

CITY: Final = "510118-bench"
CAMERAS: Final = 100
OPEN: Final = 166
"""Incidents that go on."""
DAYS: Final = 60
KINDS: Final = (
    "traffic.congestion", "traffic.stopped_vehicle", "traffic.wrong_way", "crowding.density",
    "littering.dropped_object", "littering.bin_overflow",
)  # fmt: skip
MEASURED: Final = (
    ("coverage", "s"), ("traffic.flow", "1/min"), ("traffic.speed", "km/h"),
    ("traffic.occupancy", "1"), ("crowding.count", "1"),
)  # fmt: skip
ZONES: Final = ("北路口", "南路口", "广场", "人行道")
END: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""When the newest of them happened; it lies before every run."""


def camera(number: int) -> CameraData:
    """One of the cameras."""
    place = PlaceData(lon=103.8 + number % 10 / 100, lat=30.4 + number // 10 / 100)
    return CameraData(id=f"cam-{number:03d}", name=f"{number} 号摄像机", place=place)


def camera_states() -> Iterator[bytes]:
    """The newest state of each camera."""
    for number in range(CAMERAS):
        about = camera(number)
        data = CameraStateData(
            camera=about, state="online", previous="offline", reason="", since=END
        )
        known = _known(number, "state", END)
        yield CameraStateEvent(**known, data=data).model_dump_json().encode()


def incidents(count: int, first: int = 0) -> Iterator[bytes]:
    """So many incidents, each with its newest event alone, oldest first.

    Others than those before, where they are numbered from another `first` on.
    """
    chance = random.Random(first)  # noqa: S311 - no secret
    step = timedelta(days=DAYS) / count
    for number in range(count):
        at, goes_on = END - step * (count - number), number >= count - OPEN
        yield _incident(first + number, at, goes_on, chance).model_dump_json().encode()


def measurements(count: int) -> Iterator[bytes]:
    """So many measurements: minute after minute, of each camera all kinds, newest last."""
    chance = random.Random(2)  # noqa: S311 - no secret
    per_minute = CAMERAS * len(MEASURED)
    minutes = -(-count // per_minute)
    for number in range(count):
        minute, place = divmod(number, per_minute)
        begins_at = END - timedelta(minutes=minutes - minute)
        yield _measurement(place, begins_at, chance).model_dump_json().encode()


def _known(number: int, name: str, at: datetime) -> dict[str, Any]:
    """The attributes of an event of a camera."""
    own = f"cam-{number:03d}"
    return {
        "id": event_id(own, name),
        "source": camera_source(CITY, own),
        "subject": name,
        "time": at,
        "partitionkey": own,
        "incarnation": 1,
        "sequence": f"{int(at.timestamp()):012d}",
    }


def _incident(number: int, at: datetime, goes_on: bool, chance: random.Random) -> IncidentEvent:
    place = chance.randrange(CAMERAS)
    kind, severity = chance.choice(KINDS), chance.choice(list(LEVELS))
    name, ended = event_id("incident", str(number)), at + timedelta(minutes=4)
    box = (0.41, 0.5, 0.45, 0.62)
    subjects = tuple(SubjectData(track=one, label="car", score=0.9, box=box) for one in range(6))
    tracks = tuple(
        OverlayTrackData(track=one, label="car", box=box, trail=((0.4, 0.6), (0.43, 0.62)))
        for one in range(6)
    )
    key = f"kf-30d/v1/{at:%Y/%m/%d}/cam-{place:03d}/{name}-0-opening.jpg"
    keyframe = KeyframeData(
        role="opening", at=at, overlay=OverlayData(place=((0.1, 0.4), (0.9, 0.9)), tracks=tracks),
        key=key, sha256="0" * 64, size_bytes=180_000, width=1920, height=1080, masked=True,
    )  # fmt: skip
    detail = {"vehicles": float(chance.randrange(40)), "queue_m": float(chance.randrange(200))}
    data = IncidentData(
        incident_id=name, group=name, kind=kind, phase="started" if goes_on else "ended",
        revision=1, severity=severity, camera=camera(place), zone=chance.choice(ZONES),
        opened_at=at, updated_at=ended, ended_at=None if goes_on else ended,
        end_reason=None if goes_on else "cleared", subjects=subjects, detail=detail,
        peak=PeakData(at=at, severity=severity, size=4.0, detail=detail, subjects=subjects),
        keyframes=(keyframe,), model=VersionData(name="street", version=str(number % 5)),
        rule=VersionData(name=kind, version="2"),
        case=CaseData(code="06010", table="bench 1", zh="暴露垃圾", en="Exposed rubbish"),
    )  # fmt: skip
    known = _known(place, name, at)
    return IncidentEvent(**known, type=f"cityeye.incident.{data.phase}", data=data)


def _measurement(place: int, begins_at: datetime, chance: random.Random) -> MeasurementEvent:
    number, which = divmod(place, len(MEASURED))
    kind, unit = MEASURED[which]
    ends_at = begins_at + timedelta(minutes=1)
    seen = CoverageData(requested_s=60, watched_s=59, able_s=58, gaps={"offline": 1, "covered": 1})
    data = MeasurementData(
        kind=kind, value=round(chance.uniform(0, 60), 2), unit=unit, camera=camera(number),
        task=kind.partition(".")[0], zone=ZONES[which % len(ZONES)], begins_at=begins_at,
        ends_at=ends_at, coverage=seen, detail={"watched_s": 59.0, "vehicles": 12.0},
        model=VersionData(name="street", version="1"),
        rule=VersionData(name="traffic.zone_traffic", version="1"),
    )  # fmt: skip
    return MeasurementEvent(**_known(number, f"{kind} {begins_at.isoformat()}", ends_at), data=data)
