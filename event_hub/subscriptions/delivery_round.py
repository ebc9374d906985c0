"""One round of deliveries to one subscription: what is due, until something is in the way.

What was accepted is noted in batches: after a crash some of it is delivered once more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from event_hub.envelope import Received
from event_hub.keyframe_links import MOST_MINUTES, KeyframeLinks
from event_hub.store import EventStore
from event_hub.subscription_settings import SubscriptionSettings
from event_hub.subscriptions.backlog import SECOND_US, DeliveryBacklog, DueDelivery, wait_us
from event_hub.subscriptions.formats import FORMATS, Addressee, SubscriptionFormat
from event_hub.subscriptions.kept import Subscription, change_subscription, subscription
from event_hub.subscriptions.message import MessageReader
from event_hub.subscriptions.outcome import DeliveryOutcome
from event_hub.subscriptions.pace import MessagePace
from event_hub.subscriptions.receiver import ReceiverDownError, post
from event_hub.subscriptions.receiver_address import ReceiverForbiddenError
from event_hub.subscriptions.sealing import Sealing, SealingError
from event_hub.tables import to_us

logger = logging.getLogger(__name__)

ROUND_S: Final = 15.0
LEASE_US: Final = 120 * SECOND_US
"""Longer than a round with its last delivery."""
LEFT_S: Final = 10.0
"""How long a hub without the key leaves a subscription to one that has it, before it says so."""


def now_us() -> int:
    """The time."""
    return to_us(datetime.now(UTC))


class Sender:
    """Sends events to the receivers of subscriptions."""

    def __init__(
        self,
        settings: SubscriptionSettings,
        sealing: Sealing,
        address: str = "",
        links: KeyframeLinks | None = None,
    ) -> None:
        """Prepares.

        Args:
            settings: Where it may send to.
            sealing: Decrypts addresses and secrets.
            address: That of the hub, for links in messages.
            links: Make those to its images.
        """
        self._settings = settings
        self._sealing = sealing
        self._address = address
        self._links = links

    def send(self, own: Subscription, received: Sequence[Received]) -> DeliveryOutcome:
        """One attempt: one event, or several where the format writes them as one message."""
        made = self.format_of(own)
        wanted, row = own.wanted, own.row
        zone = ZoneInfo(wanted.time_zone)
        image = self._image if self._links else None
        reader = MessageReader(wanted.language, zone, self._address, image)
        try:
            url, secret = self._sealing.open(row.url), self._sealing.open(row.secret)
            request = made.request(received, Addressee(url, secret, reader), datetime.now(UTC))
            return made.outcome(post(url, request, self._settings.networks))
        except (ReceiverDownError, ReceiverForbiddenError, SealingError) as error:
            return DeliveryOutcome("down", str(error))

    def _image(self, key: str, sha256: str) -> str:
        """For a day: nobody reads a group at once."""
        return self._links.path_to(key, sha256, MOST_MINUTES)[0] if self._links else ""

    def unreadable(self, own: Subscription) -> str:
        """Why this hub cannot send for a subscription at all; empty where it can."""
        try:
            for kept in (own.row.url, own.row.secret):
                self._sealing.open(kept)
        except SealingError as error:
            return str(error)
        return ""

    @staticmethod
    def format_of(own: Subscription) -> SubscriptionFormat:
        """How events are written for a subscription."""
        return FORMATS[own.wanted.format]()


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is due for a subscription, and whether there was more in the log."""

    own: Subscription
    due: Sequence[DueDelivery]
    is_more: bool


@dataclass(frozen=True, slots=True)
class _Left:
    """The event that was due first when a hub without the key left a subscription, and when."""

    position: int
    at_us: int


@dataclass(slots=True)
class _Result:
    """What one batch came to."""

    taken: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    down: DeliveryOutcome | None = None
    pause_s: float = 0.0


