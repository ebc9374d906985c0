"""The routes of subscriptions: an administrator says who gets what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection

from event_hub.answers import described
from event_hub.envelope import Envelope, Received
from event_hub.people.noting import noted
from event_hub.store import EventStore
from event_hub.subscription_settings import SubscriptionSettings
from event_hub.subscriptions.answers import (
    DeadEventList,
    ReceiverTest,
    ReplayResult,
    SubscriptionList,
    SubscriptionRecord,
)
from event_hub.subscriptions.backlog import DeliveryBacklog
from event_hub.subscriptions.delivery_round import Sender, now_us
from event_hub.subscriptions.kept import (
    Subscription,
    TooManySubscriptionsError,
    add_subscription,
    change_subscription,
    remove_subscription,
    subscription,
    waiting_and_dead,
)
from event_hub.subscriptions.message import TEST_TYPE
from event_hub.subscriptions.receiver_address import ReceiverForbiddenError, checked_address
from event_hub.subscriptions.records import (
    dead_events,
    subscription_record,
    subscription_records,
)
from event_hub.subscriptions.sealing import Sealing, SealingError
from event_hub.subscriptions.wanted import SubscriptionOrder
from event_hub.tables import to_us
from pipelines.access import AuditTrail
from pipelines.event_identity import event_id
from pipelines.http_api import RequestProblem

PATH: Final = "/api/subscriptions"
ONE: Final = f"{PATH}/{{subscription_id}}"
DEAD_MAX: Final = 200


class ActiveOrder(BaseModel):
    """Whether events are delivered; they wait meanwhile, for as long as the hub keeps them."""

    model_config = ConfigDict(extra="forbid")

    active: bool


class ReplayOrder(BaseModel):
    """What to deliver again: all that arrived from a time on, or without one what is dead."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime | None = None


def subscriptions_router(
    store: EventStore,
    sender: Sender,
    settings: SubscriptionSettings,
    sealing: Sealing,
    trail: AuditTrail,
) -> APIRouter:
    """Every route of subscriptions; the trail keeps who changed which."""
    router = APIRouter()
    _add_making(router, store, settings, sealing, trail)
    _add_reading(router, store)
    _add_deeds(router, store, sender, trail)
    return router


def _add_making(
    router: APIRouter,
    store: EventStore,
    settings: SubscriptionSettings,
    sealing: Sealing,
    trail: AuditTrail,
) -> None:
    @router.post(
        PATH, status_code=201, **described("subscriptions", "Subscribe a receiver", 409, 422, 503)
    )
    def subscribe(order: SubscriptionOrder, request: Request) -> SubscriptionRecord:
        """It gets what arrives from now on. `secret` is in this answer alone."""
        try:
            checked_address(order.url.get_secret_value(), settings.networks)
        except ReceiverForbiddenError as error:
            raise RequestProblem(422, str(error), parameter="url") from None
        except (OSError, UnicodeError):
            raise RequestProblem(
                422, "the name of the host is not known", parameter="url"
            ) from None
        try:
            with store.database.write() as connection:
                own, made = add_subscription(connection, order, now_us(), settings.most, sealing)
                noted(trail, request, own.id, "subscription.added", f"at {own.host}")
        except TooManySubscriptionsError as error:
            raise HTTPException(409, str(error)) from None
        except SealingError as error:
            raise HTTPException(503, str(error)) from None
        return subscription_record(own, (0, 0), made or None)

    @router.delete(
        ONE, status_code=204, **described("subscriptions", "End a subscription", 404, 503)
    )
    def unsubscribe(subscription_id: str, request: Request) -> None:
        """What was still to be delivered is forgotten."""
        with store.database.write() as connection:
            own = _one(connection, subscription_id)
            remove_subscription(connection, subscription_id)
            noted(trail, request, own.id, "subscription.removed", f"at {own.host}")


