"""Events and pictures for the hub's tests, made as a camera side would make them."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np

START = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
SOURCE = "/cityeye/worker-1"


def picture(shade: int = 90) -> bytes:
    canvas = np.full((180, 320, 3), shade, np.uint8)
    cv2.rectangle(canvas, (80, 60), (160, 120), (40, 40, 220), -1)
    done, encoded = cv2.imencode(".jpg", canvas)
    assert done
    return encoded.tobytes()


def keyframe(key: str, data: bytes, role: str = "opening", state: str = "stored") -> dict[str, Any]:
    return {
        "role": role,
        "key": key,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "width": 320,
        "height": 180,
        "state": state,
    }


def incident(
    incident_id: str = "i-1",
    revision: int = 1,
    phase: str = "started",
    *,
    opened_at: datetime = START,
    **data: Any,
) -> dict[str, Any]:
    """An incident event; keywords replace parts of its data."""
    at = opened_at + timedelta(seconds=10 * (revision - 1))
    body = {
        "incident_id": incident_id,
        "kind": "traffic.congestion",
        "phase": phase,
        "revision": revision,
        "severity": "medium",
        "camera": {"id": "cam-1", "name": "North Gate", "place": {}},
        "zone": "Lane 2",
        "opened_at": opened_at.isoformat(),
        "updated_at": at.isoformat(),
        "ended_at": at.isoformat() if phase == "ended" else None,
        "end_reason": "cleared" if phase == "ended" else None,
        "subjects": [{"track": 4, "label": "car", "score": 0.9, "box": [0.25, 0.33, 0.5, 0.66]}],
        "detail": {"mean_speed_mps": 0.4},
        "keyframes": [],
        "model": {"name": "street", "version": "1"},
        "rule": {"name": "congestion", "version": "1"},
    } | data
    return envelope(f"{incident_id}-{revision}", f"cityeye.incident.{phase}", at, body, revision)


def camera_state(
    camera: str = "cam-1", state: str = "online", number: int = 1, *, at: datetime = START
) -> dict[str, Any]:
    body = {
        "camera": {"id": camera, "name": camera.title(), "place": {}},
        "state": state,
        "previous": "offline",
        "reason": "frames arrive",
        "since": at.isoformat(),
    }
    return envelope(f"{camera}-{number}-{state}", "cityeye.camera.state", at, body, number)


def heartbeat(
    states: dict[str, str],
    beat: int = 1,
    *,
    number: int = 0,
    incarnation: int = 0,
    uptime_s: float | None = None,
    worker: str = "worker-1",
) -> dict[str, Any]:
    """A heartbeat with the states of cameras, sent after the event `number`."""
    body = {
        "worker": worker,
        "beat": beat,
        "uptime_s": 5.0 * beat if uptime_s is None else uptime_s,
        "valid_s": 12.0,
        "cameras": [
            {"camera": {"id": name, "name": name.title(), "place": {}}, "state": state}
            for name, state in states.items()
        ],
    }
    event = envelope(f"beat-{incarnation}-{beat}", "cityeye.worker.heartbeat", START, body, number)
    return event | {
        "source": f"cityeye/city/workers/{worker}",
        "incarnation": incarnation,
        "expirytime": (START + timedelta(seconds=12)).isoformat(),
    }


def notice(worker: str = "worker-1", count: int = 3) -> dict[str, Any]:
    """What a worker says of itself: events that it lost."""
    body = {
        "worker": worker,
        "kind": "events_lost",
        "text": "events were lost because the disk took none for too long",
        "at": START.isoformat(),
        "values": {"count": count},
    }
    event = envelope(f"{worker}-lost-{count}", "cityeye.worker.notice", START, body, count)
    return event | {"source": f"cityeye/city/workers/{worker}", "partitionkey": worker}


def envelope(
    event_id: str, type_: str, at: datetime, data: dict[str, Any], number: int
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "subject": "a subject",
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "partitionkey": "cam-1",
        "sequence": f"{number:012d}",
        "type": type_,
        "data": data,
    }


def dump(event: Any) -> bytes:
    return json.dumps(event).encode()


def in_city(event: dict[str, Any], city: str, incarnation: int = 1) -> dict[str, Any]:
    """The same event as the worker of a city sends it."""
    data = event["data"]
    if "worker" in data:
        return event | {"source": f"cityeye/{city}/workers/{data['worker']}"}
    camera = data["camera"]["id"]
    own = {"source": f"cityeye/{city}/{camera}", "partitionkey": camera}
    return event | own | {"incarnation": incarnation}
