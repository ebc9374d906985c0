"""What events say of where something is and what it was found by: camera, place, versions.

A part of the contract in `pipelines.event`.
"""

from __future__ import annotations

from pipelines.event_evidence import Contract


class PlaceData(Contract):
    """Where a camera stands: WGS 84 degrees and the administrative division code."""

    lon: float | None = None
    lat: float | None = None
    division: str = ""


class CameraData(Contract):
    """The camera an event is about."""

    id: str
    name: str = ""
    place: PlaceData = PlaceData()


class VersionData(Contract):
    """A named thing and its version: the model or the rule behind an incident."""

    name: str
    version: str
