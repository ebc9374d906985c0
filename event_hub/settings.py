"""The settings of a hub. Every value is checked here, so that the rest can rely on it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.access import WebhookSecret, is_loopback

SILENCE_LIMIT_S: Final = 12.0
"""Workers send a heartbeat every 4 s: two may be lost, and silence is still shown within 15 s."""


DEDUPLICATED_DAYS: Final = 3.0
"""For so long an event is known again when it comes a second time, whatever the limits are: the
outbox of a worker that was cut off may hold it for that long."""


class RetentionLimits(BaseModel):
    """How much the hub keeps.

    Attributes:
        keep_days: Days after its arrival an event is deleted, and an incident that has ended with
            its last one.
        max_bytes: Sum of the bodies of all events; the oldest ones go before their time where there
            are more. The database takes about twice as much.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_days: float = Field(default=90.0, ge=DEDUPLICATED_DAYS)
    max_bytes: int = Field(default=10_000_000_000, ge=1)


class HubSettings(BaseModel):
    """How one hub runs.

    Attributes:
        database: SQLAlchemy URL. A SQLite file belongs to one hub at a time.
        host: Address to listen on; loopback unless somebody decides otherwise.
        port: 0 takes a free one.
        access: Folder of the tokens; created with a first token where it is missing.
        hosts: Names that the hub is called by, beside loopback and `host`.
        certificate: PEM file with the certificate chain for TLS; `key` is its private key.
        without_tls: Listen beyond this machine without TLS, behind a reverse proxy that has it.
        webhook_secrets: Standard-Webhooks secrets (`whsec_` + base64). Deliveries must carry a
            signature by one of them; two during a rotation; none means unsigned is accepted.
        console: Whether `/` shows the operators' page. It can run once per process.
        silence_limit_s: A camera of which nothing was heard for so long is not being watched.
        retention: How much is kept, and for how long.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: str = "sqlite:///event_hub.db"
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    access: Path
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    without_tls: bool = False
    webhook_secrets: tuple[WebhookSecret, ...] = ()
    console: bool = True
    silence_limit_s: float = Field(default=SILENCE_LIMIT_S, gt=0)
    retention: RetentionLimits = RetentionLimits()

    @property
    def evidence(self) -> Path:
        """The folder of the keyframes of held incidents, beside the one of the tokens."""
        return self.access.parent / "evidence"

    @model_validator(mode="after")
    def _protected(self) -> HubSettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("TLS needs both the certificate and its key")
        if not (self.certificate or self.without_tls or is_loopback(self.host)):
            raise ValueError(
                f"{self.host} is reached from other machines: give a certificate and its key, or "
                "say that a reverse proxy with TLS stands in front"
            )
        return self
