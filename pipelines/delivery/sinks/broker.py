"""What sinks over a message broker have in common: a login, and a client library of their own."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from pipelines.delivery.sinks.sink import SinkSettings

MEDIA_TYPE: Final = b"application/cloudevents+json; charset=utf-8"


class BrokerSettings(SinkSettings):
    """Base of the settings of a broker. Its `repr` shows no password."""

    username: str | None = Field(
        default=None, description="the name of the login, where the broker wants one",
        examples=["cityeye"],
    )  # fmt: skip
    password: SecretStr | None = Field(
        default=None, description="the password of the login", examples=["${BROKER_PASSWORD}"]
    )

    @field_validator("password")
    @classmethod
    def _has_name(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if password is not None and info.data.get("username") is None:
            raise ValueError("a password without a name; add `username:`")
        return password


def require_client(module: str, extra: str) -> None:
    """Checks that the client library of a broker is there.

    Raises:
        ValueError: It is not; the text says how to install it.
    """
    if find_spec(module) is None:
        raise ValueError(
            f"the client for {extra} is not installed; install it: pip install 'cityeye[{extra}]'"
        )


def host_and_port(address: str, default: int) -> tuple[str, int] | None:
    """Host and port of `HOST` or `HOST:PORT`; None where it is neither, or holds a login."""
    try:
        parts = urlsplit(f"//{address}")
        port = parts.port or default
    except ValueError:
        return None
    if not parts.hostname or parts.path or parts.query or "@" in address or parts.port == 0:
        return None
    return parts.hostname, port
