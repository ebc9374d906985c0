"""A subscription as the tables keep it: made, read, changed and removed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from event_hub.errors import HubError
from event_hub.subscription_tables import DELIVERIES, SUBSCRIPTIONS
from event_hub.subscriptions.sealing import Sealing
from event_hub.subscriptions.wanted import SubscriptionOrder, WantedEvents
from event_hub.tables import EVENTS, USAGE, from_us

ID_BYTES: Final = 8
SECRET_BYTES: Final = 32


class TooManySubscriptionsError(HubError):
    """There are as many as the settings let there be."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription. Its `repr` shows neither address nor secret."""

    row: Row[Any]
    wanted: WantedEvents

    def __repr__(self) -> str:
        return f"Subscription({self.id})"

    @property
    def id(self) -> str:
        """Names it."""
        return str(self.row.subscription_id)

    @property
    def host(self) -> str:
        """Where it goes, without the path, in which robots have their key."""
        return str(self.row.host)


@dataclass(frozen=True, slots=True)
class SubscriptionBacklog:
    """What all subscriptions together have not got.

    Attributes:
        pending: Events that wait.
        dead: Dead letters.
        oldest_s: When the oldest of those that wait arrived at the hub, seconds since 1970 UTC;
            None where none waits.
    """

    pending: int
    dead: int
    oldest_s: float | None


def new_secret() -> str:
    """A secret for Standard Webhooks."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def add_subscription(
    connection: Connection, order: SubscriptionOrder, now_us: int, most: int, sealing: Sealing
) -> tuple[Subscription, str]:
    """Makes one that begins with the next event.

    Returns:
        It, and its secret where the hub has made that.

    Raises:
        TooManySubscriptionsError: There are `most`.
        SealingError: Its address and secret cannot be encrypted.
    """
    used = connection.execute(select(USAGE).with_for_update()).one()
    if (connection.scalar(select(func.count()).select_from(SUBSCRIPTIONS)) or 0) >= most:
        raise TooManySubscriptionsError(f"there are {most} subscriptions, and may not be more")
    made = new_secret() if order.secret is None and order.format == "cloudevents" else ""
    wanted = WantedEvents.model_validate(order.model_dump(exclude={"url", "secret"}))
    url = order.url.get_secret_value()
    secret = order.secret.get_secret_value() if order.secret else made
    parts = urlsplit(url)
    row = {
        "subscription_id": secrets.token_hex(ID_BYTES),
        "created_us": now_us,
        "wanted": wanted.model_dump_json(),
        "host": f"{parts.scheme}://{parts.netloc}",
        "url": sealing.seal(connection, url),
        "secret": sealing.seal(connection, secret),
        "position": used.position,
    }
    connection.execute(insert(SUBSCRIPTIONS).values(row))
    found = subscription(connection, row["subscription_id"])
    assert found is not None  # noqa: S101 - it was just added
    return found, made


def subscription(connection: Connection, subscription_id: str) -> Subscription | None:
    """One by its id."""
    same = SUBSCRIPTIONS.c.subscription_id == subscription_id
    row = connection.execute(select(SUBSCRIPTIONS).where(same)).first()
    return None if row is None else _of(row)


def subscriptions(connection: Connection) -> Sequence[Subscription]:
    """All, the oldest first."""
    query = select(SUBSCRIPTIONS).order_by(
        SUBSCRIPTIONS.c.created_us, SUBSCRIPTIONS.c.subscription_id
    )
    return [_of(row) for row in connection.execute(query)]


def change_subscription(connection: Connection, subscription_id: str, **values: Any) -> None:
    """Sets columns."""
    same = SUBSCRIPTIONS.c.subscription_id == subscription_id
    connection.execute(update(SUBSCRIPTIONS).where(same).values(values))


def remove_subscription(connection: Connection, subscription_id: str) -> None:
    """Deletes one with everything that it was still to get."""
    for table in (DELIVERIES, SUBSCRIPTIONS):
        connection.execute(delete(table).where(table.c.subscription_id == subscription_id))


def waiting_and_dead(connection: Connection) -> dict[str, tuple[int, int]]:
    """How many events wait, and how many are dead, of each subscription."""
    query = select(
        DELIVERIES.c.subscription_id, func.count().label("all"), func.sum(DELIVERIES.c.is_dead)
    ).group_by(DELIVERIES.c.subscription_id)
    return {one: (total - dead, dead) for one, total, dead in connection.execute(query)}


def subscription_backlog(connection: Connection) -> SubscriptionBacklog:
    """Counts and age of what was not delivered."""
    counts = waiting_and_dead(connection).values()
    waiting = select(func.min(DELIVERIES.c.position)).where(DELIVERIES.c.is_dead == 0)
    oldest = select(EVENTS.c.received_us).where(EVENTS.c.position == waiting.scalar_subquery())
    received_us = connection.execute(oldest).scalar()
    return SubscriptionBacklog(
        sum(pending for pending, _ in counts),
        sum(dead for _, dead in counts),
        None if received_us is None else received_us / 1e6,
    )


def subscription_problems(connection: Connection, since_us: int) -> list[str]:
    """What is wrong with receivers, a sentence each: those that have failed since before a time."""
    query = select(SUBSCRIPTIONS).where(
        SUBSCRIPTIONS.c.failing_us < since_us, SUBSCRIPTIONS.c.is_active == 1
    )
    counts = waiting_and_dead(connection)
    return [
        f"subscription {own.wanted.name!r} takes no events since"
        f" {from_us(own.row.failing_us):%Y-%m-%d %H:%M} UTC, {counts.get(own.id, (0, 0))[0]} wait:"
        f" {own.row.reason}; see /api/subscriptions/{own.id}"
        for own in map(_of, connection.execute(query))
    ]


def _of(row: Row[Any]) -> Subscription:
    return Subscription(row, WantedEvents.model_validate_json(row.wanted))
