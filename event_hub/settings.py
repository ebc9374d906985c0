"""The settings of a hub. Every value is checked here, so that the rest can rely on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from event_hub.case_settings import CaseSettings
from event_hub.city_control import ControlSettings
from event_hub.map_tiles import MapTiles
from event_hub.oidc_settings import OidcSettings
from event_hub.subscription_settings import SubscriptionSettings
from pipelines.access import WebhookSecret, is_loopback
from pipelines.event import HEARTBEAT_EVERY_S
from pipelines.tracing import TraceSettings

SILENCE_LIMIT_S: Final = 12.0
"""Two heartbeats may be lost, and silence is still shown within 15 s."""

LEAST_SILENCE_S: Final = 2 * HEARTBEAT_EVERY_S
"""Below it, one heartbeat that is late would be taken for silence."""

MOST_SILENCE_S: Final = 3600.0

SilenceLimit = Annotated[float, Field(ge=LEAST_SILENCE_S, le=MOST_SILENCE_S)]
"""Seconds without a heartbeat after which a camera is called `silent`."""


GIGABYTE: Final = 1e9

DEDUPLICATED_DAYS: Final = 3.0
"""For so long an event is known again when it comes a second time, whatever the limits are: the
outbox of a worker that was cut off may hold it for that long."""


class HubRetention(BaseModel):
    """How long the hub keeps events, and how many; None is without end.

    Attributes:
        days: So long after its arrival an event is deleted, and an incident that has ended with its
            last one.
        gigabytes: Of 10^9 bytes, the sum of the bodies of all events; the oldest ones go before
            their time where there are more. The database takes about twice as much.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: float | None = Field(default=90.0, ge=DEDUPLICATED_DAYS)
    gigabytes: float | None = Field(default=10.0, gt=0)

    @property
    def max_bytes(self) -> float:
        """Infinity without a limit."""
        return float("inf") if self.gigabytes is None else self.gigabytes * GIGABYTE


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
        cases: Time limits of cases.
        subscriptions: Where receivers may be.
        address: Address at which people reach it, for links in messages; no links without it.
        oidc: Where people log in beside the hub's own login page.
        control: The control API of the city that the hub belongs to, for live frames.
        map_tiles: What lies behind the plan of the cameras; nothing without it.
        traces: Where spans of events of traced frames go; none are written without it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: SecretStr = SecretStr("sqlite:///event_hub.db")
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    access: Path
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    without_tls: bool = False
    webhook_secrets: tuple[WebhookSecret, ...] = ()
    console: bool = True
    silence_limit_s: SilenceLimit = SILENCE_LIMIT_S
    retention: HubRetention = HubRetention()
    cases: CaseSettings = CaseSettings()
    subscriptions: SubscriptionSettings = SubscriptionSettings()
    address: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$")] = ""
    control: ControlSettings | None = None
    oidc: OidcSettings | None = None
    map_tiles: MapTiles | None = None
    traces: TraceSettings | None = None

    @property
    def evidence(self) -> Path:
        """The folder of the keyframes of held incidents, beside the one of the tokens."""
        return self.access.parent / "evidence"

    @property
    def audit(self) -> Path:
        """The folder of the audit trail, beside the one of the tokens."""
        return self.access.parent / "audit"

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
