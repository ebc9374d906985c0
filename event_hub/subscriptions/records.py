"""Subscriptions as the API and the console show them."""

from __future__ import annotations

from sqlalchemy import Connection, select

from event_hub.subscription_tables import DELIVERIES
from event_hub.subscriptions.answers import DeadEvent, SubscriptionRecord
from event_hub.subscriptions.kept import Subscription, subscriptions, waiting_and_dead
from event_hub.tables import EVENTS, from_us, time_of


def subscription_record(
    own: Subscription, counts: tuple[int, int], secret: str | None = None
) -> SubscriptionRecord:
    """One subscription; `counts` are what waits and what is dead."""
    row, (waiting, dead) = own.row, counts
    return SubscriptionRecord(
        subscription_id=own.id,
        created_at=from_us(row.created_us),
        is_active=bool(row.is_active),
        host=own.host,
        wanted=own.wanted,
        waiting=waiting,
        dead=dead,
        accepted_at=time_of(row.accepted_us),
        failing_since=time_of(row.failing_us),
        next_attempt_at=time_of(row.next_us) if row.failing_us else None,
        reason=row.reason,
        secret=secret,
    )


def subscription_records(connection: Connection) -> list[SubscriptionRecord]:
    """All of them, the oldest first, without secrets."""
    counts = waiting_and_dead(connection)
    found = subscriptions(connection)
    return [subscription_record(one, counts.get(one.id, (0, 0))) for one in found]


def dead_events(connection: Connection, subscription_id: str, limit: int) -> list[DeadEvent]:
    """What a receiver refused while it took others, the oldest first."""
    rows = connection.execute(
        select(DELIVERIES, EVENTS.c.event_id, EVENTS.c.type)
        .outerjoin(EVENTS, EVENTS.c.position == DELIVERIES.c.position)
        .where(DELIVERIES.c.subscription_id == subscription_id, DELIVERIES.c.is_dead == 1)
        .order_by(DELIVERIES.c.position)
        .limit(limit)
    ).all()
    names = ("position", "event_id", "type", "attempts", "reason")
    return [DeadEvent(**{name: getattr(row, name) for name in names}) for row in rows]
