"""A small city for the browser: cameras with places, open and ended incidents, real images."""

from __future__ import annotations

import itertools
import math
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import urllib3

from pipelines.keyframe_key import restricted_key
from tests.event_hub.console.measured import measured
from tests.event_hub.console.pictures import picture_of
from tests.event_hub.process import Process
from tests.event_hub.samples import heartbeat, in_city, incident, keyframe

CITY = "510118-新津"
CAMERAS = {
    "cam-1": ("北门路口", 103.811, 30.410),
    "cam-2": ("五津路南", 103.817, 30.413),
    "cam-3": ("人民广场", 103.822, 30.408),
    "cam-4": ("兴园东街", 103.828, 30.415),
    "cam-5": ("学校门口", None, None),
}
STORY = (
    ("traffic.congestion", "high", "cam-1", "东进口", {"vehicles": 9.0, "median_speed_mps": 0.6}),
    ("littering.exposed_rubbish", "critical", "cam-3", "东侧", {"objects": 3.0, "area_m2": 1.4}),
    ("crowding.density", "medium", "cam-3", "广场中央", {"persons": 42.0, "persons_per_m2": 1.8}),
    ("traffic.stopped_vehicle", "low", "cam-2", "", {"stood_before_s": 35.0}),
    ("traffic.wrong_way", "high", "cam-4", "辅道", {"vehicles": 1.0, "speed_mps": 7.2}),
    ("littering.dropped_object", "medium", "cam-4", "公交站", {"resting_s": 140.0, "objects": 1.0}),
)  # fmt: skip
SIZE_PX = (1280, 720) if os.environ.get("CITYEYE_SCREENSHOTS") else (640, 360)
CLIP = b"not really a video"


def camera(name: str) -> dict[str, Any]:
    called, lon, lat = CAMERAS[name]
    return {"id": name, "name": called, "place": {"lon": lon, "lat": lat, "division": "510118"}}


def evidence_key(camera_id: str, name: str, data: bytes, media_type: str, at: datetime) -> str:
    """The key of something restricted."""
    event = f"{zlib.crc32(name.encode()):08x}-0000-4000-8000-000000000000"
    return restricted_key(camera_id, name, event, 1, sha256(data).hexdigest(), at, media_type)


def shot(
    folder: Path, kind: str, camera_id: str, name: str, role: str, at: datetime
) -> dict[str, Any]:
    """A stored keyframe with overlay, and the same without a mask."""
    picture = picture_of(kind, role, SIZE_PX)
    data = picture.jpeg + name.encode()  # no two keyframes are the same
    key = f"kf-30d/v1/{camera_id}/{name}-{role}.jpg"
    clean_key = evidence_key(camera_id, f"{name} {role}", data, "image/jpeg", at)
    for path in (key, clean_key):
        (folder / "kf" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "kf" / path).write_bytes(data)
    digest = sha256(data).hexdigest()
    width, height = picture.size_px
    return keyframe(key, data, role) | {
        "width": width,
        "height": height,
        "at": at.isoformat(),
        "masked": True,
        "overlay": picture.overlay,
        "clean": {"key": clean_key, "sha256": digest, "size_bytes": len(data)},
    }