def _add_reading(router: APIRouter, store: EventStore) -> None:
    @router.get(PATH, **described("subscriptions", "List subscriptions", 503))
    def get_subscriptions() -> SubscriptionList:
        """Who gets what, and how it is."""
        with store.database.read() as connection:
            return SubscriptionList(subscriptions=subscription_records(connection))

    @router.get(ONE, **described("subscriptions", "One subscription", 404, 503))
    def get_subscription(subscription_id: str) -> SubscriptionRecord:
        """What it gets, and how it is."""
        with store.database.read() as connection:
            return _with_counts(connection, subscription_id)

    @router.get(f"{ONE}/dead", **described("subscriptions", "What was given up", 404, 422, 503))
    def get_dead(
        subscription_id: str, limit: Annotated[int, Query(ge=1, le=DEAD_MAX)] = 50
    ) -> DeadEventList:
        """Events that the receiver refused while it took others, the oldest first."""
        with store.database.read() as connection:
            _one(connection, subscription_id)
            return DeadEventList(dead=dead_events(connection, subscription_id, limit))


def _add_deeds(router: APIRouter, store: EventStore, sender: Sender, trail: AuditTrail) -> None:
    @router.post(f"{ONE}/active", **described("subscriptions", "Pause, or go on", 404, 422, 503))
    def set_active(
        subscription_id: str, order: ActiveOrder, request: Request
    ) -> SubscriptionRecord:
        """Going on tries at once, whatever failed before."""
        with store.database.write() as connection:
            _one(connection, subscription_id)
            values = {"is_active": int(order.active), "next_us": 0, "failures": 0}
            change_subscription(connection, subscription_id, **values)
            said = "goes on" if order.active else "pauses"
            noted(trail, request, subscription_id, "subscription.changed", said)
            return _with_counts(connection, subscription_id)

    @router.post(f"{ONE}/test", **described("subscriptions", "Send a test", 404, 503))
    def test(subscription_id: str, request: Request) -> ReceiverTest:
        """An event of type `cityeye.hub.test` goes out at once, beside all others."""
        with store.database.read() as connection:
            own = _one(connection, subscription_id)
        noted(trail, request, own.id, "subscription.tested", f"at {own.host}")
        outcome = sender.send(own, [_test_event(subscription_id)])
        return ReceiverTest(accepted=outcome.what == "accepted", reason=outcome.reason)

    @router.post(f"{ONE}/replay", **described("subscriptions", "Deliver again", 404, 422, 503))
    def replay(subscription_id: str, order: ReplayOrder, request: Request) -> ReplayResult:
        """What is dead, or everything that arrived since a time; in order for each camera."""
        with store.database.write() as connection:
            backlog = DeliveryBacklog(connection, _one(connection, subscription_id))
            said = f"since {order.since}" if order.since else "what was given up"
            noted(trail, request, subscription_id, "subscription.replayed", said)
            if order.since is None:
                return ReplayResult(revived=backlog.revive())
            backlog.rewind(to_us(order.since))
            return ReplayResult(revived=None)


def _one(connection: Connection, subscription_id: str) -> Subscription:
    """The subscription that is meant. Raises 404."""
    found = subscription(connection, subscription_id)
    if found is None:
        raise HTTPException(404, "no such subscription")
    return found


def _with_counts(connection: Connection, subscription_id: str) -> SubscriptionRecord:
    own = _one(connection, subscription_id)
    return subscription_record(own, waiting_and_dead(connection).get(own.id, (0, 0)))


def _test_event(subscription_id: str) -> Received:
    now = datetime.now(UTC)
    event: Any = Envelope(
        id=event_id("test", subscription_id, now.isoformat()),
        source="cityeye//hubs/test",
        subject=subscription_id,
        time=now,
        partitionkey=subscription_id,
        sequence="0",
        type=TEST_TYPE,
    )
    return Received(event.model_dump_json().encode(), event, TEST_TYPE)
