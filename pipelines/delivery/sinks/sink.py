"""`Sink`: what the relay needs from a place where events go, what it hands over, and settings."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from pydantic import Field

from pipelines.delivery.settings import Seconds, TlsSettings


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
            SinkRefused: The answer is no, to this event or to all of them.
        """
        ...


class SinkSettings(TlsSettings):
    """Base of the settings of every kind of sink.

    Attributes:
        schemes: URL schemes that mean this kind.
        url: Where events go, without a login.
        name: Delivery progress is kept under it; host, port and path of the URL when empty.
        deadline_s: Seconds after which a delivery has failed, however slowly it goes on.
    """

    schemes: ClassVar[tuple[str, ...]]

    url: str = Field(description="where events are sent", examples=["https://city.example/events"])
    name: str = Field(
        default="", description="a name under which progress is kept", examples=["city-hub"]
    )

    deadline_s: Seconds = Field(
        default=30.0,
        description="seconds that one delivery may take as a whole",
        examples=[30],
    )

    @property
    def progress_name(self) -> str:
        """The name under which progress is kept."""
        return self.name or self.url.partition("://")[2].partition("?")[0]

    def within(self, seconds: float) -> Self:
        """The same, with deliveries that are over after so many seconds."""
        return self.model_copy(update={"deadline_s": min(seconds, self.deadline_s)})

    @abstractmethod
    def open(self) -> Sink:
        """The sink; connects to nothing yet."""
