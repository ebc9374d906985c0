"""The relay's threads together: outages of sink and store, and that one harms nobody else."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from camera_adapters.backoff import BackoffPolicy
from pipelines.delivery.courier import RetryPolicy
from pipelines.delivery.relay import Relay
from pipelines.delivery.sinks.sink import Delivery
from pipelines.delivery.stores.s3 import S3Store
from pipelines.errors import SinkUnavailable
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.outboxes import (
    OPENED,
    Edge,
    Recorder,
    camera,
    http_sink,
    life,
    offline,
)

FAST = RetryPolicy(backoff=BackoffPolicy(first_s=0.02, cap_s=0.1))
WAIT_S = 20.0


@pytest.fixture
def edge(tmp_path):
    edge = Edge(tmp_path)
    yield edge
    edge.close()


@pytest.fixture
def started():
    """Starts relays and stops them at the end."""
    relays: list[Relay] = []

    def start(edge: Edge, *sinks: Any, grace_s: float = WAIT_S, store: Any = None) -> Relay:
        relay = Relay(
            edge.outbox,
            edge.spool,
            store or edge.store,
            sinks,
            blob_grace_s=grace_s,
            retry=FAST,
        )
        relays.append(relay)
        relay.start()
        return relay

    yield start
    for relay in relays:
        relay.stop()


def phases(sink: Recorder, name: str) -> list[str]:
    incidents = [e["data"] for e in sink.events if "incident_id" in e["data"]]
    return [data["phase"] for data in incidents if data["incident_id"] == name]


def test_evidence_arrives_with_the_word(edge, started):
    sink = Recorder()
    relay = started(edge, sink)
    edge.publish(*life())
    edge.recorder.publish_state(offline(), camera())
    sink.wait_count(4)
    for event in sink.events[:3]:
        for frame in event["data"]["keyframes"]:
            assert frame["state"] == "stored"
            assert hashlib.sha256(edge.store.get(frame["key"])).hexdigest() == frame["sha256"]
    relay.stop(WAIT_S)
    counters = relay.counters
    assert (counters.events_delivered, counters.pending) == (4, 0)
    assert (counters.keyframes_stored, counters.keyframes_pending) == (2, 0)
    assert edge.spool.names() == frozenset()


def test_a_sink_that_comes_back_gets_everything_in_order(edge, started):
    up = threading.Event()

    def answer(_: dict[str, Any]) -> None:
        if not up.is_set():
            raise SinkUnavailable("down")

    sink, other = Recorder("down", answer), Recorder("up")
    relay = started(edge, sink, other)
    for number in range(5):
        edge.publish(*life(f"i-{number}", f"camera-{number % 2}"))
    other.wait_count(15)
    assert sink.bodies == []
    assert relay.counters.pending >= 15
    up.set()
    sink.wait_count(15)
    for number in range(5):
        assert phases(sink, f"i-{number}") == ["started", "updated", "ended"]


def test_a_store_that_is_down_delays_events_by_the_grace_period_only(edge, started):
    sink = Recorder()
    edge.store.down = True
    started(edge, sink, grace_s=0.2)
    edge.publish(*life(updates=0)[:1])
    sink.wait_count(1)
    (first,) = sink.events
    assert [frame["state"] for frame in first["data"]["keyframes"]] == ["pending"]
    edge.store.down = False
    sink.wait_count(2)
    revised = sink.events[1]
    assert revised["data"]["revision"] == 2
    (frame,) = revised["data"]["keyframes"]
    assert frame["state"] == "stored"
    assert hashlib.sha256(edge.store.get(frame["key"])).hexdigest() == frame["sha256"]


def test_a_sink_that_hangs_delays_neither_the_store_nor_another_sink(edge, started):
    release = threading.Event()

    def answer(_: dict[str, Any]) -> None:
        release.wait(WAIT_S)

    hung = Recorder("hung", answer)
    other = Recorder("other")
    started(edge, hung, other)
    edge.publish(*life())
    other.wait_count(3)
    assert hung.bodies == []
    release.set()
    hung.wait_count(3)


def test_a_lost_acknowledgement_is_a_duplicate_with_the_same_id_and_bytes(edge, started):
    taken: list[bytes] = []

    class Amnesiac(Recorder):
        def deliver(self, delivery: Delivery) -> None:
            super().deliver(delivery)
            taken.append(delivery.body)
            if len(taken) == 1:
                raise SinkUnavailable("the answer was lost on its way")

    sink = Amnesiac()
    started(edge, sink)
    edge.publish(*life(), value=None)
    sink.wait_count(4)
    assert sink.ids[0] == sink.ids[1]
    assert sink.bodies[0] == sink.bodies[1]
    assert len(set(sink.ids)) == 3


def test_a_relay_picks_up_what_its_predecessor_left(edge, tmp_path, started):
    edge.publish(*life())
    edge.close()
    again = Edge(tmp_path)
    sink = Recorder()
    relay = started(again, sink)
    sink.wait_count(3)
    assert {frame["state"] for e in sink.events for frame in e["data"]["keyframes"]} == {"stored"}
    relay.stop(WAIT_S)
    again.close()


def test_an_upload_that_was_not_noted_down_is_not_a_loss(edge, started):
    edge.publish(*life()[:1])
    blob = edge.outbox.next_blob()
    assert blob is not None
    frame = blob
    edge.store.put(frame.key, edge.spool.read(blob.name, frame.sha256), frame.sha256, "image/jpeg")
    edge.spool.remove(blob.name)
    sink = Recorder()
    relay = started(edge, sink)
    sink.wait_count(1)
    assert [each["state"] for each in sink.events[0]["data"]["keyframes"]] == ["stored"]
    relay.stop(WAIT_S)
    assert relay.counters.keyframes_lost == 0


def test_a_spooled_image_that_was_damaged_is_not_passed_off_as_evidence(edge, tmp_path, started):
    edge.publish(*life("damaged")[:1])
    edge.publish(*life("gone")[:1])
    damaged, gone = sorted(
        (tmp_path / "spool").glob("*.jpg"), key=lambda path: path.stat().st_mtime_ns
    )
    damaged.write_bytes(b"half a pict")
    gone.unlink()
    edge.publish(*life("good")[:1])
    sink = Recorder()
    relay = started(edge, sink)
    sink.wait_count(3)
    shown = {e["data"]["incident_id"]: len(e["data"]["keyframes"]) for e in sink.events}
    assert shown == {"damaged": 0, "gone": 0, "good": 1}
    relay.stop(WAIT_S)
    assert relay.counters.keyframes_lost == 2


def test_a_store_that_is_mistaken_about_one_image_still_gets_the_others(edge, started):
    class Allergic(type(edge.store)):  # type: ignore[misc]
        def put(self, key: str, data: bytes, sha256: str, media_type: str) -> None:
            if "/allergy/" in key:
                raise ZeroDivisionError
            super().put(key, data, sha256, media_type)

    sink = Recorder()
    relay = started(edge, sink, store=Allergic(edge.folder / "other"))
    edge.publish(*life("bad", "allergy")[:1])
    edge.publish(*life("good", "gate")[:1])
    sink.wait_count(1)
    assert sink.events[0]["data"]["incident_id"] == "good"
    assert relay.counters.keyframes_failed >= 1


def test_stopping_delivers_what_is_there(edge, started):
    sink = Recorder()
    relay = started(edge, sink)
    for number in range(10):
        edge.publish(*life(f"i-{number}"))
    relay.stop(WAIT_S)
    assert len(sink.bodies) == 30


def test_stopping_does_not_wait_for_a_sink_that_is_down(edge, started):
    def answer(_: dict[str, Any]) -> None:
        raise SinkUnavailable("down")

    sink = Recorder("down", answer)
    relay = started(edge, sink)
    edge.publish(*life(), value=None)
    sink.wait_for(lambda: relay.counters.events_failed > 0)
    relay.stop(0.1)
    assert relay.counters.pending == 3
    assert not [t for t in threading.enumerate() if t.name.startswith("relay-")]


def test_the_counters_can_be_read_after_everything_was_closed(edge, started):
    def answer(_: dict[str, Any]) -> None:
        raise SinkUnavailable("down")

    relay = started(edge, Recorder("down", answer))
    edge.publish(*life(), value=None)
    relay.stop()
    assert relay.counters.pending == 3
    edge.close()
    assert relay.counters.pending == 3


def test_many_threads_publish_while_the_relay_works(edge, started):
    sink = Recorder()
    started(edge, sink)

    def incidents(at: str) -> None:
        for number in range(10):
            edge.publish(*life(f"{at}-{number}", at))

    def states(at: str) -> None:
        for number in range(10):
            change = offline(at, OPENED + timedelta(seconds=number))
            edge.recorder.publish_state(change, camera(at))

    threads = [
        threading.Thread(target=work, args=(at,))
        for at in ("north", "south")
        for work in (incidents, states)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.wait_count(80)
    assert len(set(sink.ids)) == 80
    for at in ("north", "south"):
        sequences = [e["sequence"] for e in sink.events if e["partitionkey"] == at]
        assert sequences == sorted(sequences)
        for number in range(10):
            assert phases(sink, f"{at}-{number}") == ["started", "updated", "ended"]


def test_two_sinks_of_one_name_are_refused(edge):
    with pytest.raises(ValueError, match="same name"):
        Relay(edge.outbox, edge.spool, edge.store, [Recorder("a"), Recorder("a")])


@pytest.mark.integration
def test_the_whole_way_over_http_and_s3(edge, started, s3_server):
    receiver = Receiver(status=503)
    store = S3Store(s3_server.settings("whole-way"))
    try:
        relay = started(edge, http_sink(receiver.url, secret="whsec_" + "QUJD" * 8), store=store)
        edge.publish(*life())
        receiver.status = 202
        relay.stop(60.0)
        assert relay.counters.pending == 0
        assert relay.counters.keyframes_stored == 2
        assert len(receiver.deliveries) >= len(life())
        assert all("webhook-signature" in delivery.headers for delivery in receiver.deliveries)
        assert {delivery.headers["webhook-id"] for delivery in receiver.deliveries} == {
            json.loads(delivery.body)["id"] for delivery in receiver.deliveries
        }
    finally:
        receiver.close()
