"""`Visible`: which cameras a caller sees, as a condition for queries and for what is in memory.

What lies outside is left out of lists, counts and feeds, and answered as if it were not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request
from sqlalchemy import ColumnElement, Table, and_, exists, false, func, or_, true

from event_hub.tables import CAMERA_STATES, EVENTS
from pipelines.access import caller_of
from pipelines.event import CameraStateEvent, MeasurementEvent
from pipelines.event_identity import camera_source

TextColumn = ColumnElement[str]
INCIDENT: Final = "cityeye.incident."
"""The types of incident events begin with it."""
OF_ONE_CAMERA: Final = tuple(
    event.model_fields["type"].default for event in (CameraStateEvent, MeasurementEvent)
)


@dataclass(frozen=True, slots=True)
class Visible:
    """The cameras of some camera groups.

    Attributes:
        members: Camera, city and division as in `GroupMember`; every camera where it is None.
    """

    members: tuple[tuple[str, str, str], ...] | None = None

    @property
    def is_all(self) -> bool:
        """Whether every camera is seen."""
        return self.members is None

    def sees(self, city: str, camera: str, division: str) -> bool:
        """Whether a camera is seen, by what the hub knows of it."""
        return self.members is None or any(
            (camera.startswith(wanted[:-1]) if wanted.endswith("*") else wanted in ("", camera))
            and of_city in ("", city)
            and division.startswith(of_division)
            for wanted, of_city, of_division in self.members
        )

    def of(self, table: Table) -> ColumnElement[bool]:
        """Whether a row is of a camera that is seen; for tables with `camera` and `city`."""
        city, camera = table.c.city, table.c.camera
        own = table.c.get("division")
        states = CAMERA_STATES.alias() if own is None else table

        def placed(division: str) -> ColumnElement[bool]:
            begins = _begins(states.c.division, division)
            if own is not None:
                return begins
            return exists().where(states.c.city == city, states.c.camera == camera, begins)

        return self._condition(camera, lambda name: city == name, placed)

    def of_events(self) -> ColumnElement[bool]:
        """Whether an event is of a camera that is seen, and of nothing else.

        Notices of workers are of no camera; what people made of a case may be of several.
        """
        if self.members is None:
            return true()
        states = CAMERA_STATES.alias()
        camera, source = EVENTS.c.partitionkey, EVENTS.c.source

        def placed(division: str) -> ColumnElement[bool]:
            # A camera's events all have one source, which says the city too.
            same = (states.c.camera == camera) & (states.c.source == source)
            return exists().where(same, _begins(states.c.division, division))

        def in_city(name: str) -> ColumnElement[bool]:
            return _begins(source, camera_source(name, ""))

        of_one = or_(EVENTS.c.type.in_(OF_ONE_CAMERA), _begins(EVENTS.c.type, INCIDENT))
        return and_(of_one, self._condition(camera, in_city, placed))

    def _condition(
        self,
        camera: TextColumn,
        in_city: Callable[[str], ColumnElement[bool]],
        placed: Callable[[str], ColumnElement[bool]],
    ) -> ColumnElement[bool]:
        if self.members is None:
            return true()
        exact: dict[tuple[str, str], list[str]] = {}
        conditions: list[ColumnElement[bool]] = []
        for wanted, city, division in self.members:
            place = [in_city(city)] if city else []
            place += [placed(division)] if division else []
            if wanted and not wanted.endswith("*"):
                exact.setdefault((city, division), []).append(wanted)
            else:
                conditions.append(and_(_begins(camera, wanted[:-1]), *place))
        for (city, division), ids in exact.items():
            place = [in_city(city)] if city else []
            place += [placed(division)] if division else []
            conditions.append(and_(camera.in_(ids), *place))
        return or_(false(), *conditions)


def _begins(column: TextColumn, prefix: str) -> ColumnElement[bool]:
    """Not LIKE: that would not tell cases apart in SQLite."""
    if not prefix:
        return true()
    beginning: TextColumn = func.substr(column, 1, len(prefix))
    return beginning == prefix


ALL: Final = Visible()
"""What somebody sees who is limited to no group, and the hub itself."""


def visible_to(request: Request) -> Visible:
    """Which cameras the caller of a request sees.

    Raises:
        StoreUnavailableError: The groups cannot be read.
    """
    found: Visible = request.app.state.groups.visible(caller_of(request.scope).groups)
    return found


Sees = Annotated[Visible, Depends(visible_to)]
"""A parameter of a route or of the filter that it takes: the cameras that its caller sees."""


def seen_camera(city: str, camera: str, request: Request, sees: Sees) -> None:
    """Makes sure that the caller sees the camera of a route.

    Raises:
        HTTPException: 404, as if there were none.
        StoreUnavailableError: That cannot be found out.
    """
    if not sees.is_all and not request.app.state.groups.has(sees, city, camera):
        raise HTTPException(404, f"the city {city!r} has no camera {camera!r}")


SeenCamera: Final = Depends(seen_camera)
"""For `dependencies` of a route of one camera."""
