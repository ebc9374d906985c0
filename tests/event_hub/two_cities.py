"""Cameras of two cities, with what they say of themselves."""

from __future__ import annotations

from typing import Any

from pipelines.event_identity import camera_source
from pipelines.keyframe_key import keyframe_key, restricted_key
from tests.event_hub.samples import START, camera_state, in_city, incident, keyframe, picture
from tests.event_hub.test_measurements import measured

XINJIN, DAYI = "510118-新津", "510129-Dayi"
PLACES = {"gate-1": "510118001", "gate-2": "510118002", "Gate-3": "", "yard": "510118001"}
CAMERAS = {(XINJIN, name) for name in PLACES} | {(DAYI, "gate-1")}
EVENT = "0b7f1f0e-5f0e-5c0e-9f0e-0b7f1f0e5f0e"


def key_of(city: str, camera: str) -> str:
    return keyframe_key(camera, f"i-{city}-{camera}", EVENT, 0, "a" * 64, START)


def clip_of(city: str, camera: str) -> str:
    return restricted_key(camera, f"i-{city}-{camera}", EVENT, 0, "b" * 64, START)


def life(city: str, camera: str, number: int) -> list[dict[str, Any]]:
    data = picture(60 + number)
    said = {"id": camera, "name": camera, "place": {"division": PLACES[camera]}}
    if city == DAYI:
        said["place"] = {"division": "510129001"}
    shown = keyframe(key_of(city, camera), data) | {"masked": True}
    clip = {k: shown[k] for k in ("sha256", "size_bytes")}
    clip |= {"state": "stored", "key": clip_of(city, camera)}
    state = camera_state(camera, number=1)
    state["data"]["camera"] = said
    events = [
        state,
        incident(f"i-{city}-{camera}", camera=said, keyframes=[shown], clip=clip),
        measured(number, camera),
    ]
    own = {"source": camera_source(city, camera)}
    return [in_city(event, city) | own for event in events]
