"""Brokers fail as they are told to, and what they have taken is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.chaos.brokers import FailingKafka, FailingMqttBroker
from benchmarks.chaos.oracle import compare
from benchmarks.chaos.outbox_reader import read_outbox
from camera_adapters import BackoffPolicy
from pipelines.delivery.courier import RetryPolicy
from pipelines.delivery.relay import Relay
from pipelines.delivery.sinks.kafka import KafkaSinkSettings
from pipelines.delivery.sinks.mqtt import MqttSinkSettings
from tests.pipelines.delivery.mosquitto import require_mosquitto
from tests.pipelines.delivery.outboxes import Edge, life

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Broker = FailingMqttBroker | FailingKafka
WAIT_S = 30.0
DEADLINE_S = 1.0
RETRY = RetryPolicy(backoff=BackoffPolicy(first_s=0.05, cap_s=0.2))


@pytest.fixture(params=["mqtt", "kafka"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param == "mqtt":
        require_mosquitto()
        mqtt = FailingMqttBroker("mqtt", tmp_path / "mosquitto")
        mqtt.start()
        yield mqtt
        mqtt.stop()
    else:
        kafka = FailingKafka("kafka")
        yield kafka
        kafka.close()


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    edge = Edge(tmp_path / "edge")
    yield edge
    edge.close()


@pytest.fixture
def relay(edge: Edge, broker: Broker) -> Iterator[Relay]:
    settings = MqttSinkSettings if isinstance(broker, FailingMqttBroker) else KafkaSinkSettings
    sink = settings.model_validate({**broker.settings, "deadline_s": DEADLINE_S}).open()
    relay = Relay(edge.outbox, edge.spool, edge.store, [sink], retry=RETRY)
    relay.start()
    yield relay
    relay.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    over_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < over_s
        time.sleep(0.05)


def await_arrivals(edge: Edge, broker: Broker) -> None:
    """Waits until the broker has passed on everything, and compares."""
    content = read_outbox(edge.folder / "outbox.db")
    assert content is not None
    committed = {one.event.id: one for one in content.events}
    assert committed
    wait_until(lambda: {one.event.id for one in broker.arrivals} >= committed.keys())
    found = compare(broker.name, committed, broker.arrivals)
    assert found.is_kept, found


@pytest.mark.parametrize(
    ("fault", "heal"), [("stop", "start"), ("freeze", "thaw"), ("refuse", "accept")]
)
def test_a_broker_takes_nothing_while_it_fails_and_all_of_it_afterwards(
    edge, relay, broker, fault, heal
):
    edge.publish(*life("i-1"))
    await_arrivals(edge, broker)
    getattr(broker, fault)()
    before = len(broker.arrivals)
    edge.publish(*life("i-2", updates=2))
    wait_until(lambda: bool(relay.counters.sinks[0].trouble))
    assert len(broker.arrivals) == before
    getattr(broker, heal)()
    await_arrivals(edge, broker)


def test_brokers_that_come_and_go_are_known_to_the_last_event(edge, relay, broker):
    for number in range(4):
        edge.publish(*life(f"i-{number}", updates=3))
        broker.stop()
        broker.start()
    await_arrivals(edge, broker)
