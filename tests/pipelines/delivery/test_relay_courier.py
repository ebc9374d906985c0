"""One sink's courier on a clock that the test moves: who waits, who goes on, what is given up."""

from __future__ import annotations

from typing import Any

import pytest

from camera_adapters.backoff import BackoffPolicy
from pipelines.delivery.courier import Courier, RetryPolicy
from pipelines.delivery.outbox import Outbox
from pipelines.errors import SinkRefused, SinkUnavailable
from tests.pipelines.delivery.outboxes import Clock, Edge, Recorder, life

STEADY = BackoffPolicy(first_s=1.0, cap_s=60.0, spread=0.0)
POLICY = RetryPolicy(backoff=STEADY, max_refusals=3, breaker_threshold=5)


class World:
    """An outbox, one sink and a courier between them."""

    def __init__(self, folder) -> None:
        self.clock = Clock()
        self.edge = Edge(folder, Outbox(folder / "outbox.db", monotonic=self.clock))
        self.sink = Recorder()
        self.edge.outbox.deliveries.register([self.sink.name])
        self.courier = self.hire()
        self.others = 0

    def hire(self) -> Courier:
        deliveries = self.edge.outbox.deliveries
        return Courier(self.sink, deliveries, 30.0, POLICY, self.clock, lambda: 0.5)

    def publish(self, name: str, at: str = "gate", count: int = 3) -> None:
        self.edge.publish(*life(name, at)[:count], value=None)

    def run(self, seconds: float, step_s: float = 0.5) -> None:
        """Rounds until the clock has moved so far."""
        until_s = self.clock.now_s + seconds
        while self.clock.now_s < until_s:
            self.courier.round()
            self.clock.now_s += step_s
        self.courier.round()

    def delivered(self, at: str | None = None) -> list[str]:
        return [
            f"{event['data']['incident_id']}.{event['data']['phase']}"
            for event in self.sink.events
            if at in (None, event["partitionkey"])
        ]

    def run_among_others(self, seconds: float) -> None:
        """Rounds while another camera's events are published, a new one every five seconds."""
        for _ in range(int(seconds / 5)):
            self.others += 1
            self.publish(f"other-{self.others}", "elsewhere", 1)
            self.run(5.0)

    def dead(self) -> list[tuple[str | None, str]]:
        """Sink and phase of each dead letter."""
        letters = self.edge.outbox.deliveries.dead.listed()
        return [(letter.sink, letter.type.rpartition(".")[2]) for letter in letters]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.edge.close()


def refusing(*phases: str):
    """Answers no to events of these phases."""

    def answer(event: dict[str, Any]) -> None:
        if event["data"]["phase"] in phases:
            raise SinkRefused("400")

    return answer


def test_nothing_to_do_is_no_wait(world):
    assert world.courier.round() is None
    world.publish("a")
    assert world.courier.round() is None
    assert world.delivered() == ["a.started", "a.updated", "a.ended"]
    assert world.courier.counters.delivered == 3


def test_a_failing_camera_waits_longer_each_time_and_holds_back_no_other(world):
    attempts = []

    def answer(event: dict[str, Any]) -> None:
        if event["partitionkey"] == "north":
            attempts.append(world.clock.now_s - 1000.0)
            raise SinkUnavailable("503")

    world.sink.answer = answer
    world.publish("a", "north")
    for number in range(15):
        world.publish(f"b{number}", "south", 1)
        world.run(1.0, step_s=1.0)
    assert attempts == [0.0, 1.0, 3.0, 7.0, 15.0]
    assert len(world.delivered("south")) == 15
    assert world.delivered("north") == []


def test_a_failure_never_changes_the_order_of_a_camera(world):
    answers = iter([None, SinkUnavailable("503"), None, SinkUnavailable("503"), None, None])

    def answer(_: dict[str, Any]) -> None:
        if (trouble := next(answers, None)) is not None:
            raise trouble

    world.sink.answer = answer
    world.publish("a")
    world.publish("b")
    world.run(10.0)
    assert world.delivered() == [f"{i}.{p}" for i in "ab" for p in ("started", "updated", "ended")]


