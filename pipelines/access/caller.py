"""`Caller`: who sent a request that was let in, as routes and the audit trail know it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pipelines.access.scope import Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """Who it is and what it may do.

    Attributes:
        id: Id of the token, or of the session of a user.
        name: What people call the token, or the user's name.
        scope: What it is good for; the role of a user.
        parent: Id of the token that a session was opened with; empty where it was opened otherwise.
        groups: Names of the camera groups that it is limited to; empty where it has every camera.
        user: Name of the user whose session it is; empty for a token.
    """

    id: str
    name: str
    scope: Scope
    parent: str = ""
    groups: tuple[str, ...] = ()
    user: str = ""


class SessionsUnavailableError(Exception):
    """It cannot be found out now whose session it is; nobody is let in by one meanwhile."""


SessionCheck = Callable[[str], Awaitable[Caller | None]]
"""Whose session a text from the cookie is; None where it is of nobody.

Raises `SessionsUnavailableError`."""
