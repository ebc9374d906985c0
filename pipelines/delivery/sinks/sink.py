"""`Sink`: what the relay needs from a place where events go, what it hands over, and settings."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import Field

from pipelines.delivery.settings import DeliverySettings


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as it goes to a sink, the same at every attempt.

    Attributes:
        sequence: Its place in the outbox. Grows within a partition, and with it the order.
        after: Where the sink's cursor stood when it was taken.
        event: Event id, for deduplication.
        partition: Partition key: the camera id, or the worker's name of a heartbeat.
        body: CloudEvents structured JSON.
        refusals: How often the sink has refused it.
    """

    sequence: int
    after: int
    event: str
    partition: str
    body: bytes
    refusals: int = 0

    @property
    def attributes(self) -> dict[str, Any]:
        """The CloudEvents attributes without `data`: `type`, `source`, `time` and others."""
        return {name: value for name, value in json.loads(self.body).items() if name != "data"}

    @property
    def key(self) -> str:
        """The source, which names city and camera: events with the same key must stay in order."""
        return str(self.attributes["source"])


class Sink(Protocol):
    """Takes events, at least once each; called from one thread of its own.

    Heartbeats go to a second object of the same settings.
    """

    @property
    def name(self) -> str:
        """Unique and stable: delivery progress is kept under it."""
        ...

    def deliver(self, delivery: Delivery) -> None:
        """Hands over one event and returns once the other side has acknowledged it.

        Raises:
            SinkUnavailable: Try again later.
            SinkRefused: This event is not accepted, however often it is sent.
            SinkGone: Nothing must be sent any more.
        """
        ...


class SinkSettings(DeliverySettings):
    """Base of the settings of every kind of sink.

    Attributes:
        schemes: URL schemes that mean this kind.
        url: Where events go, without a login.
        name: Delivery progress is kept under it; host, port and path of the URL when empty.
    """

    schemes: ClassVar[tuple[str, ...]]

    url: str = Field(description="where events are sent", examples=["https://city.example/events"])
    name: str = Field(
        default="", description="a name under which progress is kept", examples=["city-hub"]
    )

    @abstractmethod
    def open(self) -> Sink:
        """The sink; connects to nothing yet."""
