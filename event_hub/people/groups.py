"""`CameraGroups`: named sets of cameras, by id, city and division, to which people are limited."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from sqlalchemy import Connection, delete, insert, select, update

from event_hub.database import Database
from event_hub.people.errors import NameInUseError, UnfitValueError, UnknownPersonError
from event_hub.people.names import group_name
from event_hub.people.visible import Visible
from event_hub.tables import CAMERA_GROUPS, CAMERA_STATES, USERS

GROUPS_MAX: Final = 200
MEMBERS_MAX: Final = 500


class GroupMember(BaseModel):
    """Some cameras: those that fit everything that is given.

    Attributes:
        camera: An id, or the beginning of ids with `*` behind it; empty for any.
        city: The city as in `CityIncident`; empty for any.
        division: The beginning of the division code of a camera's place; empty for any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    camera: str = Field(default="", max_length=200, pattern=r"^[^*\x00-\x1f]*\*?$")
    city: str = Field(default="", max_length=200, pattern=r"^[^\x00-\x1f]*$")
    division: str = Field(default="", pattern=r"^[0-9]{0,12}$")

    @model_validator(mode="after")
    def _limited(self) -> GroupMember:
        if not (self.camera.rstrip("*") or self.city or self.division):
            raise ValueError("a member gives a camera, a city or a division")
        return self


Members = tuple[GroupMember, ...]
_MEMBERS: Final[TypeAdapter[Members]] = TypeAdapter(Members)
_NAMES: Final[TypeAdapter[tuple[str, ...]]] = TypeAdapter(tuple[str, ...])


def group_list(connection: Connection) -> dict[str, Members]:
    """Every group by name."""
    rows = connection.execute(select(CAMERA_GROUPS).order_by(CAMERA_GROUPS.c.name)).all()
    return {row.name: _MEMBERS.validate_json(row.members) for row in rows}


class CameraGroups:
    """The groups of one hub; safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, Members]:
        """Every group by name.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        with self._database.read() as connection:
            return group_list(connection)

    def visible(self, names: Collection[str]) -> Visible:
        """Which cameras somebody sees who is limited to some groups; all, where to none.

        A group that is not there any more has no cameras.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        if not names:
            return Visible(None)
        known = self.all()
        members = (one for name in names for one in known.get(name, ()))
        return Visible(tuple((one.camera, one.city, one.division) for one in members))

    def has(self, sees: Visible, city: str, camera: str) -> bool:
        """Whether the hub knows a camera that is seen.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        states = CAMERA_STATES.c
        query = select(states.camera).where(states.city == city, states.camera == camera)
        with self._database.read() as connection:
            return connection.execute(query.where(sees.of(CAMERA_STATES))).first() is not None

    def put(self, connection: Connection, name: str, members: Members) -> None:
        """Makes a group or gives it other members.

        Raises:
            UnfitValueError: The name cannot be taken, or there are too many.
        """
        name = group_name(name)
        known = set(connection.scalars(select(CAMERA_GROUPS.c.name)))
        if len(members) > MEMBERS_MAX or len(known | {name}) > GROUPS_MAX:
            raise UnfitValueError(
                f"there may be {GROUPS_MAX} camera groups of {MEMBERS_MAX} members; use `*`, a city"
                " or a division for many cameras"
            )
        values = {"members": _MEMBERS.dump_json(members).decode()}
        if name in known:
            same = CAMERA_GROUPS.c.name == name
            connection.execute(update(CAMERA_GROUPS).where(same).values(values))
        else:
            connection.execute(insert(CAMERA_GROUPS).values(name=name, **values))

    def remove(self, connection: Connection, name: str) -> None:
        """Removes a group that no user is limited to.

        Raises:
            UnknownPersonError: There is none of this name.
            NameInUseError: A user is limited to it.
        """
        rows = connection.execute(select(USERS.c.name, USERS.c.groups)).all()
        users = [row.name for row in rows if name in _NAMES.validate_json(row.groups)]
        if users:
            raise NameInUseError(
                f"these users are limited to camera group {name}: {', '.join(users[:5])}; give them"
                " other groups first"
            )
        if not connection.execute(
            delete(CAMERA_GROUPS).where(CAMERA_GROUPS.c.name == name)
        ).rowcount:
            raise UnknownPersonError(f"there is no camera group {name}")


def dump_names(groups: Iterable[str]) -> str:
    """The names of groups as they stand in a column."""
    return _NAMES.dump_json(tuple(sorted(set(groups)))).decode()


def load_names(text: str) -> tuple[str, ...]:
    """The names behind `dump_names`."""
    return _NAMES.validate_json(text)


def check_groups(connection: Connection, names: Collection[str]) -> None:
    """Makes sure that groups exist.

    Raises:
        UnfitValueError: One does not.
    """
    known = set(connection.scalars(select(CAMERA_GROUPS.c.name)))
    missing = sorted(set(names) - known)
    if missing:
        raise UnfitValueError(f"there is no camera group {missing[0]}; make it first")
