"""What a request to delete is about: keyframes, clean images and clips that events name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from event_hub.tables import EVENTS, INCIDENTS, KEYFRAMES, to_us
from pipelines.access import Reason
from pipelines.event import EVENT, CaseEvent, IncidentData, IncidentEvent
from pipelines.event_evidence import ClipData, KeyframeData
from pipelines.event_identity import city_of

KEYS_MAX: Final = 2000
"""Images and clips that one request may be about."""
INCIDENTS_MAX: Final = 500
MARGIN: Final = timedelta(hours=1)
"""Evidence of an incident is from no more than so long before its opening or after its end."""


class DeletionPart(BaseModel):
    """A part of the body of a request; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CameraSpan(DeletionPart):
    """Everything that a camera showed in a time."""

    city: str
    camera: str
    since: AwareDatetime
    until: AwareDatetime

    @model_validator(mode="after")
    def _in_order(self) -> CameraSpan:
        if self.since >= self.until:
            raise ValueError("`since` is not before `until`")
        return self


class DeletionRequest(DeletionPart):
    """What is to be deleted: evidence of incidents, by its keys, or of a camera in a time.

    With a keyframe its clean image goes too; a clip goes with its incident or by its key.
    """

    incidents: tuple[str, ...] = Field(default=(), max_length=INCIDENTS_MAX)
    city: str | None = None
    keys: tuple[str, ...] = Field(default=(), max_length=KEYS_MAX)
    span: CameraSpan | None = None
    reason: Reason

    @model_validator(mode="after")
    def _about_something(self) -> DeletionRequest:
        if not (self.incidents or self.keys or self.span):
            raise ValueError("give incidents, keys or a span of a camera")
        return self


