"""Keeps what was heard of cameras over a restart of the hub."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from event_hub.heard import Heard
from event_hub.tables import CAMERAS_HEARD
from pipelines.event import CameraData


def known_cameras(connection: Connection) -> list[Heard]:
    """What earlier hubs heard of each camera."""
    return [
        Heard(
            city=row.city,
            camera=CameraData.model_validate_json(row.data),
            state=row.state,
            reason=row.reason,
            incarnation=row.incarnation,
            sequence=row.sequence,
            since_us=row.since_us,
            received_us=row.received_us,
        )
        for row in connection.execute(select(CAMERAS_HEARD)).all()
    ]


def save_heard(connection: Connection, heard: Iterable[Heard]) -> None:
    """Writes what was heard of some cameras over what was there."""
    for one in heard:
        row = {
            "incarnation": one.incarnation,
            "sequence": one.sequence,
            "state": one.state,
            "since_us": one.since_us,
            "received_us": one.received_us,
            "reason": one.reason,
            "data": one.camera.model_dump_json(),
        }
        table = CAMERAS_HEARD.c
        same = (table.camera == one.camera.id) & (table.city == one.city)
        if not connection.execute(update(CAMERAS_HEARD).where(same).values(row)).rowcount:
            connection.execute(insert(CAMERAS_HEARD).values(**one.key._asdict(), **row))
