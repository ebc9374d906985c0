"""Words for the codes in events; an unknown code is shown with spaces for its underscores."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

KINDS: Mapping[str, str] = {
    "traffic.congestion": "Traffic jam",
    "littering.dropped_object": "Dropped object",
    "littering.exposed_rubbish": "Exposed rubbish",
    "littering.bin_overflow": "Overflowing bin",
    "crowding.density": "Crowd",
    "crowding.gathering": "People gather",
    "crowding.dispersal": "A group breaks up",
    "crowding.loitering": "Loitering",
}
END_REASONS: Mapping[str, str] = {
    "cleared": "cleared",
    "stream_lost": "camera lost",
    "view_lost": "view lost",
    "shutdown": "CityEye was stopped",
    "recovered": "closed after a restart",
    "removed": "camera removed",
    "reconfigured": "camera reconfigured",
    "disarmed": "rule not armed any more",
}
CAMERA_STATES: Mapping[str, str] = {
    "online": "watching",
    "degraded": "impaired",
    "offline": "offline",
    "unauthorized": "login refused",
    "stopped": "stopped",
    "silent": "not watching",
}
MOMENTS: Mapping[str, str] = {
    "opening": "As it began",
    "peak": "At its height",
    "closing": "At the end",
}
VALUES: tuple[tuple[str, str, float], ...] = (
    ("_boxes_per_s", "{name} {value:.2f} own lengths/s", 1.0),
    ("_per_m2", "{value:.1f} {name}/m²", 1.0),
    ("_mps", "{name} {value:.0f} km/h", 3.6),
    ("_s", "{name} {value:.0f} s", 1.0),
    ("_m", "{name} {value:.1f} m", 1.0),
    ("", "{value:g} {name}", 1.0),
)
"""How a value reads, by the unit its name ends with: suffix, wording, factor; first match."""

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400


def kind(code: str) -> str:
    """`traffic.congestion` → `Traffic jam`; an unknown one by its last part."""
    return KINDS.get(code) or _plain(code.rsplit(".", 1)[-1]).capitalize() or code


def city(code: str) -> str:
    """`510118-Xinjin` → `Xinjin (510118)`; another name stays as it is."""
    division, dash, name = code.partition("-")
    return f"{name} ({division})" if dash and name and division.isdecimal() else code


def end_reason(code: str | None) -> str:
    """Why an incident is over; empty when nobody said."""
    return END_REASONS.get(code, _plain(code)) if code else ""


def camera_state(code: str) -> str:
    """What a camera does."""
    return CAMERA_STATES.get(code, _plain(code))


def moment(role: str) -> str:
    """Which moment a keyframe shows."""
    return MOMENTS.get(role, _plain(role).capitalize())


def duration(span: timedelta) -> str:
    """`0:42`, `1:02:05`, from a day on `2 d 3 h`; never negative."""
    seconds = max(0, int(span.total_seconds()))
    if seconds >= _DAY_S:
        return f"{seconds // _DAY_S} d {seconds % _DAY_S // _HOUR_S} h"
    minutes = f"{seconds % _HOUR_S // _MINUTE_S}:{seconds % _MINUTE_S:02d}"
    if seconds >= _HOUR_S:
        return f"{seconds // _HOUR_S}:{minutes.zfill(len('00:00'))}"
    return minutes


def measured(name: str, value: float) -> str:
    """`median_speed_mps`, 1.5 → `median speed 5 km/h`; `vehicles`, 9 → `9 vehicles`."""
    suffix, wording, factor = next(one for one in VALUES if name.endswith(one[0]))
    return wording.format(name=_plain(name.removesuffix(suffix)), value=value * factor)


def count(number: int, noun: str) -> str:
    """`1 camera`, `4 cameras`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _plain(code: str) -> str:
    return code.replace("_", " ").replace("-", " ").strip()
