"""How many incidents: by hour or day, by what they have in common, by the camera's place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Connection, and_, func, select

from event_hub.camera_key import CameraKey
from event_hub.incidents import IncidentFilter, columns_to_group_by, conditions
from event_hub.statistics.answers import (
    GroupedIncidents,
    IncidentBucket,
    IncidentGroup,
    IncidentTimeline,
    PlaceHeat,
    PlaceList,
)
from event_hub.statistics.spans import STEP_US, ClockStep, TimeRange, begin_us, begins_us, spans
from event_hub.tables import COUNTED, GROUPED, INCIDENTS, from_us, to_us
from pipelines.event import CameraData
from pipelines.event_incident import LEVELS

GROUPS_MAX: Final = 500
MUCH: Final = 4
"""A time is much of another where so many of it are more than that."""
SEVERITY: Final = {level: name for name, level in LEVELS.items()}

Shared = Literal["kind", "camera", "zone", "model"]
_COLUMNS: Final[dict[Shared, tuple[str, ...]]] = {
    "kind": ("kind",),
    "camera": ("city", "camera"),
    "zone": ("city", "camera", "zone"),
    "model": ("model", "model_version"),
}


class _SeenCamera(BaseModel):
    """The camera of an incident; the rest of it, which is most, is not parsed."""

    camera: CameraData


def timeline(
    connection: Connection,
    wanted: IncidentFilter,
    within: TimeRange,
    step: ClockStep,
    zone: ZoneInfo,
) -> IncidentTimeline:
    """Incidents by the hour or day in which they opened; `within` replaces the time of `wanted`."""
    row = INCIDENTS.c
    severities: defaultdict[int, Counter[str]] = defaultdict(Counter)
    kinds: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for span in spans(within, zone):
        number = (row.opened_us + span.offset_us) // STEP_US[step]
        part = replace(wanted, since=from_us(span.begin_us), until=from_us(span.end_us))
        groups = (number.label("number"), row.level, row.kind)
        query = select(*groups, func.count().label("total")).where(*conditions(part))
        for one in connection.execute(query.group_by(*groups)):
            begin = begin_us(one.number, step, span, zone)
            severities[begin][SEVERITY[one.level]] += one.total
            kinds[begin][one.kind] += one.total
    buckets = [
        IncidentBucket(
            begins_at=from_us(begin).astimezone(zone),
            total=severities[begin].total(),
            severities=severities[begin],
            kinds=kinds[begin],
        )
        for begin in begins_us(within, step, zone)
    ]
    return IncidentTimeline(time_zone=zone.key, buckets=buckets)


def groups(connection: Connection, wanted: IncidentFilter, shared: Shared) -> GroupedIncidents:
    """Incidents by what they have in common."""
    names = _COLUMNS[shared]
    found = counted(connection, wanted, names)
    answers = [
        IncidentGroup(**dict(zip(names, key, strict=True)), **counts)
        for key, counts in _largest(found)
    ]
    total = sum(counts["total"] for counts in found.values())
    return GroupedIncidents(total=total, groups=answers[:GROUPS_MAX])


def heat(
    connection: Connection, wanted: IncidentFilter, cameras: Iterable[tuple[str, CameraData]]
) -> PlaceList:
    """Incidents by camera, with where it stands.

    Args:
        connection: To the database.
        wanted: Which incidents.
        cameras: Known cameras with their city; of others the newest incident says where it stands.
    """
    found = _largest(counted(connection, wanted, ("city", "camera")))[:GROUPS_MAX]
    known = {CameraKey(city, camera.id): camera for city, camera in cameras}
    unknown = {CameraKey(*key) for key, _ in found} - known.keys()
    if unknown:
        known |= _as_seen(connection, {key.camera for key in unknown})
    places = []
    for (city, name), counts in found:
        camera = known.get(CameraKey(city, name)) or CameraData(id=name)
        place = camera.place
        where = {"name": camera.name, "lon": place.lon, "lat": place.lat}
        places.append(PlaceHeat(city=city, camera=name, **where, **counts))
    return PlaceList(places=places)


def counted(
    connection: Connection, wanted: IncidentFilter, names: tuple[str, ...]
) -> dict[tuple[str, ...], dict[str, Any]]:
    """What was reported, by the values of some columns: `total`, `open` and `severities`."""
    where = conditions(replace(wanted, since=None, until=None))
    if wanted.since is not None or wanted.until is not None:
        where = [*where, *_opened_within(connection, wanted)]
    index = COUNTED if names == ("kind",) else GROUPED
    columns = columns_to_group_by((*names, "level"), where, index)
    query = select(
        *columns, func.count().label("total"), func.sum(INCIDENTS.c.is_open).label("open")
    )
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    rows: Sequence[Any] = connection.execute(query.where(*where).group_by(*columns)).all()
    for row in rows:
        counts = found.setdefault(tuple(row[: len(names)]), _nothing())
        counts["total"] += row.total
        counts["open"] += row.open
        counts["severities"][SEVERITY[row.level]] += row.total
    return found


def _opened_within(connection: Connection, wanted: IncidentFilter) -> list[ColumnElement[bool]]:
    """What holds of incidents that opened in the time that is wanted.

    For a time SQLite takes an index by time and sorts what it finds into groups. Where that is much
    of all there is, an index that has the groups in their order takes a quarter of that, so the
    time is then hidden from it.
    """
    first_us, last_us = _kept_time(connection)
    begin_us = first_us if wanted.since is None else to_us(wanted.since)
    end_us = last_us + 1 if wanted.until is None else to_us(wanted.until)
    asked_us = min(end_us, last_us) - max(begin_us, first_us)
    is_much = asked_us * MUCH > last_us - first_us
    opened = INCIDENTS.c.opened_us + 0 if is_much else INCIDENTS.c.opened_us
    return [opened >= begin_us, opened < end_us]


def _kept_time(connection: Connection) -> tuple[int, int]:
    """When the first and the last incident opened; zeros where there is none."""
    opened = INCIDENTS.c.opened_us
    # One by one: both at once would read the whole index.
    ends = (select(extreme(opened)).scalar_subquery() for extreme in (func.min, func.max))
    first_us, last_us = connection.execute(select(*ends)).one()
    return (first_us or 0, last_us or 0)


def _nothing() -> dict[str, Any]:
    return {"total": 0, "open": 0, "severities": dict.fromkeys(LEVELS, 0)}


def _largest(
    found: dict[tuple[str, ...], dict[str, Any]],
) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    return sorted(found.items(), key=lambda one: (-one[1]["total"], one[0]))


def _as_seen(connection: Connection, cameras: Collection[str]) -> dict[CameraKey, CameraData]:
    """Some cameras as their newest incidents describe them."""
    row = INCIDENTS.c
    newest = select(row.city, row.camera, func.max(row.opened_us).label("opened_us"))
    last = newest.where(row.camera.in_(cameras)).group_by(row.city, row.camera).subquery()
    same = and_(*(row[name] == last.c[name] for name in ("opened_us", "city", "camera")))
    rows = connection.execute(select(row.city, row.data).join(last, same)).all()
    seen = [(one.city, _SeenCamera.model_validate_json(one.data).camera) for one in rows]
    return {CameraKey(city, camera.id): camera for city, camera in seen}
