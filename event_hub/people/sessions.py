"""`UserSessions`: open sessions of users, kept in the database and known by a random secret.

A session ends when nothing was done in it for a while, after some hours whatever happens, at
logout, and as soon as its user is disabled, removed or gets another password. An open page of the
console counts as doing something, so that a wall of incidents does not go dark.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, or_, select, update

from event_hub.database import Database
from event_hub.errors import StoreUnavailableError
from event_hub.people.groups import load_names
from event_hub.tables import USER_SESSIONS, USERS, from_us, to_us
from pipelines.access import Caller, Scope, SessionsUnavailableError

PREFIX: Final = "cys_"
MAX_CHARS: Final = 128
ID_CHARS: Final = 12
IDLE: Final = timedelta(hours=1)
LASTS: Final = timedelta(hours=12)
KNOWN_S: Final = 1.0
"""For so long another hub on the same database may go on with a session that was ended here."""
NOTE_USE_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Known:
    """A session that was looked up at a time of the monotonic clock."""

    caller: Caller
    at_s: float


class UserSessions:
    """Safe to use from several threads."""

    def __init__(
        self, database: Database, utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._utc_now = utc_now
        self._known: dict[str, _Known] = {}
        self._changes = 0

    def open(self, user: str) -> str:
        """Begins a session; gives the text for the cookie, which is kept nowhere.

        Raises:
            StoreUnavailableError: The database does not take it.
        """
        text = PREFIX + secrets.token_urlsafe(32)
        now_us = to_us(self._utc_now())
        row = {"digest": _digest(text), "user": user, "opened_us": now_us, "used_us": now_us}
        with self._database.write() as connection:
            ended = or_(
                USER_SESSIONS.c.opened_us <= now_us - _us(LASTS),
                USER_SESSIONS.c.used_us <= now_us - _us(IDLE),
            )
            connection.execute(delete(USER_SESSIONS).where(ended))
            connection.execute(insert(USER_SESSIONS).values(row))
        return text

    async def check(self, presented: str) -> Caller | None:
        """Whose session it is; None for every other text. For `AccessPolicy.sessions`.

        Raises:
            SessionsUnavailableError: The database cannot be read.
        """
        known = self._known.get(presented)
        if known is not None and time.monotonic() - known.at_s < KNOWN_S:
            return known.caller
        return await asyncio.to_thread(self.caller, presented)

    def caller(self, presented: str) -> Caller | None:
        """As `check`, in this thread.

        Raises:
            SessionsUnavailableError: The database cannot be read.
        """
        if not presented.startswith(PREFIX) or len(presented) > MAX_CHARS:
            return None
        asked_s, changes = time.monotonic(), self._changes
        try:
            caller = self._found(_digest(presented))
        except StoreUnavailableError as error:
            raise SessionsUnavailableError(str(error)) from None
        now_s = time.monotonic()
        self._known = {k: v for k, v in self._known.items() if now_s - v.at_s < KNOWN_S}
        if caller is not None and changes == self._changes:
            self._known[presented] = _Known(caller, asked_s)
        return caller

    def ends_at(self, caller: Caller) -> datetime | None:
        """When the session of a caller ends at the latest; None where it is none.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        own = (USER_SESSIONS.c.user == caller.user) & USER_SESSIONS.c.digest.startswith(caller.id)
        with self._database.read() as connection:
            opened_us = connection.scalar(select(USER_SESSIONS.c.opened_us).where(own))
        return None if opened_us is None else from_us(opened_us) + LASTS

    def close(self, presented: str) -> None:
        """Ends a session; one that is not there is no error.

        Raises:
            StoreUnavailableError: The database does not take it.
        """
        same = USER_SESSIONS.c.digest == _digest(presented)
        with self._database.write() as connection:
            connection.execute(delete(USER_SESSIONS).where(same))
        self.forget()

    def end_all(self, connection: Connection, user: str, but: str = "") -> None:
        """Ends every session of a user, but that of the `Caller.id` if one is given.

        `forget` is to be called once the transaction is over.
        """
        ended = USER_SESSIONS.c.user == user
        if but:
            ended &= ~USER_SESSIONS.c.digest.startswith(but, autoescape=True)
        connection.execute(delete(USER_SESSIONS).where(ended))

    def forget(self) -> None:
        """What was looked up counts no more: something about users has changed."""
        self._changes += 1
        self._known = {}

    def _found(self, digest: str) -> Caller | None:
        now_us = to_us(self._utc_now())
        query = (
            select(USER_SESSIONS, USERS.c.role, USERS.c.groups)
            .join(USERS, USERS.c.name == USER_SESSIONS.c.user)
            .where(
                USER_SESSIONS.c.digest == digest,
                USER_SESSIONS.c.opened_us > now_us - _us(LASTS),
                USER_SESSIONS.c.used_us > now_us - _us(IDLE),
                USERS.c.disabled_us.is_(None),
            )
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        if now_us - row.used_us >= _us(NOTE_USE_EVERY):
            self._note_use(digest, now_us)
        return Caller(
            id=digest[:ID_CHARS],
            name=row.user,
            scope=Scope(row.role),
            groups=load_names(row.groups),
            user=row.user,
        )

    def _note_use(self, digest: str, now_us: int) -> None:
        # A database that takes nothing now must not lock out who is logged in.
        with suppress(StoreUnavailableError), self._database.write() as connection:
            same = USER_SESSIONS.c.digest == digest
            connection.execute(update(USER_SESSIONS).where(same).values(used_us=now_us))


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode()).hexdigest()


def _us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
