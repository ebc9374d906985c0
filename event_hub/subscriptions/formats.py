"""How an event is written for a receiver, and what its answers mean: one class for each format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook

from event_hub.envelope import Received
from event_hub.subscriptions.digest import digest_of
from event_hub.subscriptions.message import MessageReader
from event_hub.subscriptions.outcome import (
    DeliveryOutcome,
    OutgoingRequest,
    ReceivedAnswer,
    outcome_of_status,
)
from event_hub.subscriptions.robots import DINGTALK, FEISHU, WECOM, Robot
from event_hub.subscriptions.wanted import FormatName

MEDIA_TYPE: Final = "application/cloudevents+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where something goes, and for whom it is written."""

    url: str
    secret: str
    reader: MessageReader

    @property
    def target(self) -> str:
        """Path and query of the URL."""
        parts = urlsplit(self.url)
        return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


class SubscriptionFormat(Protocol):
    """One way to write events."""

    per_minute: float
    """How many requests a receiver takes in a minute; events that are more come together."""

    at_once: int
    """How many events are taken up at a time."""

    def request(
        self, received: Sequence[Received], to: Addressee, now: datetime
    ) -> OutgoingRequest:
        """What is posted for some events; for one, where `per_minute` has no bound."""
        ...

    def outcome(self, answer: ReceivedAnswer) -> DeliveryOutcome:
        """What the answer says."""
        ...


class CloudEventsFormat:
    """The event as it was received, structured mode, signed as Standard Webhooks 1.0 says."""

    per_minute = float("inf")
    at_once = 50

    def request(
        self, received: Sequence[Received], to: Addressee, now: datetime
    ) -> OutgoingRequest:
        """See `SubscriptionFormat`."""
        (only,) = received
        whole = datetime.fromtimestamp(int(now.timestamp()), UTC)
        event = only.event.id
        headers = {
            "Content-Type": MEDIA_TYPE,
            "webhook-id": event,
            "webhook-timestamp": str(int(whole.timestamp())),
            "webhook-signature": Webhook(to.secret).sign(event, whole, only.body.decode()),
        }
        return OutgoingRequest(to.target, headers, only.body)

    def outcome(self, answer: ReceivedAnswer) -> DeliveryOutcome:
        """See `SubscriptionFormat`."""
        return outcome_of_status(answer)


class RobotFormat:
    """A message to a robot in a group; it says in its answer whether it took it."""

    at_once = 500

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self.per_minute = robot.per_minute

    def request(
        self, received: Sequence[Received], to: Addressee, now: datetime
    ) -> OutgoingRequest:
        """See `SubscriptionFormat`."""
        message = digest_of(received, to.reader)
        return self._robot.request(message, to.target, to.secret, now)

    def outcome(self, answer: ReceivedAnswer) -> DeliveryOutcome:
        """See `SubscriptionFormat`."""
        by_status = outcome_of_status(answer)
        return self._robot.outcome(answer) if by_status.what == "accepted" else by_status


FORMATS: Final[Mapping[FormatName, Callable[[], SubscriptionFormat]]] = {
    "cloudevents": CloudEventsFormat,
    "wecom": lambda: RobotFormat(WECOM),
    "dingtalk": lambda: RobotFormat(DINGTALK),
    "feishu": lambda: RobotFormat(FEISHU),
}
"""Every format by its name: the registry of this seam."""
