"""What an identity provider says of somebody, as a user of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from event_hub.oidc_settings import EVERY_CAMERA, OidcSettings
from event_hub.people.errors import UnfitValueError
from event_hub.people.names import user_name
from event_hub.people.users import UserRole
from pipelines.access import Scope


@dataclass(frozen=True, slots=True)
class OutsideUser:
    """Somebody who logged in elsewhere.

    Attributes:
        subject: Issuer and its id of the user; a name may change hands, this does not.
    """

    subject: str
    name: str
    role: UserRole
    groups: tuple[str, ...]


def outside_user(claims: Mapping[str, Any], settings: OidcSettings) -> OutsideUser:
    """The user that claims mean.

    Raises:
        UnfitValueError: They give no name, no role, or no camera group where one is needed.
    """
    name = claims.get(settings.name_claim)
    if not isinstance(name, str):
        raise UnfitValueError(f"the identity provider gives no name ({settings.name_claim})")
    roles = [
        settings.roles[one] for one in _values(claims, settings.role_claim) if one in settings.roles
    ]
    if not roles:
        raise UnfitValueError(
            f"{name} has no role here: none of the values of {settings.role_claim} gives one; ask"
            " an administrator"
        )
    order = list(Scope)
    role = max(roles, key=lambda one: order.index(Scope(one)))
    subject = f"{claims['iss']} {claims['sub']}"
    return OutsideUser(subject, user_name(name), role, _groups(name, claims, settings))


def _groups(name: str, claims: Mapping[str, Any], settings: OidcSettings) -> tuple[str, ...]:
    if not settings.groups:
        return ()
    given = _values(claims, settings.group_claim)
    groups = {settings.groups[one] for one in given if one in settings.groups}
    if not groups:
        raise UnfitValueError(
            f"{name} has no cameras here: none of the values of {settings.group_claim} gives a"
            " camera group; ask an administrator"
        )
    return () if EVERY_CAMERA in groups else tuple(sorted(groups))


def _values(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The values of a claim; a dot leads into an object, as in `realm_access.roles`."""
    found: Any = claims
    for step in [claim] if claim in claims else claim.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    if isinstance(found, str):
        return [found]
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
