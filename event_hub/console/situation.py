"""How the city is right now: what every page of the console says at its edge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from event_hub import queries
from event_hub.answers import CameraStatus, CityIncident
from event_hub.camera_status import SILENT
from event_hub.heard import HeardCameras
from event_hub.people.visible import ALL, Visible
from event_hub.tables import to_us

DAY: Final = timedelta(hours=24)
ANNOUNCED_MAX: Final = 20
GRAVE: Final = ("high", "critical")


@dataclass(frozen=True, slots=True)
class CitySituation:
    """The city at one moment.

    Attributes:
        open_by_severity: How many incidents are going on.
        ended: How many ended in the last 24 hours.
        newest: The open ones that were opened last, at most 20: a page announces those it has not
            seen.
        cameras: Every camera heard of, by city and id.
        last_heard_at: When the newest event or heartbeat arrived.
    """

    open_by_severity: dict[str, int]
    ended: int
    newest: tuple[CityIncident, ...]
    cameras: tuple[CameraStatus, ...]
    last_heard_at: datetime | None
    read_at: datetime

    @property
    def open(self) -> int:
        """How many incidents are going on in all."""
        return sum(self.open_by_severity.values())

    @property
    def grave(self) -> int:
        """How many of them are of high or critical severity."""
        return sum(self.open_by_severity.get(name, 0) for name in GRAVE)

    @property
    def watching(self) -> int:
        """How many cameras are online and were heard of lately."""
        return sum(camera.state == "online" for camera in self.cameras)

    @property
    def is_silent(self) -> bool:
        """Whether nothing is heard from any camera."""
        return all(camera.state == SILENT for camera in self.cameras)

    @property
    def blind(self) -> list[CameraStatus]:
        """The cameras that do not watch, those that have not for the longest time first."""
        found = [camera for camera in self.cameras if camera.state != "online"]
        return sorted(found, key=lambda one: one.since)

    @property
    def has_cities(self) -> bool:
        """Whether cameras and incidents must say which city they are in."""
        named = {camera.city for camera in self.cameras} | {one.city for one in self.newest}
        return len(named - {""}) > 1


def read_situation(
    connection: Connection, heard: HeardCameras, sees: Visible = ALL
) -> CitySituation:
    """The situation as of now, of the cameras that are seen."""
    now = datetime.now(UTC)
    cameras = tuple(queries.camera_list(connection, heard, queries.CameraFilter(sees=sees)).cameras)
    moments = [queries.last_received(connection), *(camera.heard_at for camera in cameras)]
    return CitySituation(
        open_by_severity=queries.open_by_severity(connection, sees),
        ended=queries.count_ended_since(connection, to_us(now - DAY), sees),
        newest=tuple(queries.newest_incidents(connection, "open", ANNOUNCED_MAX, sees)),
        cameras=cameras,
        last_heard_at=max((one for one in moments if one), default=None),
        read_at=now,
    )