class DeletedItem(BaseModel):
    """One image or clip of a request.

    Attributes:
        kind: `keyframe`, `clean` or `clip`.
        at: When it was taken; None where no event says so.
        until: When a clip ends; None for images.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    sha256: str
    kind: str
    incident: str
    city: str
    camera: str
    at: datetime | None
    until: datetime | None = None


def items_of(connection: Connection, wanted: DeletionRequest) -> list[DeletedItem]:
    """Everything that a request is about, once each, as far as an event that is kept names it."""
    found: dict[str, DeletedItem] = {}
    if wanted.incidents:
        named: ColumnElement[bool] = INCIDENTS.c.incident_id.in_(wanted.incidents)
        if wanted.city is not None:
            named &= INCIDENTS.c.city == wanted.city
        found |= {one.key: one for one in _of_incidents(connection, named)}
    if wanted.keys:
        found |= {one.key: one for one in _by_keys(connection, wanted.keys)}
    if wanted.span is not None:
        found |= {one.key: one for one in _in_span(connection, wanted.span)}
    return sorted(found.values(), key=lambda one: one.key)


def ambiguous_among(connection: Connection, wanted: DeletionRequest) -> list[str]:
    """The ids of a request that incidents of several cities have, where it names no city."""
    if wanted.city is not None or not wanted.incidents:
        return []
    row = INCIDENTS.c
    query = select(row.incident_id).where(row.incident_id.in_(wanted.incidents))
    several = query.group_by(row.incident_id).having(func.count() > 1)
    return list(connection.scalars(several.order_by(row.incident_id)))


def held_among(connection: Connection, items: Iterable[DeletedItem]) -> set[str]:
    """The incidents that are held as evidence and have one of some items."""
    keys = {one.key for one in items}
    held = select(INCIDENTS.c.incident_id, INCIDENTS.c.data).where(INCIDENTS.c.held_us.is_not(None))
    return {
        row.incident_id
        for row in connection.execute(held)
        if keys & {one.key for one in IncidentData.model_validate_json(row.data).evidence}
    } | _held_ids(connection, {one.incident for one in items})


def _held_ids(connection: Connection, ids: set[str]) -> set[str]:
    held = INCIDENTS.c.incident_id.in_(ids) & INCIDENTS.c.held_us.is_not(None)
    return set(connection.scalars(select(INCIDENTS.c.incident_id).where(held)))


def _of_incidents(connection: Connection, condition: ColumnElement[bool]) -> Iterator[DeletedItem]:
    """What the incidents have now, and what their earlier events named."""
    for row in connection.execute(select(INCIDENTS).where(condition)).all():
        yield from _items(IncidentData.model_validate_json(row.data), row.city)
        query = select(EVENTS.c.source, EVENTS.c.body)
        # Events of its case are among them: a closing check has images too.
        query = query.where(EVENTS.c.incident_id == row.incident_id)
        for event in connection.execute(query).all():
            if city_of(event.source) in ("", row.city) or not row.city:
                yield from _of_body(event.body, row.city)


def _by_keys(connection: Connection, keys: Sequence[str]) -> Iterator[DeletedItem]:
    same = (EVENTS.c.source == KEYFRAMES.c.source) & (EVENTS.c.event_id == KEYFRAMES.c.event_id)
    query = select(KEYFRAMES, EVENTS.c.body).join(EVENTS, same, isouter=True)
    for row in connection.execute(query.where(KEYFRAMES.c.key.in_(keys))).all():
        known = list(_of_event(row))
        own = next((one for one in known if one.key == row.key), None)
        if own is None:
            # The event that named it first is gone.
            yield _bare(row)
            continue
        yield own
        if own.kind == "keyframe":
            yield from (one for one in known if one.kind == "clean" and one.at == own.at)


def _of_event(row: Row[Any]) -> Iterator[DeletedItem]:
    if row.body is not None:
        yield from _of_body(row.body, row.city)


def _of_body(body: bytes, city: str) -> Iterator[DeletedItem]:
    """What an event of an incident or case names."""
    event = EVENT.validate_json(body)
    if isinstance(event, IncidentEvent):
        yield from _items(event.data, city)
    elif isinstance(event, CaseEvent) and event.data.check is not None:
        for place in event.data.check.places:
            if (image := place.keyframe) is not None:
                names = {"key": image.key, "sha256": image.sha256, "camera": place.camera}
                own = {"incident": place.incident_id, "city": city, "kind": "keyframe"}
                yield DeletedItem(**names, **own, at=image.at)


def _bare(row: Row[Any]) -> DeletedItem:
    kind = "clip" if row.media_type.startswith("video/") else "keyframe"
    names = {"key": row.key, "sha256": row.sha256, "city": row.city, "camera": row.camera}
    return DeletedItem(**names, kind=kind, incident="", at=None)


def _in_span(connection: Connection, span: CameraSpan) -> Iterator[DeletedItem]:
    row = INCIDENTS.c
    # A clip begins before its incident, and evidence may be stored after the end.
    opened = row.opened_us < to_us(span.until + MARGIN)
    lasts = or_(row.ended_us.is_(None), row.ended_us >= to_us(span.since - MARGIN))
    meant = (row.camera == span.camera) & (row.city == span.city) & opened & lasts
    for one in _of_incidents(connection, meant):
        # What has no time may be of any.
        if one.at is None or (one.at < span.until and (one.until or one.at) >= span.since):
            yield one


def _items(data: IncidentData, city: str) -> Iterator[DeletedItem]:
    place = {"incident": data.incident_id, "city": city, "camera": data.camera.id}
    taken = {one.clean.key: one.at for one in data.keyframes if one.clean}
    for one in data.evidence:
        names = {"key": one.key, "sha256": one.sha256, **place}
        if isinstance(one, KeyframeData):
            yield DeletedItem(**names, kind="keyframe", at=one.at)
        elif isinstance(one, ClipData):
            lasts = timedelta(seconds=one.duration_s)
            until = one.begins_at + lasts if one.begins_at else None
            yield DeletedItem(**names, kind="clip", at=one.begins_at, until=until)
        else:
            yield DeletedItem(**names, kind="clean", at=taken[one.key])
