"""`check_seen`: whether somebody may ask for one camera, before it is asked for elsewhere."""

from __future__ import annotations

from fastapi import HTTPException
from sqlalchemy import select

from event_hub.people.visible import Visible
from event_hub.store import EventStore
from event_hub.tables import CAMERA_STATES


def check_seen(store: EventStore, sees: Visible, city: str, camera: str) -> None:
    """Lets nobody through to a camera that lies outside their camera groups.

    Who is limited to groups sees only cameras that the hub has heard of, as it knows where they
    stand.

    Raises:
        HTTPException: 404, as for a camera that is not there.
        StoreUnavailableError: The database cannot be read.
    """
    if sees.is_all:
        return
    known = CAMERA_STATES.c
    wanted = select(known.camera).where(
        known.city == city, known.camera == camera, sees.of(CAMERA_STATES)
    )
    with store.database.read() as connection:
        if connection.execute(wanted).first() is None:
            raise HTTPException(404, f"there is no camera {camera!r} in the city {city!r}")
