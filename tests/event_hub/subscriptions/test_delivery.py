"""Everything arrives, in order for each camera, whatever a receiver does meanwhile."""

from __future__ import annotations

import base64
import gc
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update
from standardwebhooks.webhooks import Webhook

from event_hub.store import EventStore
from event_hub.subscription_tables import DELIVERIES, SUBSCRIPTIONS
from event_hub.subscriptions import delivery_round
from event_hub.subscriptions.backlog import DeliveryBacklog
from event_hub.subscriptions.delivery_round import now_us
from event_hub.subscriptions.kept import (
    Subscription,
    subscription,
    subscription_problems,
    waiting_and_dead,
)
from event_hub.subscriptions.pace import MessagePace
from event_hub.subscriptions.routes import DEAD_MAX
from event_hub.tables import EVENTS
from tests.event_hub.conftest import Client, StartHub, running
from tests.event_hub.samples import camera_state, heartbeat, in_city, incident
from tests.event_hub.subscriptions.conftest import HERE, Rounds
from tests.event_hub.subscriptions.receivers import Got, receiver
from tests.event_hub.test_store import add

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
CITY = "510118-Xinjin"


def at(camera: str, number: int) -> dict[str, Any]:
    """The event of a number of a camera's only incident."""
    event = incident(
        f"i-{camera}", number, "started" if number == 1 else "updated", camera={"id": camera}
    )
    return in_city(event, CITY)


def hurry(store: EventStore) -> None:
    """Lets every wait be over."""
    with store.database.write() as connection:
        connection.execute(update(SUBSCRIPTIONS).values(next_us=0))
        connection.execute(update(DELIVERIES).values(next_us=0))


def numbers(got: list[Got], camera: str) -> list[int]:
    data = [one.event["data"] for one in got]
    return [one["revision"] for one in data if one["camera"]["id"] == camera]


def subscribe(hub: Client, url: str, **order: Any) -> dict[str, Any]:
    body = {"name": "test", "url": url} | order
    answer = hub.http.request("POST", f"{hub.url}/api/subscriptions", json=body)
    assert answer.status == 201, answer.data
    return dict(answer.json())


