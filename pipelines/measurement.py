"""`Measurement`: a number over a period, as a rule counts it; never an incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one rule measured in one zone or at one line.

    Attributes:
        kind: What was measured: `traffic.flow`.
        camera: Camera id.
        zone: Name of the zone or line.
        begins_at: Begin of the period, UTC.
        ends_at: End of the period, UTC.
        values: Finite numbers by name; a name ends in its unit (`speed_kmh`) or is a count.
    """

    kind: str
    camera: str
    zone: str
    begins_at: datetime
    ends_at: datetime
    values: Mapping[str, float]