def happened(folder: Path, number: int, opened: datetime, phase: str) -> dict[str, Any]:
    """Incident `i-NUMBER` of the story, around and around."""
    kind, severity, camera_id, zone, detail = STORY[number % len(STORY)]
    peak_at = opened + timedelta(seconds=40)
    shots = [shot(folder, kind, camera_id, f"i-{number}", "opening", opened)]
    shots.append(shot(folder, kind, camera_id, f"i-{number}", "peak", peak_at))
    clip_key = evidence_key(camera_id, f"i-{number}", CLIP, "video/mp4", opened)
    clip = folder / "kf" / clip_key
    clip.parent.mkdir(parents=True, exist_ok=True)
    clip.write_bytes(CLIP)
    data = {
        "kind": kind,
        "severity": severity,
        "camera": camera(camera_id),
        "zone": zone,
        "detail": detail,
        "subjects": [],
        "keyframes": shots,
        "peak": {"at": peak_at.isoformat(), "severity": severity, "size": 9.0, "detail": detail},
        "clip": {
            "state": "stored", "key": clip_key,
            "sha256": sha256(CLIP).hexdigest(), "size_bytes": len(CLIP),
            "begins_at": opened.isoformat(), "duration_s": 15.0,
        },
        "rule": {"name": kind.split(".")[1], "version": "2"},
        "model": {"name": kind.split(".")[0], "version": "1"},
    }  # fmt: skip
    if kind.startswith("littering"):
        data["case"] = {"code": "06010", "table": "example 1", "zh": "暴露垃圾", "en": "Rubbish"}
    revision = 2 if phase == "ended" else 1
    event = incident(f"i-{number}", revision, phase, opened_at=opened, **data)
    return in_city(event, CITY)


def beat(number: int) -> dict[str, Any]:
    """Four cameras watch, the fifth refuses the connection."""
    states = dict.fromkeys(CAMERAS, "online") | {"cam-5": "offline"}
    event = heartbeat(states, number, number=10_000 + number, uptime_s=4.0 * number)
    for one in event["data"]["cameras"]:
        one["camera"] = camera(one["camera"]["id"])
        if one["state"] == "offline":
            one["reason"] = "rtsp://10.20.1.5:554/live refused the connection"
    return in_city(event, CITY)


@contextmanager
def beating(hub: Process) -> Iterator[None]:
    """The cameras are heard of for as long as the block lasts."""
    over = threading.Event()

    def beat_on() -> None:
        with urllib3.PoolManager(headers=hub.client.auth) as http:
            client = replace(hub.client, http=http)
            for number in itertools.count(2):
                client.post(beat(number))
                if over.wait(4.0):
                    return

    thread = threading.Thread(target=beat_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measurements(now: datetime, number: int) -> Iterator[dict[str, Any]]:
    """What was measured in one minute of each of the last hours."""
    at = now - timedelta(hours=number)
    day = 0.5 - 0.5 * math.cos((at.hour + 8 - 4) / 24 * 2 * math.pi)
    for index, name in enumerate(CAMERAS):
        able_s = (
            0.0 if name == "cam-5" and number < 5 else 24.0 if (number, index) == (9, 1) else 60.0
        )
        yield measured("coverage", camera(name), at, able_s, unit="s", able_s=able_s, city=CITY)
    for name, zone, most in (
        ("cam-1", "东进口", 24.0),
        ("cam-2", "南进口", 15.0),
        ("cam-4", "辅道", 9.0),
    ):
        flow = round(most * (0.15 + 0.85 * day) + (number * 7 % 5) / 3, 2)
        yield measured("traffic.flow", camera(name), at, flow, zone=zone, city=CITY)
        yield measured(
            "traffic.speed", camera(name), at, 52 - flow, unit="km/h", zone=zone, city=CITY
        )
    yield measured(
        "crowding.count", camera("cam-3"), at, 60 * day, unit="1", zone="广场中央", city=CITY
    )


def fill(hub: Process, folder: Path, *, open_count: int = 10, ended: int = 4) -> None:
    """Posts the city; the newest incident opened three minutes ago."""
    now = datetime.now(UTC)
    events = [beat(1)]
    for number in range(open_count + ended):
        opened = now - timedelta(minutes=3 + 7 * number)
        phase = "started" if number < open_count else "ended"
        events.append(happened(folder, number, opened, phase))
    whole = now.replace(minute=0, second=0, microsecond=0)
    events += [one for number in range(24) for one in measurements(whole, number)]
    for event in events:
        answer = hub.client.post(event)
        assert answer.status == 200, answer.data
