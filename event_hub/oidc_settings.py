"""How people log in at the city's own identity provider, by OpenID Connect."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from pipelines.access import is_loopback

EVERY_CAMERA: Final = "*"
"""Stands for no limit where a claim is mapped to camera groups."""


def _protected(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return url.rstrip("/")
    raise ValueError("give an https:// address; http:// is for this machine alone")


ProtectedUrl = Annotated[str, Field(max_length=500), AfterValidator(_protected)]


class OidcSettings(BaseModel):
    """One identity provider, and what its claims mean here.

    Attributes:
        issuer: Its address; below it lies `.well-known/openid-configuration`.
        client_id: What it knows the hub as; `/login/oidc/callback` of the hub must be registered.
        secret: Of the client; without one PKCE alone protects the code.
        label: What the button of the login page calls it.
        name_claim: The claim with the name of the user here.
        role_claim: The claim whose values give a role.
        roles: Role by value of that claim; the highest counts, and without one nobody is let in.
        group_claim: The claim whose values give camera groups.
        groups: Camera group by value of that claim, `*` for every camera. Where it is given,
            nobody is let in without one; where it is not, everybody sees every camera.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: ProtectedUrl
    client_id: str = Field(min_length=1, max_length=200)
    secret: SecretStr | None = None
    label: str = Field(default="OpenID Connect", min_length=1, max_length=60)
    name_claim: str = "preferred_username"
    role_claim: str = "roles"
    roles: dict[str, Literal["viewer", "operator", "engineer", "admin"]] = Field(min_length=1)
    group_claim: str = "groups"
    groups: dict[str, str] = {}
    scopes: tuple[str, ...] = ("openid", "profile")
