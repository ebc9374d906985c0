"""`Accounts`: logins and what administrators change about people, each noted in the audit trail.

A change is noted before it is committed: what cannot be noted does not happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import Connection

from event_hub.database import Database
from event_hub.people.errors import UnfitValueError, WrongPasswordError
from event_hub.people.groups import CameraGroups, Members
from event_hub.people.names import user_name
from event_hub.people.outside_users import OutsideUser
from event_hub.people.sessions import UserSessions
from event_hub.people.throttle import LoginThrottle
from event_hub.people.users import User, UserChange, UserRole, Users
from pipelines.access import AuditError, AuditTrail, Caller

BY_TOKEN: Final = "(token)"  # noqa: S105 - no secret
"""Stands for the name where somebody logged in with a token."""
NOBODY: Final = "(no user)"
"""Stands for a name that no user has: somebody may have typed a password there."""


class Accounts:
    """The people of one hub; safe to use from several threads."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database = database
        self._trail = trail
        self._throttle = LoginThrottle()
        self.sessions = UserSessions(database)
        self.users = Users(database, self.sessions)
        self.groups = CameraGroups(database)

    def log_in(self, name: str, password: str, address: str) -> str:
        """A session for who has a password; gives the text for the cookie.

        Args:
            name: As somebody typed it.
            password: The same.
            address: Where the request comes from.

        Raises:
            WrongPasswordError: Nobody who may log in has this name and password.
            LoginWaitError: Too many logins failed before.
            LoginBusyError: Too many are logging in.
            AuditError: It cannot be noted.
            StoreUnavailableError: The database cannot be used.
        """
        known = _known_name(name)
        self._throttle.begin(known, address)
        try:
            user = self.users.check_password(known, password)
        except WrongPasswordError:
            self._note_refused(known, f"from {address}")
            raise
        self._throttle.succeeded(known, address)
        return self._open(user, f"from {address}")

    def log_in_outside(self, known: OutsideUser, address: str) -> str:
        """A session for who logged in at an identity provider; as `log_in`.

        Raises:
            NameInUseError: Somebody else has the name here.
            UnfitValueError: The user is disabled, or a camera group does not exist.
            AuditError: It cannot be noted.
            StoreUnavailableError: The database cannot be used.
        """
        with self._changing() as connection:
            user, is_new = self.users.take_in(
                connection, known.subject, known.name, known.role, known.groups
            )
            if is_new:
                said = f"role: {user.role}, by the identity provider"
                self._trail.note(None, user.name, said, "user.added")
        return self._open(user, f"by the identity provider, from {address}")

    def _open(self, user: User, how: str) -> str:
        text = self.sessions.open(user.name)
        caller = self.sessions.caller(text)
        try:
            self._trail.note(caller, user.name, how, "login")
        except AuditError:
            self.sessions.close(text)
            raise
        return text

    def _note_refused(self, name: str, origin: str) -> None:
        with suppress(AuditError):
            names = {one.name for one in self.users.all()}
            self._trail.note(None, name if name in names else NOBODY, origin, "login.refused")

    def note_token(self, caller: Caller | None, address: str) -> None:
        """Notes a login with a token or a link; None where it was not valid.

        Raises:
            AuditError: It cannot be noted.
        """
        action = "login" if caller is not None else "login.refused"
        self._trail.note(caller, BY_TOKEN, f"from {address}", action)

    def log_out(self, presented: str) -> None:
        """Ends a session of a user.

        Raises:
            StoreUnavailableError: The database cannot be used.
        """
        caller = self.sessions.caller(presented)
        if caller is not None:
            self.sessions.close(presented)
            self.note_logout(caller, caller.user)

    def note_logout(self, caller: Caller | None, key: str = BY_TOKEN) -> None:
        """Notes a logout; where it cannot be noted, the session has ended all the same."""
        with suppress(AuditError):
            self._trail.note(caller, key, "", "logout")

    def add_user(
        self, by: Caller, name: str, role: UserRole, groups: tuple[str, ...], password: str
    ) -> User:
        """Adds a user. Raises what `Users.hash` and `Users.add` do, and `AuditError`."""
        name = user_name(name)
        hashed = self.users.hash(password, name)
        with self._changing() as connection:
            user = self.users.add(connection, name, role, groups, hashed)
            limits = f", groups: {', '.join(user.groups)}" if user.groups else ""
            self._trail.note(by, user.name, f"role: {role}{limits}", "user.added")
        return user

    def change_user(self, by: Caller, name: str, wanted: UserChange) -> User:
        """Changes a user. Raises what `Users.hash` and `Users.change` do, and `AuditError`."""
        hashed = None if wanted.password is None else self.users.hash(wanted.password, name)
        with self._changing() as connection:
            user = self.users.change(connection, name, wanted, hashed)
            self._trail.note(by, name, wanted.summary, "user.changed")
        return user

    def remove_user(self, by: Caller, name: str) -> None:
        """Removes a user. Raises what `Users.remove` does, and `AuditError`."""
        with self._changing() as connection:
            self.users.remove(connection, name)
            self._trail.note(by, name, "", "user.removed")

    def change_password(self, caller: Caller, old: str, new: str) -> None:
        """Gives a user who is logged in another password, and ends all other sessions.

        Raises:
            WrongPasswordError: The old one is wrong.
            UnfitValueError: The caller is no user, or the new one is too simple.
            LoginWaitError: Too many old ones were wrong.
            LoginBusyError: Too many are being checked.
            AuditError: It cannot be noted.
            StoreUnavailableError: The database cannot be used.
        """
        if not caller.user:
            raise UnfitValueError("a token has no password; log in with a name")
        # Whoever finds an open session must not try passwords faster than at the login.
        address = f"session {caller.id}"
        self._throttle.begin(caller.user, address)
        try:
            self.users.check_password(caller.user, old)
        except WrongPasswordError:
            self._note_refused(caller.user, f"in {address}, to change the password")
            raise
        self._throttle.succeeded(caller.user, address)
        wanted = UserChange(password=new)
        hashed = self.users.hash(new, caller.user)
        with self._changing() as connection:
            self.users.change(connection, caller.user, wanted, hashed, session=caller.id)
            self._trail.note(caller, caller.user, wanted.summary, "user.changed")

    def put_group(self, by: Caller, name: str, members: Members) -> None:
        """Makes or changes a group. Raises what `CameraGroups.put` does, and `AuditError`."""
        with self._changing() as connection:
            self.groups.put(connection, name, members)
            self._trail.note(by, name, f"{len(members)} members", "group.changed")

    def remove_group(self, by: Caller, name: str) -> None:
        """Removes a group. Raises what `CameraGroups.remove` does, and `AuditError`."""
        with self._changing() as connection:
            self.groups.remove(connection, name)
            self._trail.note(by, name, "", "group.removed")

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        try:
            with self._database.write() as connection:
                yield connection
        finally:
            self.sessions.forget()


def _known_name(text: str) -> str:
    """The name that was typed, as users have it; what is no name is of nobody."""
    try:
        return user_name(text)
    except UnfitValueError:
        return ""
