"""An outbox of a worker that is no more: kept trying, counted, and let go when it is needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.delivery.outbox import Outbox
from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.errors import OutboxInUse
from serving.city_plan import OUTBOX_FILE, DeliveryPlan
from serving.left_over import LeftOverOutboxes
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.outboxes import Edge, life

WAIT_S = 30.0


def wait_for(holds: Callable[[], object]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.05)


@pytest.mark.integration
def test_it_waits_for_a_receiver_that_is_away_and_gives_way_to_a_worker(tmp_path: Path) -> None:
    folder = tmp_path / "worker-3"
    edge = Edge(folder, Outbox(folder / OUTBOX_FILE))
    edge.publish(*life(), value=None)
    edge.close()
    receiver = Receiver(status=400)
    delivery = DeliveryPlan(
        keyframes=KeyframeSettings(folder=tmp_path / "keyframes"),
        sinks=(HttpSinkSettings(url=receiver.url, name="hub"),),
        state=tmp_path,
    )
    try:
        left = LeftOverOutboxes(delivery, "Neustadt", {"worker-0"})
        left.start()
        wait_for(left.notes)
        assert left.notes() == {
            "worker-3": "worker-3 is no worker any more, and events of it wait: 3"
        }
        wait_for(lambda: left.pending_events(1)[0].reason)
        assert len(left.pending_events(10)) == 3
        assert left.dead_letters(10) == []
        with pytest.raises(OutboxInUse):
            Outbox(folder / OUTBOX_FILE)
        left.release("worker-3")
        Outbox(folder / OUTBOX_FILE).close()
        assert left.notes() == {}

        receiver.status = 204
        again = LeftOverOutboxes(delivery, "Neustadt", {"worker-0"})
        again.start()
        wait_for(lambda: len(receiver.accepted) == 3)
        wait_for(lambda: not again.notes())
        again.stop()
    finally:
        receiver.close()
