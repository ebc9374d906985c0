"""`Users`: who may log in with a name and a password, with which role and camera groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from event_hub.database import Database
from event_hub.people.errors import (
    NameInUseError,
    UnfitValueError,
    UnknownPersonError,
    WrongPasswordError,
)
from event_hub.people.groups import check_groups, dump_names, load_names
from event_hub.people.names import user_name
from event_hub.people.passwords import Passwords
from event_hub.people.sessions import UserSessions
from event_hub.tables import USERS, from_us, time_of, to_us

UserRole = Literal["viewer", "operator", "engineer", "admin"]
"""The scopes that a person may have; `sender` is for machines."""

USERS_MAX: Final = 2000
_ROLE: Final[TypeAdapter[UserRole]] = TypeAdapter(UserRole)


@dataclass(frozen=True, slots=True)
class User:
    """One person.

    Attributes:
        groups: Names of the camera groups that the user is limited to; empty for every camera.
        disabled_at: Since when the user may not log in; None for one who may.
        outside: Whether the user logs in at an identity provider, which says role and groups.
    """

    name: str
    role: UserRole
    groups: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None
    outside: bool = False


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is to be different; None leaves it as it is."""

    role: UserRole | None = None
    groups: tuple[str, ...] | None = None
    disabled: bool | None = None
    password: str | None = None

    @property
    def summary(self) -> str:
        """What is changed, in words, without the password."""
        said = {"role": self.role, "groups": self.groups, "disabled": self.disabled}
        words = [f"{name}: {value}" for name, value in said.items() if value is not None]
        return ", ".join(words + (["a new password"] if self.password is not None else []))


def user_list(connection: Connection) -> list[User]:
    """Every user, by name."""
    return [_user(row) for row in connection.execute(select(USERS).order_by(USERS.c.name))]


class Users:
    """The users of one hub; safe to use from several threads.

    What changes happens in a transaction of the caller, so that it can be noted in the audit trail
    before it is committed; `sessions.forget` is called after that.
    """

    def __init__(
        self,
        database: Database,
        sessions: UserSessions,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._utc_now = utc_now
        self._passwords = Passwords()

    def all(self) -> list[User]:
        """Every user, by name.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        with self._database.read() as connection:
            return user_list(connection)

    def has_password(self, name: str) -> bool:
        """Whether a user logs in with a password here, and not at an identity provider.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        with self._database.read() as connection:
            return bool(connection.scalar(select(USERS.c.password).where(USERS.c.name == name)))

    def check_password(self, name: str, password: str) -> User:
        """The user who has a password; takes as long where there is no such user.

        Raises:
            WrongPasswordError: Nobody who may log in has it.
            LoginBusyError: Too many are being checked.
            StoreUnavailableError: The database cannot be read.
        """
        with self._database.read() as connection:
            row = connection.execute(select(USERS).where(USERS.c.name == name)).first()
        fits = self._passwords.fits(row.password if row else None, password)
        if row is None or not fits or row.disabled_us is not None:
            raise WrongPasswordError
        return _user(row)

    def hash(self, password: str, name: str) -> str:
        """The hash to give to `add` and `change`; it takes a while, so no transaction waits for it.

        Raises:
            UnfitValueError: The password is too simple.
            LoginBusyError: Too many are being checked.
        """
        return self._passwords.hash(password, name)

    def add(
        self,
        connection: Connection,
        name: str,
        role: UserRole,
        groups: tuple[str, ...],
        hashed: str,
    ) -> User:
        """Adds a user.

        Raises:
            NameInUseError: There is one of this name.
            UnfitValueError: The name or a group cannot be taken, or there are too many.
        """
        name = user_name(name)
        check_groups(connection, groups)
        if connection.scalar(select(USERS.c.name).where(USERS.c.name == name)):
            raise NameInUseError(f"there is a user {name} already; choose another name")
        if (connection.scalar(select(func.count()).select_from(USERS)) or 0) >= USERS_MAX:
            raise UnfitValueError(f"there are {USERS_MAX} users already; remove some")
        row = {
            "name": name,
            "role": role,
            "password": hashed,
            "groups": dump_names(groups),
            "created_us": to_us(self._utc_now()),
        }
        connection.execute(insert(USERS).values(row))
        return _user(self._row(connection, name))

    def change(
        self,
        connection: Connection,
        name: str,
        wanted: UserChange,
        hashed: str | None,
        session: str = "",
    ) -> User:
        """Changes a user. One who is disabled or gets another password is logged out everywhere.

        So is one who gets other camera groups, as open pages show those of before. `session` is the
        `Caller.id` of a session that goes on all the same.

        Raises:
            UnknownPersonError: There is none of this name.
            UnfitValueError: A group does not exist.
        """
        row = self._row(connection, name)
        if row.subject and hashed is not None:
            raise UnfitValueError(f"{name} logs in at the identity provider and has no password")
        values: dict[str, Any] = {}
        if wanted.role is not None:
            values["role"] = wanted.role
        if wanted.groups is not None:
            check_groups(connection, wanted.groups)
            values["groups"] = dump_names(wanted.groups)
        if wanted.disabled is not None:
            since_us = row.disabled_us or to_us(self._utc_now())
            values["disabled_us"] = since_us if wanted.disabled else None
        if hashed is not None:
            values["password"] = hashed
        if values:
            connection.execute(update(USERS).where(USERS.c.name == name).values(values))
        moves = "groups" in values and values["groups"] != row.groups
        if wanted.disabled or hashed is not None or moves:
            self._sessions.end_all(connection, name, session)
        return _user(self._row(connection, name))

    def take_in(
        self,
        connection: Connection,
        subject: str,
        name: str,
        role: UserRole,
        groups: tuple[str, ...],
    ) -> tuple[User, bool]:
        """Who logged in at an identity provider, as a user; and whether that is somebody new.

        Raises:
            NameInUseError: Somebody else has the name: a password, or another id at the provider.
            UnfitValueError: A group does not exist, there are too many users, or this one is
                disabled.
        """
        row = connection.execute(select(USERS).where(USERS.c.name == name)).first()
        if row is None:
            self.add(connection, name, role, groups, hashed="")
            known = {"subject": subject}
            connection.execute(update(USERS).where(USERS.c.name == name).values(known))
            return _user(self._row(connection, name)), True
        if row.subject != subject:
            raise NameInUseError(
                f"another user here is called {name}; an administrator has to remove one of them"
            )
        if row.disabled_us is not None:
            raise UnfitValueError(f"{name} may not log in here; ask an administrator")
        return self.change(connection, name, UserChange(role, groups), None), False

    def remove(self, connection: Connection, name: str) -> None:
        """Removes a user, who is logged out everywhere.

        Raises:
            UnknownPersonError: There is none of this name.
        """
        self._row(connection, name)
        connection.execute(delete(USERS).where(USERS.c.name == name))
        self._sessions.end_all(connection, name)

    def _row(self, connection: Connection, name: str) -> Row[Any]:
        row = connection.execute(select(USERS).where(USERS.c.name == name)).first()
        if row is None:
            raise UnknownPersonError(f"there is no user {name}")
        return row


def _user(row: Row[Any]) -> User:
    return User(
        name=row.name,
        role=_ROLE.validate_python(row.role),
        groups=load_names(row.groups),
        created_at=from_us(row.created_us),
        disabled_at=time_of(row.disabled_us),
        outside=bool(row.subject),
    )