def test_a_hub_delivers_signed_events_and_goes_on_after_a_restart(
    start_hub: StartHub, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/own.db"
    with receiver() as other:
        with running(tmp_path) as start:
            hub = start(database=database, subscriptions=HERE)
            hub.post(at("before", 1))
            made = subscribe(hub, f"{other.url}/hook?a=1")
            hub.post(at("cam-1", 1))
            (got,) = other.wait_for(1)
            assert (got.path, got.event["id"]) == ("/hook?a=1", "i-cam-1-1")
            Webhook(made["secret"]).verify(got.body, got.headers, json_parse=False)
            assert got.headers["Content-Type"].startswith("application/cloudevents+json")
            answer = hub.http.request(
                "POST", f"{hub.url}/api/incidents/i-cam-1/confirm", json={"revision": 0}
            )
            assert answer.status == 200
            assert other.wait_for(2)[1].event["type"] == "cityeye.case.confirmed"
        with running(tmp_path) as start:
            hub = start(database=database, subscriptions=HERE)
            hub.post(at("cam-1", 2))
            assert other.wait_for(3)[2].event["id"] == "i-cam-1-2"
            (one,) = hub.json("/api/subscriptions")["subscriptions"]
            assert (one["waiting"], one["dead"], one["secret"]) == (0, 0, None)


def test_a_receiver_that_fails_for_a_while_gets_all_in_order(
    store: EventStore, rounds: Rounds
) -> None:
    statuses = iter([503, 429, 500, 401, *[204] * 3, 302, *[204] * 100])
    with receiver(lambda got: (next(statuses), {})) as other:
        own = rounds.subscribe(other.url)
        for number in range(1, 7):
            add(store, *(at(camera, number) for camera in ("a", "b")))
            rounds.run(own)
        row = rounds.now(own)
        assert (row.failures, len(other.got), row.reason) == (1, 1, "the receiver answered 503")
        assert row.next_us > row.failing_us
        for _ in range(8):
            hurry(store)
            rounds.run(own)
        for camera in ("a", "b"):
            assert numbers(other.accepted, camera) == [1, 2, 3, 4, 5, 6]
        row = rounds.now(own)
        assert (row.failures, row.failing_us, row.reason) == (0, None, "")
        with store.database.read() as connection:
            assert waiting_and_dead(connection) == {}


def test_an_event_that_is_refused_alone_holds_up_its_camera_and_is_given_up(
    store: EventStore, rounds: Rounds
) -> None:
    def answer(got: Got) -> tuple[int, dict[str, Any]]:
        return (422 if got.event["id"] == "i-a-1" and bad else 204), {}

    bad = True
    with receiver(answer) as other:
        own = rounds.subscribe(other.url)
        for attempt in range(1, 6):
            add(store, at("a", attempt), at("b", attempt))
            rounds.run(own)
            hurry(store)
            if attempt < 5:
                assert numbers(other.accepted, "a") == []
        rounds.run(own)
        assert numbers(other.accepted, "a") == [2, 3, 4, 5]
        assert numbers(other.accepted, "b") == [1, 2, 3, 4, 5]
        assert counts(store, own) == (0, 1)
        bad = False
        with store.database.write() as connection:
            assert DeliveryBacklog(connection, own).revive() == 1
        rounds.run(own)
        assert numbers(other.accepted, "a")[-1] == 1
        assert counts(store, own) == (0, 0)


def test_a_receiver_that_is_away_for_long_is_a_problem_of_the_hub(
    store: EventStore, rounds: Rounds
) -> None:
    with receiver(lambda got: (503, {})) as other:
        own = rounds.subscribe(f"{other.url}/key", name="case centre")
        add(store, at("a", 1))
        rounds.run(own)
        with store.database.read() as connection:
            assert subscription_problems(connection, now_us() - 1_000_000) == []
            (problem,) = subscription_problems(connection, now_us() + 1)
    assert "'case centre' takes no events since" in problem
    assert "1 wait: the receiver answered 503" in problem
    assert "/key" not in problem


def counts(store: EventStore, own: Subscription) -> tuple[int, int]:
    with store.database.read() as connection:
        return waiting_and_dead(connection).get(own.id, (0, 0))


def test_a_receiver_that_refuses_everything_loses_nothing(
    store: EventStore, rounds: Rounds
) -> None:
    with receiver(lambda got: (400, {})) as other:
        own = rounds.subscribe(other.url)
        add(store, at("a", 1), at("b", 1))
        for _ in range(8):
            rounds.run(own)
            hurry(store)
        assert counts(store, own) == (2, 0)
        other.answer = lambda got: (204, {})
        rounds.run(own)
        assert len(other.accepted) == 2


def test_a_receiver_gets_what_it_wants(store: EventStore, rounds: Rounds) -> None:
    with receiver() as other:
        every = rounds.subscribe(other.url)
        few = rounds.subscribe(
            other.url, severity="high", kinds=["littering."], cameras=["a", "b"], city=CITY,
            types=["cityeye.incident."],
        )  # fmt: skip
        litter: dict[str, Any] = {"kind": "littering.dropped_object", "severity": "critical"}
        add(
            store,
            in_city(incident("yes", camera={"id": "a"}, **litter), CITY),
            in_city(incident("mild", camera={"id": "a"}, kind="littering.x"), CITY),
            in_city(incident("jam", camera={"id": "a"}, severity="high"), CITY),
            in_city(incident("else", camera={"id": "c"}, **litter), CITY),
            in_city(incident("far", camera={"id": "a"}, **litter), "510129-Dayi"),
            in_city(camera_state("a"), CITY),
            heartbeat({"a": "online"}),
        )
        rounds.run(few)
        assert [one.event["id"] for one in other.accepted] == ["yes-1"]
        rounds.run(every)
        assert len(other.accepted) == 1 + 6


def test_from_a_time_on_everything_comes_again(store: EventStore, rounds: Rounds) -> None:
    with receiver() as other:
        own = rounds.subscribe(other.url)
        add(store, at("a", 1))
        add(store, at("a", 2))
        rounds.run(own)
        with store.database.write() as connection:
            found = subscription(connection, own.id)
            assert found is not None
            DeliveryBacklog(connection, found).rewind(0)
        rounds.run(own)
        assert numbers(other.accepted, "a") == [1, 2, 1, 2]


def test_what_the_hub_does_not_keep_any_more_is_said(store: EventStore, rounds: Rounds) -> None:
    with receiver(lambda got: (503, {})) as other:
        own = rounds.subscribe(other.url)
        add(store, at("a", 1), at("a", 2))
        rounds.run(own)
        with store.database.write() as connection:
            connection.execute(delete(EVENTS).where(EVENTS.c.event_id == "i-a-1"))
        other.answer = lambda got: (204, {})
        hurry(store)
        rounds.run(own)
        assert numbers(other.accepted, "a") == [2]
        assert counts(store, own) == (0, 1)


def test_only_one_hub_delivers(store: EventStore, rounds: Rounds) -> None:
    def slow(got: Got) -> tuple[int, dict[str, Any]]:
        rounds.run(own, "another hub")
        return 204, {}

    with receiver(slow) as other:
        own = rounds.subscribe(other.url)
        add(store, at("a", 1), at("b", 1))
        rounds.run(own)
        assert len(other.got) == 2


def test_a_hub_without_the_key_leaves_a_subscription_to_one_that_has_it(
    store: EventStore, rounds: Rounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyless = Rounds(store, tmp_path / "other")
    at_us = now_us()
    monkeypatch.setattr(delivery_round, "now_us", lambda: at_us)
    with receiver() as other:
        own = rounds.subscribe(other.url)
        without = keyless.rounds("keyless")
        for number in range(1, 4):
            add(store, at("a", number))
            without.run(own.id, MessagePace(math.inf))
            rounds.run(own)
            at_us += 20_000_000
        assert numbers(other.accepted, "a") == [1, 2, 3]
        assert (keyless.now(own).failures, keyless.now(own).reason) == (0, "")
        add(store, at("a", 4))
        for _ in range(3):
            without.run(own.id, MessagePace(math.inf))
            at_us += 6_000_000
        now = keyless.now(own)
        assert (now.failures, now.next_us) == (1, 0)
        assert "the key of the subscriptions, cannot be read" in now.reason
        assert counts(store, own) == (1, 0), "what waits is counted"
        rounds.run(own)
        assert numbers(other.accepted, "a") == [1, 2, 3, 4]
        assert (keyless.now(own).failures, keyless.now(own).reason) == (0, "")


@pytest.mark.integration
def test_two_hubs_on_one_server_deliver_once(postgres: str, tmp_path: Path) -> None:
    with receiver() as other, running(tmp_path / "1") as one, running(tmp_path / "2") as two:
        first = one(database=postgres, subscriptions=HERE)
        second = two(database=postgres, subscriptions=HERE)
        subscribe(first, other.url)
        for number in range(1, 21):
            (first if number % 2 else second).post(at("a", number))
        assert numbers(other.wait_for(20), "a") == list(range(1, 21))
        assert len(other.got) == 20


def test_the_routes_say_how_a_subscription_is(start_hub: StartHub) -> None:
    hub = start_hub(subscriptions=HERE)
    statuses = {"status": 503}
    with receiver(lambda got: (statuses["status"], {})) as other:
        made = subscribe(hub, f"{other.url}/secret-key", secret=SECRET)
        path = f"{hub.url}/api/subscriptions/{made['subscription_id']}"

        def do(deed: str, **body: Any) -> Any:
            answer = hub.http.request("POST", f"{path}/{deed}", json=body)
            assert answer.status == 200, answer.data
            return answer.json()

        tested = hub.http.request("POST", f"{path}/test").json()
        assert tested == {"accepted": False, "reason": "the receiver answered 503"}
        hub.post(at("a", 1))
        wait_until(lambda: hub.json(path.removeprefix(hub.url))["failing_since"] is not None)
        shown = hub.json(path.removeprefix(hub.url))
        assert (shown["waiting"], shown["reason"]) == (1, "the receiver answered 503")
        assert shown["host"] == other.url
        assert datetime.fromisoformat(shown["next_attempt_at"]).tzinfo is not None
        everything = hub.get("/api/subscriptions").data + str(made).encode()
        assert b"secret-key" not in everything
        assert SECRET.encode() not in everything
        statuses["status"] = 204
        assert hub.http.request("POST", f"{path}/test").json()["accepted"] is True
        assert do("active", active=False)["is_active"] is False
        do("active", active=True)
        got = other.wait_for(2)
        assert [one.event["type"] for one in got] == [
            "cityeye.hub.test",
            "cityeye.incident.started",
        ]
        assert do("replay") == {"revived": 0}
        later = datetime.fromisoformat(made["created_at"]) + timedelta(days=-1)
        assert do("replay", since=later.isoformat()) == {"revived": None}
        other.wait_for(3)
        assert hub.json(f"{path.removeprefix(hub.url)}/dead", limit=str(DEAD_MAX))["dead"] == []
        assert hub.http.request("DELETE", path).status == 204
        assert hub.get(path.removeprefix(hub.url)).status == 404
        assert hub.json("/api/subscriptions")["subscriptions"] == []


def wait_until(holds: Any) -> None:
    import time

    end_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_subscriptions_that_are_gone_leave_nothing_in_memory(start_hub: StartHub) -> None:
    def paces() -> int:
        gc.collect()
        return sum(isinstance(one, MessagePace) for one in gc.get_objects())

    hub = start_hub(subscriptions=HERE)
    before = paces()
    with receiver() as other:
        paths = [
            f"/api/subscriptions/{subscribe(hub, other.url)['subscription_id']}" for _ in range(5)
        ]
        hub.post(at("cam-1", 1))
        other.wait_for(5)
        for path in paths:
            assert hub.http.request("DELETE", hub.url + path).status == 204
    wait_until(lambda: paces() <= before)


def test_a_subscription_that_says_nonsense_is_refused(start_hub: StartHub) -> None:
    hub = start_hub(subscriptions=HERE.model_copy(update={"most": 1}))
    with receiver() as other:
        for wrong in (
            {"url": "ftp://127.0.0.1/"},
            {"url": "http://user:word@127.0.0.1/"},
            {"url": other.url, "secret": "short"},
            {"url": other.url, "format": "wecom", "secret": "a"},
            {"url": other.url, "format": "telegram"},
            {"url": other.url, "time_zone": "Mars/Olympus"},
            {"url": other.url, "unknown": 1},
        ):
            answer = hub.http.request(
                "POST", f"{hub.url}/api/subscriptions", json={"name": "test"} | wrong
            )
            assert answer.status == 422, wrong
            assert b"word" not in answer.data
        subscribe(hub, other.url)
        answer = hub.http.request(
            "POST", f"{hub.url}/api/subscriptions", json={"name": "2", "url": other.url}
        )
        assert answer.status == 409
