"""What health says of a sink: why, since when and how much waits, and nothing while it works."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.delivery.courier import RetryPolicy
from pipelines.delivery.relay import Relay
from pipelines.delivery.sink_state import SinkState, SinkWatch, city_sinks
from pipelines.delivery.sinks.sink import Delivery
from pipelines.errors import SinkRefused
from tests.pipelines.delivery.outboxes import Clock, Edge, Recorder, life
from tests.pipelines.delivery.test_relay import FAST

BEAT = Delivery(0, 0, "beat", "worker-0", b"{}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock) -> SinkWatch:
    return SinkWatch(clock, clock)


def test_a_sink_that_takes_events_has_no_trouble(watch):
    watch.begins()
    watch.ends()
    watch.accepted("gate")
    state = watch.state("hub")
    assert (state.delivered, state.trouble, state.problems) == (1, "", ())


def test_a_sink_that_takes_nothing_says_since_when_and_why(watch, clock):
    watch.accepted("gate")
    clock.now_s += 10.0
    watch.failed("gate", "answered 401: check its URL and its token")
    clock.now_s += 60.0
    watch.failed("yard", "answered 403: check its URL and its token")
    state = watch.state("hub")
    assert state.trouble == (
        "sink hub takes no events since 1970-01-01 00:16:50 UTC:"
        " answered 403: check its URL and its token; events that wait: 0"
    )
    watch.accepted("gate")
    watch.accepted("yard")
    assert watch.state("hub").trouble == ""


def test_a_sink_that_takes_others_names_the_cameras(watch, clock):
    for camera in ("e", "d", "c", "b", "a"):
        watch.failed(camera, "answered 422: its own log says why")
        clock.now_s += 1.0
    watch.accepted("z")
    assert " of camera a, b, c, d and 1 more since " in watch.state("hub").trouble


def test_a_delivery_that_hangs_is_told_before_it_has_failed(watch, clock):
    watch.begins()
    clock.now_s += 4.0
    assert watch.state("hub").trouble == ""
    clock.now_s += 2.0
    assert "it has not answered yet" in watch.state("hub").trouble
    watch.ends()
    assert watch.state("hub").trouble == ""


def test_the_sinks_of_all_workers_are_put_together():
    since = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    worse = SinkState("hub", 1, 2, 30, 1, 1, "answered 400: see its log", since)
    other = SinkState("hub", 10, 0, 4, 0, 0, "answered 422", since, ("gate",))
    fine = SinkState("hub", 5, 0, 0)
    (both,) = city_sinks([fine, other, worse])
    assert (both.delivered, both.failed, both.pending, both.dead) == (16, 2, 34, 1)
    assert both.trouble.startswith("sink hub takes no events since 2026-03-04 05:06:07 UTC")
    assert "answered 400" in both.trouble
    assert both.problems[1].startswith("sink hub refused events for good within the last day: 1;")
    assert [one.name for one in city_sinks([fine, SinkState("city")])] == ["hub", "city"]


def test_a_relay_counts_what_waits_and_what_is_dead_by_sink(tmp_path):
    def answer(event):
        if event["data"]["phase"] == "updated":
            raise SinkRefused("answered 400: see its log")

    edge = Edge(tmp_path)
    picky, well = Recorder("picky", answer), Recorder("well")
    policy = RetryPolicy(FAST.backoff, max_refusals=2)
    relay = Relay(edge.outbox, edge.spool, edge.store, [picky, well], retry=policy)
    relay.start()
    try:
        edge.publish(*life(), value=None)
        well.wait_count(3)
        picky.wait_for(lambda: relay.counters.events_refused > 2)
        (waiting, behind) = relay.waiting(10)
        assert (waiting.sink, waiting.reason) == ("picky", "answered 400: see its log")
        assert (waiting.is_next, behind.is_next, behind.reason) == (True, False, "")
        assert waiting.type == "cityeye.incident.updated"
        # What a heartbeat shows: it takes others.
        beats = relay.witnessed(Recorder("picky"))
        picky.wait_for(lambda: beats.deliver(BEAT) or len(picky.bodies) == 2)
        relay.stop(20.0)
        states = {one.name: one for one in relay.counters.sinks}
        assert (states["picky"].dead, states["picky"].pending) == (1, 0)
        assert (states["well"].dead, states["well"].delivered) == (0, 3)
        assert relay.counters.dead == 1
    finally:
        relay.stop()
        edge.close()
