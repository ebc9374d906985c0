"""The routes about people: who I am, users and camera groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from event_hub.answers import HubAnswer, described
from event_hub.people.accounts import Accounts
from event_hub.people.errors import (
    LoginBusyError,
    LoginWaitError,
    NameInUseError,
    PeopleError,
    UnfitValueError,
    UnknownPersonError,
    WrongPasswordError,
)
from event_hub.people.groups import GroupMember, Members
from event_hub.people.noting import refusing_unnoted
from event_hub.people.users import User, UserChange, UserRole
from pipelines.access import Scope, caller_of

STATUSES: Final[dict[type[PeopleError], int]] = {
    UnknownPersonError: 404,
    NameInUseError: 409,
    UnfitValueError: 422,
    WrongPasswordError: 403,
    LoginWaitError: 429,
    LoginBusyError: 503,
}
NO_CONTENT: Final = 204

GroupNames = Annotated[tuple[str, ...], Field(max_length=50)]


class PersonRequest(BaseModel):
    """A body about people; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NewUser(PersonRequest):
    """A user to add; `groups` limits what is seen and done to their cameras, none to nothing."""

    name: str
    password: SecretStr
    role: UserRole
    groups: GroupNames = ()


class ChangedUser(PersonRequest):
    """What is to be different about a user. With `disabled` or a `password` all sessions end."""

    role: UserRole | None = None
    groups: GroupNames | None = None
    disabled: bool | None = None
    password: SecretStr | None = None


class NewPassword(PersonRequest):
    """Another password for who is logged in; all other sessions end."""

    old: SecretStr
    new: SecretStr


class GroupMembers(PersonRequest):
    """The cameras of a group: those that fit one of the members."""

    members: Members


class UserRecord(HubAnswer):
    """A user; `groups` is empty for one who has every camera.

    One who is `outside` logs in at the identity provider, which says role and groups each time.
    """

    name: str
    role: UserRole
    groups: list[str]
    created_at: datetime
    disabled_at: datetime | None
    outside: bool

    @classmethod
    def of(cls, user: User) -> UserRecord:
        """The record of a user."""
        return cls(
            name=user.name,
            role=user.role,
            groups=list(user.groups),
            created_at=user.created_at,
            disabled_at=user.disabled_at,
            outside=user.outside,
        )


class UserList(HubAnswer):
    """Every user, by name."""

    users: list[UserRecord]


class GroupRecord(HubAnswer):
    """A camera group."""

    name: str
    members: list[GroupMember]


class GroupList(HubAnswer):
    """Every camera group, by name."""

    groups: list[GroupRecord]


class Me(HubAnswer):
    """Who the caller is. `user` is false for a token; a session ends at `session_ends_at`."""

    name: str
    user: bool
    role: Scope
    groups: list[str]
    session_ends_at: datetime | None


@contextmanager
def refusing() -> Iterator[None]:
    """What is refused about people becomes an answer."""
    try:
        with refusing_unnoted():
            yield
    except PeopleError as error:
        headers = None
        if isinstance(error, LoginWaitError):
            headers = {"Retry-After": str(error.seconds)}
        raise HTTPException(STATUSES[type(error)], str(error), headers) from None


def people_router(accounts: Accounts) -> APIRouter:
    """Every route about people."""
    router = APIRouter()
    _add_me(router, accounts)
    _add_users(router, accounts)
    _add_groups(router, accounts)
    return router


def _add_me(router: APIRouter, accounts: Accounts) -> None:
    @router.get("/api/me", **described("people", "Who I am, and what I may see", 503))
    def get_me(request: Request) -> Me:
        """Of the token or session that the request brings."""
        caller = caller_of(request.scope)
        return Me(
            name=caller.name,
            user=bool(caller.user),
            role=caller.scope,
            groups=list(caller.groups),
            session_ends_at=accounts.sessions.ends_at(caller) if caller.user else None,
        )

    @router.post(
        "/api/me/password",
        status_code=NO_CONTENT,
        **described("people", "Choose another password", 403, 422, 429, 503),
    )
    def change_password(wanted: NewPassword, request: Request) -> Response:
        """For users who have one. All their sessions end but the one of this request."""
        old, new = wanted.old.get_secret_value(), wanted.new.get_secret_value()
        with refusing():
            accounts.change_password(caller_of(request.scope), old, new)
        return Response(status_code=NO_CONTENT)


def _add_users(router: APIRouter, accounts: Accounts) -> None:
    how: dict[str, Any] = described("people", "List the users", 503)

    @router.get("/api/users", **how)
    def list_users() -> UserList:
        """By name."""
        return UserList(users=[UserRecord.of(one) for one in accounts.users.all()])

    @router.post("/api/users", **described("people", "Add a user", 409, 422, 503))
    def add_user(wanted: NewUser, request: Request) -> UserRecord:
        """The name is kept in small letters; it may be typed in any."""
        with refusing():
            password = wanted.password.get_secret_value()
            by = caller_of(request.scope)
            return UserRecord.of(
                accounts.add_user(by, wanted.name, wanted.role, wanted.groups, password)
            )

    @router.patch("/api/users/{user}", **described("people", "Change a user", 404, 422, 503))
    def change_user(user: str, wanted: ChangedUser, request: Request) -> UserRecord:
        """What is not given stays. It counts at once, also for sessions that are open."""
        password = None if wanted.password is None else wanted.password.get_secret_value()
        change = UserChange(wanted.role, wanted.groups, wanted.disabled, password)
        with refusing():
            return UserRecord.of(accounts.change_user(caller_of(request.scope), user, change))

    @router.delete(
        "/api/users/{user}",
        status_code=NO_CONTENT,
        **described("people", "Remove a user", 404, 503),
    )
    def remove_user(user: str, request: Request) -> Response:
        """All sessions end. What the user did stays in the audit trail."""
        with refusing():
            accounts.remove_user(caller_of(request.scope), user)
        return Response(status_code=NO_CONTENT)


def _add_groups(router: APIRouter, accounts: Accounts) -> None:
    @router.get("/api/groups", **described("people", "List the camera groups", 503))
    def list_groups() -> GroupList:
        """By name."""
        known = accounts.groups.all().items()
        return GroupList(groups=[GroupRecord(name=name, members=list(of)) for name, of in known])

    @router.put(
        "/api/groups/{group}", **described("people", "Make or change a camera group", 422, 503)
    )
    def put_group(group: str, wanted: GroupMembers, request: Request) -> GroupRecord:
        """It counts at once for every user and token that is limited to it."""
        with refusing():
            accounts.put_group(caller_of(request.scope), group, wanted.members)
        return GroupRecord(name=group, members=list(wanted.members))

    @router.delete(
        "/api/groups/{group}",
        status_code=NO_CONTENT,
        **described("people", "Remove a camera group", 404, 409, 503),
    )
    def remove_group(group: str, request: Request) -> Response:
        """Not while a user is limited to it. Tokens that are see nothing any more."""
        with refusing():
            accounts.remove_group(caller_of(request.scope), group)
        return Response(status_code=NO_CONTENT)
