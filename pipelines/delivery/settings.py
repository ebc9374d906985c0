"""What all settings of sinks and keyframe stores have in common.

They are checked where they are read, travel to any process as plain values, and open what they
describe. A validator that refuses a value says `WHAT; REMEDY` and never repeats a secret.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

Seconds = Annotated[float, Field(gt=0, le=3600)]


class DeliverySettings(BaseModel):
    """Base of all settings. Its `repr` shows no secret."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True
    )


def base_folder(info: ValidationInfo) -> Path:
    """The folder that relative paths start from: the validation context's `base`."""
    folder = (info.context or {}).get("base")
    return folder if isinstance(folder, Path) else Path.cwd()


def expand_home(path: Path) -> Path:
    """A path with the home folder for `~`; as it is where `~NAME` is no user of this machine."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def absolute_path(path: Path, info: ValidationInfo) -> Path:
    """A path relative to the base folder, made absolute."""
    return (base_folder(info) / expand_home(path)).absolute()


FilePath = Annotated[Path, AfterValidator(absolute_path)]


def _authorities(path: Path | None) -> Path | None:
    """A file with at least one certificate."""
    if path is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(path)
        except ssl.SSLError:
            raise ValueError(f"{path.name} holds no certificate; {_PEM}") from None
        except OSError as error:
            raise ValueError(_unreadable(path, error)) from None
    return path


def _unreadable(path: Path, error: OSError) -> str:
    reason = (error.strerror or "it cannot be opened").lower()
    return f"{path.name} cannot be read: {reason}; correct the path, it starts from this file"


_PEM = "name a PEM file, which begins with -----BEGIN CERTIFICATE-----"

CaCerts = Annotated[
    FilePath | None,
    AfterValidator(_authorities),
    Field(
        description="a file of certificate authorities, instead of the system's",
        examples=["city-ca.pem"],
    ),
]
ConnectTimeout = Annotated[
    Seconds, Field(description="seconds that connecting may take", examples=[5])
]
ReadTimeout = Annotated[
    Seconds, Field(description="seconds without a byte of the answer", examples=[15])
]


class TlsSettings(DeliverySettings):
    """How both sides of a connection with TLS prove who they are."""

    ca_certs: CaCerts = None
    certificate: Annotated[
        FilePath | None,
        Field(
            description="a PEM file with this city's own certificate, where the other side asks",
            examples=["city.pem"],
        ),
    ] = None
    key: Annotated[
        FilePath | None,
        Field(
            description="a PEM file with the private key of `certificate`, without a password",
            examples=["city.key"],
        ),
    ] = None

    @field_validator("key")
    @classmethod
    def _fits_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if "certificate" not in info.data:  # It has a mistake of its own.
            return key
        certificate: Path | None = info.data["certificate"]
        if certificate is None:
            if key is not None:
                raise ValueError("a key without a certificate; add `certificate:`")
            return None
        for path in filter(None, (certificate, key)):
            try:
                path.open("rb").close()
            except OSError as error:
                raise ValueError(_unreadable(path, error)) from None
        try:
            # A key with a password would be asked for at the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                certificate, key, password=lambda: ""
            )
        except (ssl.SSLError, ValueError):
            named = key or certificate
            raise ValueError(
                f"{named.name} is not the private key of {certificate.name}, or has a password;"
                " name the PEM file that was made with the certificate"
            ) from None
        return key
