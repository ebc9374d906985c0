"""`Dispatcher`: delivers to every subscription in rounds of its own.

A receiver that is slow or away holds up nobody else.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from sqlalchemy import Connection, exists, or_, select

from event_hub.errors import HubError
from event_hub.keyframe_links import KeyframeLinks
from event_hub.repeated_rounds import STOP_TIMEOUT_S, RepeatedRounds
from event_hub.store import EventStore
from event_hub.subscription_settings import SubscriptionSettings
from event_hub.subscription_tables import DELIVERIES, SUBSCRIPTIONS
from event_hub.subscriptions.delivery_round import DeliveryRound, Sender, now_us
from event_hub.subscriptions.kept import Subscription, subscription
from event_hub.subscriptions.pace import MessagePace
from event_hub.subscriptions.sealing import Sealing
from event_hub.tables import USAGE

logger = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 0.5
AT_ONCE: Final = 8
OWNER_BYTES: Final = 8


class Dispatcher(RepeatedRounds):
    """Runs between `start` and `stop`."""

    def __init__(
        self,
        store: EventStore,
        settings: SubscriptionSettings,
        sealing: Sealing,
        address: str,
        links: KeyframeLinks,
    ) -> None:
        """Prepares; see `Sender`."""
        super().__init__("subscriptions", self._begin_rounds, CHECK_EVERY_S)
        self.sender = Sender(settings, sealing, address, links)
        self._store = store
        owner = secrets.token_hex(OWNER_BYTES)
        self._round = DeliveryRound(store, self.sender, owner, self.is_stopping)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="subscription")
        self._running: dict[str, Future[None]] = {}
        self._paces: dict[str, MessagePace] = {}

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ends after the deliveries that are under way."""
        super().stop(timeout_s)
        self._pool.shutdown(cancel_futures=True)

    def _begin_rounds(self) -> None:
        with self._store.database.read() as connection:
            due = [subscription(connection, one) for one in with_work(connection, now_us())]
        self._running = {name: one for name, one in self._running.items() if not one.done()}
        self._forget_paces()
        for own in due:
            if own is not None and own.id not in self._running:
                per_minute = self.sender.format_of(own).per_minute
                pace = self._paces.setdefault(own.id, MessagePace(per_minute))
                self._running[own.id] = self._pool.submit(self._one_round, own, pace)

    def _forget_paces(self) -> None:
        """Drops those that hold back nothing; each would else outlive its subscription."""
        self._paces = {
            name: one
            for name, one in self._paces.items()
            if name in self._running or not one.is_idle()
        }

    def _one_round(self, own: Subscription, pace: MessagePace) -> None:
        try:
            self._round.run(own.id, pace)
        except HubError as error:
            logger.warning("subscription_failed", extra={"id": own.id, "error": str(error)})
        except Exception:
            logger.exception("subscription_failed", extra={"id": own.id})


def with_work(connection: Connection, at_us: int) -> Sequence[str]:
    """The subscriptions that have something to get now."""
    newest = select(USAGE.c.position).scalar_subquery()
    waiting = exists().where(
        DELIVERIES.c.subscription_id == SUBSCRIPTIONS.c.subscription_id,
        DELIVERIES.c.is_dead == 0,
        DELIVERIES.c.next_us <= at_us,
    )
    query = select(SUBSCRIPTIONS.c.subscription_id).where(
        SUBSCRIPTIONS.c.is_active == 1,
        SUBSCRIPTIONS.c.next_us <= at_us,
        or_(SUBSCRIPTIONS.c.position < newest, waiting),
    )
    return connection.scalars(query).all()
