"""What the operators' page shows: one consistent reading of the store, bounded in size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from event_hub import queries
from event_hub.answers import CameraStatus, CityIncident
from event_hub.store import EventStore
from event_hub.tables import to_us

INCIDENTS_MAX = 100
ENDED_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident with what its keyframes show, by key."""

    incident: CityIncident
    keyframes: dict[str, queries.NamedKeyframe]

    @property
    def key(self) -> tuple[str, str]:
        """City and id: what makes it different from every other."""
        return self.incident.city, self.incident.incident_id

    @property
    def is_open(self) -> bool:
        """Whether it is still going on."""
        return self.incident.phase != "ended"


@dataclass(frozen=True, slots=True)
class Board:
    """The state of the city at one moment.

    Attributes:
        incidents: The newest open ones first, then the newest ended ones; 100 at most.
        open_by_severity: How many are open in all.
        ended: How many ended in the last 24 hours.
        cameras: Every camera heard of, by city and id.
        last_received_at: When the newest event or heartbeat arrived.
    """

    incidents: tuple[IncidentView, ...]
    open_by_severity: dict[str, int]
    ended: int
    cameras: tuple[CameraStatus, ...]
    last_received_at: datetime | None
    read_at: datetime

    @property
    def cities(self) -> list[str]:
        """The cities of what is shown, where sources name any."""
        named = {view.incident.city for view in self.incidents}
        return sorted({*named, *(camera.city for camera in self.cameras)} - {""})

    @property
    def open(self) -> int:
        """How many incidents are open in all."""
        return sum(self.open_by_severity.values())

    @property
    def watching(self) -> int:
        """How many cameras are online and were heard of lately."""
        return sum(camera.state == "online" for camera in self.cameras)


def read_board(store: EventStore) -> Board:
    """The board as of now.

    Raises:
        StoreUnavailableError: The database cannot be read.
    """
    now = datetime.now(UTC)
    with store.database.read() as connection:
        incidents = queries.newest_incidents(connection, "open", INCIDENTS_MAX)
        incidents += queries.newest_incidents(connection, "ended", INCIDENTS_MAX - len(incidents))
        keys = [keyframe.key for one in incidents for keyframe in one.keyframes]
        keyframes = queries.keyframes(connection, keys)
        cameras = tuple(queries.camera_list(connection, store.heard).cameras)
        heard = [queries.last_received(connection), *(camera.heard_at for camera in cameras)]
        return Board(
            incidents=tuple(_view(incident, keyframes) for incident in incidents),
            open_by_severity=queries.open_by_severity(connection),
            ended=queries.count_ended_since(connection, to_us(now - ENDED_WINDOW)),
            cameras=cameras,
            last_received_at=max((one for one in heard if one), default=None),
            read_at=now,
        )


def _view(
    incident: CityIncident, keyframes: dict[tuple[str, str], queries.NamedKeyframe]
) -> IncidentView:
    own = {one.key: keyframes.get((incident.city, one.key)) for one in incident.keyframes}
    return IncidentView(incident, {key: named for key, named in own.items() if named})
