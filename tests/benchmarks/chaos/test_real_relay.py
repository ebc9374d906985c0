"""The oracle against the real outbox, relay and HTTP sink, healthy and broken on purpose."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from benchmarks.chaos.oracle import SinkFindings, compare, wrong_links
from benchmarks.chaos.outbox_reader import read_outbox
from benchmarks.chaos.receivers import WAYS, FailingReceiver
from camera_adapters import BackoffPolicy
from pipelines.delivery.courier import RetryPolicy
from pipelines.delivery.relay import Relay
from pipelines.delivery.sinks.http import HttpSink
from pipelines.delivery.sinks.sink import Delivery
from pipelines.errors import KeyframeMissing
from tests.pipelines.delivery.outboxes import Edge, http_sink, life

pytestmark = pytest.mark.slow

RETRY = RetryPolicy(backoff=BackoffPolicy(first_s=0.01, cap_s=0.05), breaker_threshold=100)
DRAIN_S = 20.0


@dataclass
class BrokenSink:
    """A sink of which one delivery goes wrong: lost, altered, or later than the ones after it."""

    sink: HttpSink
    wrong: str
    number: int = 0
    late: list[Delivery] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.sink.name

    def deliver(self, delivery: Delivery) -> None:
        self.number += 1
        if self.number == 2 and self.wrong == "lost":
            return
        if self.number == 2 and self.wrong == "late":
            self.late.append(delivery)
            return
        if self.number == 2 and self.wrong == "altered":
            delivery = replace(delivery, body=delivery.body.replace(b"square", b"circle"))
        if self.number == 2 and self.wrong == "invented":
            other = delivery.body.replace(delivery.event.encode(), b"0" * len(delivery.event))
            self.sink.deliver(replace(delivery, body=other))
        self.sink.deliver(delivery)
        while self.late:
            self.sink.deliver(self.late.pop())


@pytest.fixture
def receiver() -> Iterator[FailingReceiver]:
    one = FailingReceiver("moody")
    one.start()
    yield one
    one.heal()
    one.stop()


def run(folder: Path, receiver: FailingReceiver, way: str = "", wrong: str = "") -> SinkFindings:
    """Publishes two incidents while the receiver fails for a while, and compares."""
    edge = Edge(folder)
    sink = http_sink(receiver.url, read_timeout_s=0.3)
    relay = Relay(
        edge.outbox, edge.spool, edge.store, [BrokenSink(sink, wrong) if wrong else sink],
        retry=RETRY,
    )  # fmt: skip
    if way:
        receiver.fail(way)
    healing = threading.Timer(0.7, receiver.heal)
    healing.start()
    relay.start()
    edge.publish(*life("i-1"), *life("i-2", updates=2))
    time.sleep(0.1)
    healing.join()
    relay.stop(drain_s=DRAIN_S)
    edge.close()
    content = read_outbox(folder / "outbox.db")
    assert content is not None
    assert len(content.events) == 7
    committed = {one.event.id: one for one in content.events}

    def stored(key: str) -> bytes | None:
        try:
            return edge.store.get(key)
        except KeyframeMissing:
            return None

    assert not wrong_links(receiver.arrivals, stored)
    return compare("moody", committed, receiver.arrivals)


@pytest.mark.parametrize("way", ["", "500", "404", *WAYS])
def test_whatever_a_receiver_does_for_a_while_everything_arrives(tmp_path, receiver, way):
    found = run(tmp_path, receiver, way)
    assert found.is_kept, found
    assert (found.duplicates > 0) is (way == "lose answer")


@pytest.mark.parametrize(
    ("wrong", "finding"),
    [
        ("lost", "lost"),
        ("altered", "phantoms"),
        ("invented", "phantoms"),
        ("late", "disordered"),
    ],
)
def test_a_relay_that_does_wrong_is_found_out(tmp_path, receiver, wrong, finding):
    found = run(tmp_path, receiver, wrong=wrong)
    assert not found.is_kept
    assert len(getattr(found, finding)) == 1
