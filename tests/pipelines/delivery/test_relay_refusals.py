"""Which refusals are an event's own fault: what becomes a dead letter, and what only waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.errors import OutboxUnavailable, SinkRefused, SinkUnavailable
from tests.pipelines.delivery.test_relay_courier import World

GATE = ["a.started", "a.ended"]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.edge.close()


def refusing(wanted: Callable[[dict[str, Any]], bool], words: str = "answered 400: see its log"):
    def answer(event: dict[str, Any]) -> None:
        if wanted(event):
            raise SinkRefused(words)

    return answer


def is_update(event: dict[str, Any]) -> bool:
    return event["data"]["phase"] == "updated"


def is_a(event: dict[str, Any]) -> bool:
    return event["data"]["incident_id"] == "a"


def test_an_event_that_is_refused_while_its_neighbours_pass_becomes_a_dead_letter(world):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run_among_others(60.0)
    assert world.delivered("gate") == GATE
    assert world.dead() == [("recorder", "updated")]
    assert world.courier.counters.dead == 1
    (letter,) = world.edge.outbox.deliveries.dead.listed()
    assert (letter.partition, letter.reason) == ("gate", "answered 400: see its log")


def test_until_it_is_judged_its_camera_waits_and_others_go_on(world):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run_among_others(5.0)
    assert world.delivered("gate") == ["a.started"]
    assert world.delivered("elsewhere") == ["other-1.started"]
    assert world.dead() == []


def test_a_sink_that_refuses_everything_loses_nothing_however_long_it_does(world):
    world.sink.answer = refusing(lambda event: True)
    world.publish("a")
    world.publish("b", "north")
    world.run_among_others(3600.0)
    assert world.dead() == []
    world.sink.answer = lambda event: None
    world.run(600.0)
    assert world.delivered("gate") == ["a.started", "a.updated", "a.ended"]
    assert world.delivered("north") == ["b.started", "b.updated", "b.ended"]
    assert len(world.delivered("elsewhere")) == world.others


def test_a_sink_that_refuses_one_camera_loses_nothing_of_it(world):
    world.sink.answer = refusing(lambda event: event["partitionkey"] == "gate")
    world.publish("a")
    world.publish("b")
    world.run_among_others(1800.0)
    assert world.dead() == []
    world.sink.answer = lambda event: None
    world.run(61.0)
    assert [one[0] for one in world.delivered("gate")] == list("aaabbb")


def test_a_camera_alone_is_judged_by_what_is_behind_the_event_and_by_heartbeats(world):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run(600.0)
    # Without anything else that is accepted nobody can tell.
    assert (world.delivered(), world.dead()) == (["a.started"], [])
    for _ in range(60):
        world.courier.acceptances.note()
        world.run(4.0)
    assert world.delivered() == GATE
    assert world.dead() == [("recorder", "updated")]


def test_heartbeats_that_are_accepted_keep_other_cameras_from_waiting(world):
    world.sink.answer = refusing(is_a)
    world.publish("a")
    for _ in range(200):
        world.courier.acceptances.note()
        world.run(4.0, step_s=4.0)
    failed = world.courier.counters.failed
    while world.courier.counters.failed == failed:
        world.run(1.0, step_s=1.0)
    world.publish("b", "yard")
    world.courier.acceptances.note()
    world.courier.round()
    assert len(world.delivered("yard")) == 3


def test_a_wait_that_the_sink_asked_for_is_kept_whatever_it_accepts_meanwhile(world):
    def busy(event: dict[str, Any]) -> None:
        raise SinkUnavailable("answered 429: its own log says why", retry_after_s=100.0)

    world.sink.answer = busy
    world.publish("a")
    assert world.courier.round() == 100.0
    world.publish("b", "yard")
    world.courier.acceptances.note()
    assert world.courier.round() == 100.0


def test_the_last_event_of_a_camera_waits_as_it_is_in_nobodys_way(world):
    world.sink.answer = refusing(is_a)
    world.publish("a", count=1)
    world.run_among_others(1800.0)
    assert world.dead() == []
    world.publish("b")
    world.run_among_others(120.0)
    assert world.delivered("gate") == ["b.started", "b.updated", "b.ended"]
    assert world.dead() == [("recorder", "started")]


def test_some_bad_events_in_a_row_are_judged_one_after_the_other(world):
    world.sink.answer = refusing(is_a)
    world.publish("a")
    world.publish("b")
    world.run_among_others(3600.0)
    assert world.delivered("gate") == ["b.started", "b.updated", "b.ended"]
    assert [phase for _, phase in world.dead()] == ["started", "updated", "ended"]


def test_a_type_that_the_sink_is_known_not_to_want_holds_nobody_up_again(world):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run_among_others(60.0)
    world.publish("b")
    world.run_among_others(10.0)
    assert world.delivered("gate") == [*GATE, "b.started", "b.ended"]
    world.sink.answer = lambda event: None
    world.publish("c")
    world.run(1.0)
    world.sink.answer = refusing(is_update)
    world.publish("d")
    world.run_among_others(10.0)
    assert world.delivered("gate")[-4:] == ["c.started", "c.updated", "c.ended", "d.started"]


def test_an_event_that_is_taken_late_is_no_dead_letter(world):
    tries = []

    def answer(event: dict[str, Any]) -> None:
        if is_update(event) and len(tries) < 2:
            tries.append(event["id"])
            raise SinkRefused("answered 409: see its log")

    world.sink.answer = answer
    world.publish("a")
    world.run_among_others(120.0)
    assert world.delivered("gate") == ["a.started", "a.updated", "a.ended"]
    assert world.dead() == []


def test_refusals_are_counted_across_restarts(world):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    for _ in range(20):
        world.courier = world.hire()
        world.run_among_others(10.0)
    assert world.delivered("gate") == GATE


def test_restarts_alone_put_no_event_at_fault(world):
    world.sink.answer = refusing(lambda event: True)
    world.publish("a")
    for _ in range(20):
        world.courier = world.hire()
        world.run(10.0)
    world.sink.answer = lambda event: None
    world.run(61.0)
    assert world.delivered() == ["a.started", "a.updated", "a.ended"]


def test_a_sink_that_goes_down_during_the_judgement_loses_nothing(world):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run_among_others(5.0)

    def down(event: dict[str, Any]) -> None:
        raise SinkUnavailable("answered 503: its own log says why")

    world.sink.answer = down
    world.run_among_others(3600.0)
    assert world.dead() == []
    world.sink.answer = lambda event: None
    world.run(200.0)
    assert world.delivered("gate") == ["a.started", "a.updated", "a.ended"]


def run_while_the_disk_refuses(world, monkeypatch, owner: object, written: str) -> int:
    """Rounds in which one kind of writing fails; how many failed."""
    failed = 0

    def full(*_: object) -> None:
        raise OutboxUnavailable("the outbox cannot be used: the disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(owner, written, full)
        for _ in range(10):
            try:
                world.courier.round()
            except OutboxUnavailable:
                failed += 1
            world.courier.acceptances.note()
            world.clock.now_s += 61.0
    return failed


@pytest.mark.parametrize("written", ["bury", "acknowledge"])
def test_what_is_behind_a_dead_letter_arrives_once_while_the_disk_refuses(
    world, monkeypatch, written
):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.courier.round()
    deliveries = world.edge.outbox.deliveries
    assert run_while_the_disk_refuses(world, monkeypatch, deliveries, written) > 5
    assert world.delivered("gate") == GATE
    world.run(1.0)
    assert world.delivered("gate") == GATE
    assert world.dead() == [("recorder", "updated")]
    assert world.courier.counters.dead == 1
    assert deliveries.pending() == 0


def test_a_dead_letter_that_is_sent_again_arrives_once_while_the_disk_refuses(world, monkeypatch):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run_among_others(60.0)
    world.sink.answer = lambda event: None
    dead = world.edge.outbox.deliveries.dead
    assert dead.request_replay() == 1
    assert run_while_the_disk_refuses(world, monkeypatch, dead, "acknowledge") == 10
    world.run(1.0)
    assert world.delivered("gate") == [*GATE, "a.updated"]
    assert dead.listed() == []


def test_a_dead_letter_is_sent_again_on_request(world):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run_among_others(60.0)
    dead = world.edge.outbox.deliveries.dead
    (letter,) = dead.listed()
    assert dead.request_replay(letter.event) == 1
    world.run(1.0)
    (again,) = dead.listed()
    assert not again.replayed
    assert again.at >= letter.at
    world.sink.answer = lambda event: None
    assert dead.request_replay(sink="nobody") == 0
    assert dead.request_replay() == 1
    world.courier = world.hire()
    world.run(1.0)
    assert dead.listed() == []
    assert world.delivered("gate") == [*GATE, "a.updated"]


def test_dead_letters_that_are_sent_to_a_sink_that_is_down_stay(world):
    world.sink.answer = refusing(is_update)
    world.publish("a")
    world.run_among_others(60.0)
    calls = []

    def down(event: dict[str, Any]) -> None:
        calls.append(event["id"])
        raise SinkUnavailable("it cannot be reached")

    world.sink.answer = down
    assert world.edge.outbox.deliveries.dead.request_replay() == 1
    world.run(600.0)
    assert 5 < len(calls) < 30
    assert world.dead() == [("recorder", "updated")]
    world.sink.answer = lambda event: None
    world.run(61.0)
    assert world.dead() == []