class DeliveryRound:
    """Rounds of one hub; several may run at once, each for another subscription."""

    def __init__(
        self, store: EventStore, sender: Sender, owner: str, stopped: Callable[[], bool]
    ) -> None:
        self._store = store
        self._sender = sender
        self._owner = owner
        self._stopped = stopped
        self._left: dict[str, _Left] = {}

    def run(self, subscription_id: str, pace: MessagePace) -> None:
        """Delivers what is due.

        Raises:
            StoreUnavailableError: What was accepted last is delivered once more.
        """
        left = self._left.get(subscription_id)
        if left is not None and now_us() - left.at_us < LEFT_S * SECOND_US:
            return
        end_s = time.monotonic() + ROUND_S
        while not self._stopped() and time.monotonic() < end_s:
            found = self._begin(subscription_id)
            if found is None:
                return
            if found.due:
                result = self._deliver(found.own, found.due, pace)
                self._note(found.own, result)
                if result.down is not None or result.pause_s:
                    break
            elif not found.is_more:
                break
        with self._store.database.write() as connection:
            change_subscription(connection, subscription_id, lease_us=0)

    def _begin(self, subscription_id: str) -> _Batch | None:
        """What is due, for the hub that holds the lease now; None where that is another one."""
        with self._store.database.write() as connection:
            own, at_us = subscription(connection, subscription_id), now_us()
            if own is None or not own.row.is_active or own.row.next_us > at_us:
                return None
            if own.row.owner != self._owner and own.row.lease_us > at_us:
                return None
            backlog = DeliveryBacklog(connection, own)
            is_more = backlog.fill()
            due = backlog.due(at_us, self._sender.format_of(own).at_once)
            if unreadable := self._sender.unreadable(own):
                if due:
                    self._leave(connection, own, due[0].position, unreadable, at_us)
                return None
            lease = {"owner": self._owner, "lease_us": at_us + LEASE_US}
            change_subscription(connection, own.id, **lease)
            return _Batch(own, due, is_more)

    def _leave(
        self, connection: Connection, own: Subscription, position: int, why: str, at_us: int
    ) -> None:
        """Leaves it to another hub on the database; says why where none goes on with it either."""
        row, left = own.row, self._left.get(own.id)
        self._left[own.id] = _Left(position, at_us)
        if left is not None and left.position == position:
            values = {"failures": row.failures + 1, "failing_us": row.failing_us or at_us}
            # Another hub may have the key: the time of the next try stays.
            change_subscription(connection, own.id, **values, reason=why)
            logger.warning("subscription_down", extra={"id": own.id, "reason": why})

    def _deliver(self, own: Subscription, due: Sequence[DueDelivery], pace: MessagePace) -> _Result:
        """Sends events one by one, or all as one message where that many may not be sent now.

        What was refused before goes alone: else what is wrong with one event holds up all.
        """
        result = _Result()
        held: set[tuple[str, str]] = set()
        together = len(due) >= pace.room() and not any(one.attempts for one in due)
        for some in [due] if together else [[one] for one in due]:
            result.pause_s = pace.wait_s()
            if self._stopped() or result.pause_s:
                break
            partitions = {_partition(one) for one in some}
            if partitions & held:
                continue
            outcome = self._sender.send(own, [one.received for one in some])
            pace.note()
            if outcome.what == "accepted":
                result.taken += [one.position for one in some]
            elif outcome.what == "refused":
                held |= partitions
                result.refused += [(one.position, outcome.reason) for one in some]
            else:
                result.down = outcome
                break
        return result

    def _note(self, own: Subscription, result: _Result) -> None:
        at_us = now_us()
        accepted_us = at_us if result.taken else own.row.accepted_us
        values: dict[str, Any] = {"accepted_us": accepted_us}
        if result.down is not None:
            failures = 1 if result.taken else own.row.failures + 1
            values |= {
                "failures": failures,
                "failing_us": at_us if result.taken else own.row.failing_us or at_us,
                "reason": result.down.reason,
                "next_us": at_us + wait_us(failures, result.down.wait_s),
            }
            logger.warning("subscription_down", extra={"id": own.id, "reason": result.down.reason})
        elif result.taken:
            values |= {"failures": 0, "failing_us": None, "reason": ""}
        if result.pause_s:
            values["next_us"] = at_us + int(result.pause_s * SECOND_US)
        with self._store.database.write() as connection:
            backlog = DeliveryBacklog(connection, own)
            backlog.accept(result.taken)
            for position, reason in result.refused:
                backlog.refuse(position, reason, at_us, accepted_us)
            change_subscription(connection, own.id, **values)


def _partition(one: DueDelivery) -> tuple[str, str]:
    return one.received.event.source, one.received.event.partitionkey
