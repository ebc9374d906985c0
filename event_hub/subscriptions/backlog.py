"""`DeliveryBacklog`: what one subscription has still to get, in order for each camera.

An event that the receiver refuses holds up its camera alone, and is given up when it was refused
five times while the receiver took others. A receiver that is down holds up everything: nothing is
given up before the hub deletes it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from event_hub.envelope import Received, parse_event
from event_hub.errors import MalformedEventError
from event_hub.subscription_tables import DELIVERIES, SUBSCRIPTIONS
from event_hub.subscriptions.kept import Subscription
from event_hub.tables import EVENTS
from pipelines.event_identity import city_of

READ: Final = 500
MOST_WAITING: Final = 100_000
"""More are not taken from the log before some are delivered: the log keeps them as well."""

ATTEMPTS: Final = 5
SECOND_US: Final = 1_000_000
FIRST_WAIT_S: Final = 2.0
LONGEST_WAIT_S: Final = 300.0
GONE: Final = "the hub does not keep the event any more"


def wait_us(failures: int, asked_s: float = 0.0) -> int:
    """How long to wait after so many failures in a row, at least as long as was asked for."""
    doubled = min(FIRST_WAIT_S * 2.0 ** min(failures - 1, 20), LONGEST_WAIT_S)
    return int(max(doubled, asked_s) * SECOND_US)


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """An event that is to be delivered now, and how often it was refused."""

    position: int
    received: Received
    attempts: int = 0


class DeliveryBacklog:
    """Of one subscription, in one transaction."""

    def __init__(self, connection: Connection, own: Subscription) -> None:
        self._connection = connection
        self._own = own
        self._of_own = DELIVERIES.c.subscription_id == own.id

    def fill(self) -> bool:
        """Takes over what is new in the log. False where there was nothing."""
        waiting = select(func.count()).where(self._of_own, DELIVERIES.c.is_dead == 0)
        if (self._connection.scalar(waiting) or 0) >= MOST_WAITING:
            return False
        columns = (EVENTS.c[name] for name in ("position", "partitionkey", "source", "body"))
        newer = EVENTS.c.position > self._own.row.position
        query = select(*columns).where(newer).order_by(EVENTS.c.position).limit(READ)
        rows = self._connection.execute(query).all()
        if not rows:
            return False
        wanted = [self._row(row) for row in rows if self._wants(row)]
        if wanted:
            self._connection.execute(insert(DELIVERIES), wanted)
        same = SUBSCRIPTIONS.c.subscription_id == self._own.id
        values = {"position": rows[-1].position}
        self._connection.execute(update(SUBSCRIPTIONS).where(same).values(values))
        return True

    def _wants(self, row: Row[Any]) -> bool:
        try:
            received = parse_event(row.body)
        except MalformedEventError:
            # A program before this one took it.
            return False
        return self._own.wanted.takes(received.type, received.event, city_of(row.source))

    def _row(self, row: Row[Any]) -> dict[str, Any]:
        # Two cities may give one name to a camera.
        partition = f"{city_of(row.source)}/{row.partitionkey}"
        return {
            "subscription_id": self._own.id,
            "position": row.position,
            "partition": partition,
        }

    def due(self, now_us: int, most: int) -> Sequence[DueDelivery]:
        """What may be delivered now: of each camera what nothing before holds up, in order."""
        held = select(DELIVERIES.c.partition).where(
            self._of_own, DELIVERIES.c.is_dead == 0, DELIVERIES.c.next_us > now_us
        )
        query = (
            select(DELIVERIES.c.position, DELIVERIES.c.attempts, EVENTS.c.body)
            .outerjoin(EVENTS, EVENTS.c.position == DELIVERIES.c.position)
            .where(self._of_own, DELIVERIES.c.is_dead == 0)
            .where(DELIVERIES.c.partition.not_in(held))
            .order_by(DELIVERIES.c.position)
            .limit(most)
        )
        rows = self._connection.execute(query).all()
        self._bury([row.position for row in rows if row.body is None], GONE)
        return [
            DueDelivery(row.position, parse_event(row.body), row.attempts)
            for row in rows
            if row.body is not None
        ]

    def accept(self, positions: Collection[int]) -> None:
        """Notes that the receiver has taken events."""
        if positions:
            taken = DELIVERIES.c.position.in_(positions)
            self._connection.execute(delete(DELIVERIES).where(self._of_own, taken))

    def refuse(self, position: int, reason: str, now_us: int, accepted_us: int | None) -> None:
        """Notes that the receiver refused an event; `accepted_us` is when it took one last."""
        same = (self._of_own, DELIVERIES.c.position == position)
        row = self._connection.execute(select(DELIVERIES).where(*same)).one()
        since_us = row.refused_us or now_us
        attempts = row.attempts + 1
        is_dead = attempts >= ATTEMPTS and accepted_us is not None and accepted_us >= since_us
        values = {
            "attempts": attempts,
            "refused_us": since_us,
            "next_us": now_us + wait_us(attempts),
            "reason": reason,
            "is_dead": int(is_dead),
        }
        self._connection.execute(update(DELIVERIES).where(*same).values(values))

    def _bury(self, positions: Collection[int], reason: str) -> None:
        if positions:
            gone = DELIVERIES.c.position.in_(positions)
            values = {"is_dead": 1, "reason": reason}
            self._connection.execute(update(DELIVERIES).where(self._of_own, gone).values(values))

    def revive(self) -> int:
        """Lets what is dead wait again. Returns how many there are."""
        dead = (self._of_own, DELIVERIES.c.is_dead == 1)
        fresh = {"is_dead": 0, "attempts": 0, "refused_us": None, "next_us": 0}
        return self._connection.execute(update(DELIVERIES).where(*dead).values(fresh)).rowcount

    def rewind(self, since_us: int) -> None:
        """Begins again with what arrived at or after a time."""
        arrived = EVENTS.c.received_us >= since_us
        first = self._connection.scalar(select(func.min(EVENTS.c.position)).where(arrived))
        position = (
            self._own.row.position if first is None else min(first - 1, self._own.row.position)
        )
        later = DELIVERIES.c.position > position
        self._connection.execute(delete(DELIVERIES).where(self._of_own, later))
        same = SUBSCRIPTIONS.c.subscription_id == self._own.id
        values = {"position": position}
        self._connection.execute(update(SUBSCRIPTIONS).where(same).values(values))
