"""What the API answers about subscriptions; never an address as a whole, and a secret only once."""

from __future__ import annotations

from datetime import datetime

from event_hub.answers import HubAnswer
from event_hub.subscriptions.wanted import WantedEvents


class SubscriptionRecord(HubAnswer):
    """A subscription, and how it is.

    `host` is where it goes, without the path, in which robots have their key. `waiting` counts what
    was not delivered yet, `dead` what was given up. `failing_since` is when the receiver was last
    well, as far as it is not now, and `reason` says why. `secret` is there in the answer that
    makes one, and never again.
    """

    subscription_id: str
    created_at: datetime
    is_active: bool
    host: str
    wanted: WantedEvents
    waiting: int
    dead: int
    accepted_at: datetime | None
    failing_since: datetime | None
    next_attempt_at: datetime | None
    reason: str
    secret: str | None = None


class SubscriptionList(HubAnswer):
    """All subscriptions, the oldest first."""

    subscriptions: list[SubscriptionRecord]


class DeadEvent(HubAnswer):
    """An event that a receiver refused while it took others; `reason` of the last time."""

    position: int
    event_id: str | None
    type: str | None
    attempts: int
    reason: str


class DeadEventList(HubAnswer):
    """The oldest dead events of a subscription."""

    dead: list[DeadEvent]


class ReceiverTest(HubAnswer):
    """Whether a receiver took the event of a test, and else why not."""

    accepted: bool
    reason: str


class ReplayResult(HubAnswer):
    """How many dead events wait again; null where everything from a time on does."""

    revived: int | None