def test_no_number_of_passing_failures_makes_a_dead_letter(world):
    down = True

    def answer(_: dict[str, Any]) -> None:
        if down:
            raise SinkUnavailable("503")

    world.sink.answer = answer
    world.publish("a")
    world.run(3600.0, step_s=5.0)
    assert world.courier.counters.failed > 30
    assert world.dead() == []
    down = False
    world.run(60.0)
    assert len(world.delivered()) == 3


def test_a_sink_that_is_down_is_probed_with_one_event_at_a_time(world):
    asked = []

    def answer(event: dict[str, Any]) -> None:
        asked.append(event["partitionkey"])
        raise SinkUnavailable("503")

    world.sink.answer = answer
    for number in range(20):
        world.publish(f"i{number}", f"camera-{number:02}", 1)
    world.courier.round()
    assert len(asked) == 5  # Then the breaker opens.
    world.run(30.0, step_s=1.0)
    # Probes after 1, 3, 7, 15 seconds, each with another camera.
    assert len(asked) == 5 + 4
    assert len(set(asked)) == len(asked)


def test_all_cameras_go_on_as_soon_as_one_probe_comes_through(world):
    down = True

    def answer(_: dict[str, Any]) -> None:
        if down:
            raise SinkUnavailable("503")

    world.sink.answer = answer
    for number in range(8):
        world.publish(f"i{number}", f"camera-{number}", 1)
    world.run(1200.0)
    down = False
    while not world.delivered():
        world.run(0.5)
    world.courier.round()
    assert len(world.delivered()) == 8


def test_one_bad_camera_cannot_keep_a_sink_closed(world):
    def answer(event: dict[str, Any]) -> None:
        if event["partitionkey"] == "camera-0":
            raise SinkUnavailable("500 for ever")

    world.sink.answer = answer
    for number in range(4):
        world.publish(f"i{number}", f"camera-{number}", 1)
    world.run(600.0)
    for number in range(4):
        world.publish(f"j{number}", f"camera-{number}", 1)
    world.run(61.0)
    assert {event["partitionkey"] for event in world.sink.events} == {
        "camera-1",
        "camera-2",
        "camera-3",
    }
    assert len(world.delivered()) == 6


def test_a_wait_that_the_sink_asks_for_holds_for_all_cameras(world):
    asked = []

    def answer(event: dict[str, Any]) -> None:
        asked.append(world.clock.now_s - 1000.0)
        if len(asked) == 1:
            raise SinkUnavailable("429", retry_after_s=20.0)

    world.sink.answer = answer
    world.publish("a", "north", 1)
    world.publish("b", "south", 1)
    assert world.courier.round() == 20.0
    world.run(19.0)
    assert asked == [0.0]
    world.run(2.0)
    assert asked == [0.0, 20.0, 20.0]


def test_a_mistake_in_a_sink_is_a_failure_like_others(world):
    faults = iter([ZeroDivisionError(), KeyError("x")])

    def answer(_: dict[str, Any]) -> None:
        if (fault := next(faults, None)) is not None:
            raise fault

    world.sink.answer = answer
    world.publish("a")
    world.run(10.0)
    assert len(world.delivered()) == 3
    assert world.courier.counters.failed == 2


def test_a_long_backlog_of_one_camera_lets_the_others_have_their_turn(world):
    for number in range(40):
        world.publish(f"a{number}", "busy")
    world.publish("b", "quiet", 1)
    assert world.courier.round() == 0.0
    assert world.delivered("quiet") == ["b.started"]
    assert 0 < len(world.delivered("busy")) < 120
    world.run(5.0)
    assert len(world.delivered("busy")) == 120
