"""Measurements as events, for an hour of a day."""

from datetime import datetime, timedelta
from typing import Any

from tests.event_hub.samples import envelope, in_city


def measured(
    kind: str,
    camera: dict[str, Any],
    at: datetime,
    value: float,
    *,
    unit: str = "1/min",
    zone: str = "",
    line: str = "",
    able_s: float = 60.0,
    requested_s: float = 60.0,
    city: str = "",
) -> dict[str, Any]:
    """One minute of a camera."""
    coverage = {"requested_s": requested_s, "watched_s": able_s, "able_s": able_s}
    data = {
        "kind": kind,
        "value": value,
        "unit": unit,
        "camera": camera,
        "task": kind.split(".", maxsplit=1)[0],
        "zone": zone,
        "line": line,
        "begins_at": at.isoformat(),
        "ends_at": (at + timedelta(minutes=1)).isoformat(),
        "coverage": coverage,
    }
    own_id = f"{kind} {camera['id']} {zone}{line} {at.isoformat()}"
    event = envelope(own_id, "cityeye.measurement", at, data, 1)
    return in_city(event, city) if city else event
