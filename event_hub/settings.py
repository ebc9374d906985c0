"""What the hub can be told. Every value is checked here, so that the rest can rely on it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from event_hub.signature import decode_secret


class HubSettings(BaseModel):
    """How one hub runs.

    Attributes:
        database: SQLAlchemy URL. A SQLite file belongs to one hub at a time.
        host: Address to listen on; loopback unless somebody decides otherwise.
        port: 0 takes a free one.
        webhook_secrets: Standard-Webhooks secrets (`whsec_` + base64). Deliveries must carry a
            signature by one of them; two during a rotation; none means unsigned is accepted.
        console: Whether `/` shows the operators' page. It can run once per process.
        silence_notice_s: After so long without a word from any camera the page says so. Cameras
            report changes only, so a value makes sense where they also report regularly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: str = "sqlite:///event_hub.db"
    host: str = "127.0.0.1"
    port: int = Field(default=8600, ge=0, le=65535)
    webhook_secrets: tuple[SecretStr, ...] = ()
    console: bool = True
    silence_notice_s: float | None = Field(default=None, gt=0)

    @field_validator("webhook_secrets")
    @classmethod
    def _secrets_decode(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            decode_secret(secret.get_secret_value())
        return secrets
