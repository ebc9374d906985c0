"""Incidents as files: CSV for spreadsheets and GeoJSON (RFC 7946) for maps, written while sent.

A file is whole or refused: one that is cut off looks like one that is not. It is read in pages, so
that no view of the database stays open for as long as somebody downloads.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from event_hub.answers import CityIncident
from event_hub.database import Database
from event_hub.incidents.filter import IncidentFilter
from event_hub.incidents.order import page_end
from event_hub.incidents.pages import page_rows
from event_hub.queries import city_incident

ROWS_MAX: Final = 50_000
PAGE: Final = 500
BOM: Final = "\ufeff"
"""Spreadsheets read a file as UTF-8 where it begins with this."""
FORMULA: Final = tuple("=+-@\t\r")
"""A cell that begins so would be run by a spreadsheet (OWASP, CSV injection)."""
COLUMNS: Final = (
    "incident_id", "city", "kind", "case_code", "case_zh", "case_en", "severity", "state",
    "opened_at", "updated_at", "ended_at", "end_reason", "camera", "camera_name", "division",
    "lon", "lat", "zone", "detail", "model", "model_version", "rule", "rule_version", "keyframe",
)  # fmt: skip


def csv_of(database: Database, wanted: IncidentFilter, zone: ZoneInfo) -> Iterator[bytes]:
    """A table with a header, one incident per line, times in a time zone."""
    text = io.StringIO(BOM, newline="")
    text.seek(0, io.SEEK_END)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for page in _pages(database, wanted):
        for one in page:
            values = properties_of(one, zone)
            writer.writerow([_cell(values[name]) for name in COLUMNS])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def geojson_of(database: Database, wanted: IncidentFilter, zone: ZoneInfo) -> Iterator[bytes]:
    """A collection of points, where the cameras stand; without a place the geometry is null."""
    yield b'{"type": "FeatureCollection", "features": ['
    between = ""
    for page in _pages(database, wanted):
        for one in page:
            yield (between + json.dumps(_feature(one, zone), ensure_ascii=False)).encode()
            between = ",\n"
    yield b"]}\n"


def properties_of(one: CityIncident, zone: ZoneInfo) -> dict[str, Any]:
    """What a file says of an incident, by the names of `COLUMNS`."""
    place, case = one.camera.place, one.case
    shown = [image.url for image in one.keyframes if image.url]
    return {
        **one.model_dump(include={"incident_id", "city", "kind", "severity", "end_reason", "zone"}),
        "case_code": case.code if case else None,
        "case_zh": case.zh if case else None,
        "case_en": case.en if case else None,
        "state": "ended" if one.phase == "ended" else "open",
        "opened_at": _local(one.opened_at, zone),
        "updated_at": _local(one.updated_at, zone),
        "ended_at": _local(one.ended_at, zone),
        "camera": one.camera.id,
        "camera_name": one.camera.name,
        "division": place.division,
        "lon": place.lon,
        "lat": place.lat,
        "detail": "; ".join(f"{name} {value:g}" for name, value in one.detail.items()),
        "model": one.model.name,
        "model_version": one.model.version,
        "rule": one.rule.name,
        "rule_version": one.rule.version,
        "keyframe": shown[0] if shown else None,
    }


def _pages(database: Database, wanted: IncidentFilter) -> Iterator[list[CityIncident]]:
    before: str | None = None
    for _ in range(ROWS_MAX // PAGE + 1):
        with database.read() as connection:
            rows = page_rows(connection, wanted, PAGE, before, "newest")
        yield [city_incident(row) for row in rows]
        if len(rows) < PAGE:
            return
        before = page_end("newest", rows[-1])


def _feature(one: CityIncident, zone: ZoneInfo) -> dict[str, Any]:
    values = properties_of(one, zone)
    lon, lat = values.pop("lon"), values.pop("lat")
    point = {"type": "Point", "coordinates": [lon, lat]}
    known = lon is not None and lat is not None
    own_id = f"{one.city}/{one.incident_id}"
    return {
        "type": "Feature",
        "id": own_id,
        "geometry": point if known else None,
        "properties": values,
    }


def _local(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return moment.astimezone(zone).isoformat(timespec="seconds") if moment else None


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return "" if value is None else value
