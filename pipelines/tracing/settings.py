"""The settings of traces, and whether the library that sends them is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"
TRACES_PATH: Final = "/v1/traces"


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(sign.isspace() for sign in url):
        raise ValueError("the address is not an HTTP one; write http://HOST:4318")
    if "@" in parts.netloc:
        raise ValueError("the address holds a login; take one without")
    return url


class TraceSettings(BaseModel):
    """Which frames are traced, and where their spans go.

    Attributes:
        endpoint: An OTLP receiver over HTTP; `/v1/traces` is added where it has no path.
        share: Share of analysed frames that are traced, above 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        description="an OTLP receiver over HTTP", examples=["http://127.0.0.1:4318"]
    )
    share: float = Field(
        default=0.001,
        gt=0,
        le=1,
        description="share of analysed frames that are traced, above 0 to 1",
        examples=[0.001],
    )

    @property
    def url(self) -> str:
        """Where spans are posted."""
        path = urlsplit(self.endpoint).path
        return self.endpoint if path.strip("/") else self.endpoint.rstrip("/") + TRACES_PATH


def missing_exporter() -> str:
    """The extra that has to be installed for traces, empty where it is."""
    try:
        return "" if find_spec(EXPORTER) else "otel"
    except ModuleNotFoundError:
        return "otel"
