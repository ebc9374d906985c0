from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from event_hub.store import EventStore
from event_hub.subscription_settings import SubscriptionSettings
from event_hub.subscriptions.delivery_round import DeliveryRound, Sender, now_us
from event_hub.subscriptions.kept import Subscription, add_subscription, subscription
from event_hub.subscriptions.pace import MessagePace
from event_hub.subscriptions.sealing import Sealing
from event_hub.subscriptions.wanted import SubscriptionOrder

HERE = SubscriptionSettings.model_validate({"networks": ["127.0.0.0/8"]})


class Rounds:
    """Delivers from a store without a hub around it."""

    def __init__(
        self, store: EventStore, folder: Path, settings: SubscriptionSettings = HERE
    ) -> None:
        self.store = store
        self.sealing = Sealing(folder)
        self.sender = Sender(settings, self.sealing, "https://hub.example")

    def subscribe(self, url: str, **order: Any) -> Subscription:
        wanted = SubscriptionOrder.model_validate({"name": "test", "url": url} | order)
        with self.store.database.write() as connection:
            own, _ = add_subscription(connection, wanted, now_us(), 100, self.sealing)
        return own

    def run(self, own: Subscription, owner: str = "one", pace: MessagePace | None = None) -> None:
        self.rounds(owner).run(own.id, pace or MessagePace(self.sender.format_of(own).per_minute))

    def rounds(self, owner: str) -> DeliveryRound:
        """Those of a hub."""
        return DeliveryRound(self.store, self.sender, owner, lambda: False)

    def now(self, own: Subscription) -> Any:
        """Its row."""
        with self.store.database.read() as connection:
            found = subscription(connection, own.id)
        assert found is not None
        return found.row


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    opened = EventStore(f"sqlite:///{tmp_path}/hub.db")
    yield opened
    opened.close()


@pytest.fixture
def rounds(store: EventStore, tmp_path: Path) -> Rounds:
    return Rounds(store, tmp_path / "access")
