"""What a subscription wants: its format and its filter, checked where it is made."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from event_hub.time_zone import TimeZoneName
from pipelines.access import WebhookSecret
from pipelines.event import CaseEvent, MeasurementEvent, OutgoingEvent
from pipelines.event_incident import LEVELS, Severities

FormatName = Literal["cloudevents", "wecom", "dingtalk", "feishu"]
"""CloudEvents in structured mode, or messages to a group robot."""

ROBOT_TYPES: Final = ("cityeye.incident.started", "cityeye.case.")
"""What people in a group get where nobody says which types."""

SECRET_CHARS: Final = 200
URL_CHARS: Final = 2000
_WEBHOOK_SECRET: Final[TypeAdapter[SecretStr]] = TypeAdapter(WebhookSecret)


def _is_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable()
    except ValueError:
        is_usable = False
    if not is_usable or parts.scheme not in {"http", "https"} or " " in url:
        raise ValueError("the address is not an HTTP one: write https://HOST/PATH")
    if "@" in parts.netloc:
        raise ValueError("the address holds a login, which is sent to nobody")
    return url


_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
_Names = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=120)], ...], Field(max_length=200)
]
ReceiverUrl = Annotated[
    SecretStr, AfterValidator(lambda url: SecretStr(_is_address(url.get_secret_value())))
]
"""The addresses of robots hold a key, so that nothing shows one as a whole."""


class WantedEvents(BaseModel):
    """What is sent on, and how.

    Attributes:
        types: Event types, or beginnings of them that end in a dot. Without any, everything but
            measurements; of robots, new incidents and what becomes of cases.
        kinds: Of incidents, or beginnings that end in a dot; any without.
        cameras: Camera ids; any without.
        city: Only of this city.
        severity: Only of incidents that are at least so severe.
        language: Of messages to robots.
        time_zone: Of the times in them, by its IANA name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Name
    format: FormatName = "cloudevents"
    types: _Names = ()
    kinds: _Names = ()
    cameras: _Names = ()
    city: Annotated[str, StringConstraints(max_length=120)] | None = None
    severity: Severities = "low"
    language: Literal["zh", "en"] = "zh"
    time_zone: TimeZoneName = "Asia/Shanghai"

    def takes(self, type: str, event: OutgoingEvent, city: str) -> bool:
        """Whether it wants an event of a type from a city."""
        types = self.types or (() if self.format == "cloudevents" else ROBOT_TYPES)
        if types and not any(_fits(type, one) for one in types):
            return False
        if not types and isinstance(event, MeasurementEvent):
            return False
        if self.city is not None and city != self.city:
            return False
        if self.cameras and event.partitionkey not in self.cameras:
            return False
        return self._takes_incidents(event)

    def _takes_incidents(self, event: OutgoingEvent) -> bool:
        """Whether one of the incidents of an event is wanted; what is of none is."""
        found = incidents_of_event(event)
        if not found:
            return not self.kinds
        return any(
            LEVELS[severity] >= LEVELS[self.severity]
            and (not self.kinds or any(_fits(kind, one) for one in self.kinds))
            for kind, severity in found
        )


class SubscriptionOrder(WantedEvents):
    """A new subscription. For CloudEvents the hub makes a `secret` where none is given."""

    url: ReceiverUrl
    secret: Annotated[SecretStr, Field(max_length=SECRET_CHARS)] | None = None

    @model_validator(mode="after")
    def _fits_its_format(self) -> SubscriptionOrder:
        if len(self.url.get_secret_value()) > URL_CHARS:
            raise ValueError("the address is too long")
        if self.secret is None:
            return self
        if self.format == "wecom":
            raise ValueError("robots of WeCom know no secret: it is the key in their address")
        if self.format == "cloudevents":
            try:
                _WEBHOOK_SECRET.validate_python(self.secret)
            except ValidationError as error:
                raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return self


def incidents_of_event(event: OutgoingEvent) -> list[tuple[str, Severities]]:
    """Kind and severity of every incident that an event is about."""
    if event.incident is not None:
        return [(event.incident.kind, event.incident.severity)]
    if isinstance(event, CaseEvent):
        return [(one.kind, one.severity) for one in event.data.incidents]
    return []


def _fits(name: str, wanted: str) -> bool:
    return name == wanted or (wanted.endswith(".") and name.startswith(wanted))
