"""A subscription cannot be used to reach machines of the hub's own network."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from event_hub.store import EventStore
from event_hub.subscription_settings import SubscriptionSettings
from event_hub.subscriptions.receiver_address import ReceiverForbiddenError, checked_address
from tests.event_hub.conftest import StartHub
from tests.event_hub.subscriptions.conftest import Rounds
from tests.event_hub.subscriptions.receivers import receiver
from tests.event_hub.subscriptions.test_delivery import at
from tests.event_hub.test_store import add

INSIDE = (
    "http://127.0.0.1/",
    "http://localhost/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://10.1.2.3/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "https://[fd00::1]/",
    "https://224.0.0.1/",
)


@pytest.mark.parametrize("url", INSIDE)
def test_an_address_inside_is_refused(url: str) -> None:
    with pytest.raises(ReceiverForbiddenError, match="not a public address"):
        checked_address(url, ())


def test_networks_that_are_allowed_are_all_that_is() -> None:
    networks = [ipaddress.ip_network("10.20.0.0/16")]
    assert checked_address("http://10.20.3.4:8080/", networks) == "10.20.3.4"
    with pytest.raises(ReceiverForbiddenError):
        checked_address("http://10.21.3.4/", networks)
    assert checked_address("https://8.8.8.8/", ()) == "8.8.8.8"
    with pytest.raises(ReceiverForbiddenError, match="use https"):
        checked_address("http://8.8.8.8/", ())


def test_a_hub_refuses_it_when_it_is_made(start_hub: StartHub) -> None:
    hub = start_hub()
    order = {"name": "inside", "url": "http://127.0.0.1:1/"}
    answer = hub.http.request("POST", f"{hub.url}/api/subscriptions", json=order)
    assert (answer.status, answer.json()["parameter"]) == (422, "url")
    assert "hub: subscriptions: networks" in answer.json()["detail"]


def test_it_is_checked_again_at_each_delivery_and_redirects_lead_nowhere(
    store: EventStore, rounds: Rounds, tmp_path: Path
) -> None:
    with receiver() as inner:
        away: dict[str, Any] = {"headers": {"Location": inner.url}}
        with receiver(lambda got: (307, away)) as other:
            own = rounds.subscribe(other.url)
            add(store, at("a", 1))
            rounds.run(own)
            assert (len(other.got), inner.got) == (1, [])
            # The settings were changed since.
            Rounds(store, tmp_path / "access", SubscriptionSettings()).run(own)
        own = rounds.subscribe(inner.url)
        add(store, at("a", 2))
        strict = Rounds(store, tmp_path / "access", SubscriptionSettings())
        strict.run(own)
        assert inner.got == []
        assert "not a public address" in strict.now(own).reason
