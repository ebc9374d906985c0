"""What every sink promises, held against real servers of every kind.

An HTTP receiver, librdkafka's mock cluster and Debian's mosquitto. Each is killed, stalled and made
to refuse everything; whatever it had acknowledged is there, all of it arrives, in order per camera.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pipelines.delivery.heartbeat import Heartbeats
from pipelines.delivery.relay import Relay
from pipelines.delivery.sinks.mqtt import MqttSinkSettings
from pipelines.delivery.sinks.sink import Delivery
from pipelines.errors import SinkError, SinkRefused, SinkUnavailable
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.mosquitto import ReadBroker, retained
from tests.pipelines.delivery.sink_sides import (
    FAST,
    WAIT_S,
    HttpSide,
    KafkaSide,
    MqttSide,
    OtherSide,
    World,
)
from tests.pipelines.delivery.test_heartbeat import online


class SinkContract:
    """Sub-classes give the other side."""

    @pytest.fixture
    def side(self) -> OtherSide:
        raise NotImplementedError

    @pytest.fixture
    def world(self, side, tmp_path) -> Iterator[World]:
        world = World(tmp_path / "edge", side)
        yield world
        world.edge.close()
        side.close()

    def test_everything_arrives_in_order_per_camera(self, world):
        world.publish(10)
        world.run(world.courier())
        world.check()
        ids = [event["id"] for event in world.side.received()]
        assert len(ids) == len(set(ids))

    def test_the_bytes_arrive_as_they_are_in_the_outbox(self, world):
        world.publish()
        world.run(world.courier())
        (first, *_) = world.side.received()
        assert first["specversion"] == "1.0"
        assert first["data"]["camera"]["name"] == "The gate"

    def test_what_is_acknowledged_is_there(self, world):
        courier = world.courier()
        world.publish()
        for count in range(1, 4):
            delivery = world.edge.outbox.deliveries.next(courier.sink.name, "gate", 0.0)
            courier.sink.deliver(delivery)
            world.edge.outbox.deliveries.acknowledge(courier.sink.name, delivery)
            assert len({event["id"] for event in world.side.received()}) == count

    def test_a_server_that_was_killed_gets_the_rest_when_it_is_back(self, world):
        courier = world.courier(deadline_s=1.0)
        world.publish(3)
        world.run(courier)
        world.side.kill()
        world.publish(3)
        world.run(courier, lambda: courier.counters.failed >= 3)
        assert courier.watch.state("").trouble
        world.side.restart()
        world.run(courier)
        world.check()

    def test_a_server_that_is_killed_in_the_midst_loses_nothing(self, world):
        courier = world.courier(deadline_s=1.0)
        world.publish(60)
        failed = threading.Event()

        def deliver() -> None:
            while not courier.counters.failed and not world.edge.outbox.deliveries.idle():
                courier.round()
            failed.set()

        thread = threading.Thread(target=deliver)
        thread.start()
        while courier.counters.delivered < 30:
            time.sleep(0.001)
        world.side.kill()
        assert failed.wait(WAIT_S)
        thread.join()
        world.side.restart()
        world.run(courier)
        world.check()

    def test_a_server_that_refuses_everything_and_is_then_well_gets_everything(self, world):
        courier = world.courier(deadline_s=1.0)
        world.publish(2)
        world.side.refuse()
        answered = lambda: courier.watch.state("").reason.startswith("answered ")  # noqa: E731
        # A server that is busy may also answer too late once.
        world.run(courier, lambda: courier.counters.failed >= 8 and answered())
        assert courier.counters.delivered == 0
        world.publish(2)
        world.side.accept()
        world.run(courier)
        world.check()

    def test_a_server_that_stalls_is_given_up_at_the_deadline(self, world):
        sink = world.side.settings(deadline_s=1.0).open()
        courier = world.courier(deadline_s=1.0)
        world.publish()
        world.run(courier)
        world.side.stall()
        world.publish()
        delivery = world.edge.outbox.deliveries.next(courier.sink.name, "gate", 0.0)
        assert isinstance(delivery, Delivery)
        for one in (sink, courier.sink):
            began_s = time.monotonic()
            with pytest.raises(SinkUnavailable):
                one.deliver(delivery)
            # Long before the server would answer.
            assert time.monotonic() - began_s < 15.0
        world.side.go_on()
        world.run(courier)
        world.check()

    def test_heartbeats_are_neither_stored_nor_sent_later(self, world):
        sink = world.side.settings(deadline_s=0.5).open()
        outbox = world.edge.outbox
        outbox.deliveries.register([sink.name])
        hearts = Heartbeats(
            "worker-1", "Neustadt", outbox, lambda: online("gate"), [sink], every_s=0.05
        )
        hearts.start()
        wait_until(lambda: len(world.side.received()) > 3)
        world.side.stall()
        time.sleep(2.0)
        world.side.go_on()
        before = len(world.side.received())
        wait_until(lambda: len(world.side.received()) > before + 3)
        hearts.stop()
        beats = [event["data"]["beat"] for event in world.side.received()]
        assert beats == sorted(beats)
        # Those of the stall are gone but for the few that were under way.
        assert beats[-1] - len(set(beats)) > 10
        assert outbox.deliveries.pending() == 0

    def test_a_fault_says_what_to_do_and_no_secret(self, world):
        world.side.kill()
        settings = world.side.settings(deadline_s=0.5)
        world.publish()
        courier = world.courier(deadline_s=0.5)
        delivery = world.edge.outbox.deliveries.next(courier.sink.name, "gate", 0.0)
        with pytest.raises(SinkError, match="check") as caught:
            settings.open().deliver(delivery)
        assert "hunter2" not in f"{settings!r} {caught.value!r}"
        world.side.restart()


def wait_until(condition: Callable[[], bool]) -> None:
    over_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < over_s
        time.sleep(0.05)


class TestHttpSink(SinkContract):
    @pytest.fixture
    def side(self) -> OtherSide:
        return HttpSide()


@pytest.mark.integration
class TestKafkaSink(SinkContract):
    @pytest.fixture
    def side(self) -> OtherSide:
        return KafkaSide()

    def test_messages_are_structured_cloud_events(self, world):
        world.publish()
        world.run(world.courier())
        assert {headers["content-type"] for _, _, headers in world.side.cluster.messages()} == {
            b"application/cloudevents+json; charset=utf-8"
        }

    def test_a_message_that_is_too_large_may_be_the_fault_of_the_event(self, world):
        courier = world.courier()
        huge = json.dumps({"source": "s", "type": "t", "x": "y" * 2_000_000}).encode()
        with pytest.raises(SinkRefused, match="64 KiB"):
            courier.sink.deliver(Delivery(1, 0, "e-1", "gate", huge))

    def test_a_broker_that_finds_a_message_too_large_may_mean_the_event(self, world):
        courier = world.courier()
        world.side.cluster.refuse(1, error=10)
        with pytest.raises(SinkRefused, match="64 KiB"):
            courier.sink.deliver(delivery())
        courier.sink.deliver(delivery())

    @pytest.mark.parametrize("deadline_s", [0.05, 0.3])
    def test_a_deadline_shorter_than_the_start_of_a_producer_is_no_end(self, world, deadline_s):
        """Brokers give a producer its number after half a second; it goes on waiting for it."""
        courier = world.courier(deadline_s)
        world.publish(2)
        world.side.refuse()
        world.run(courier, lambda: courier.counters.failed >= 4)
        world.side.accept()
        world.run(courier)
        world.side.kill()
        world.publish(2)
        world.run(courier, lambda: courier.counters.failed >= 8)
        world.side.restart()
        world.run(courier)
        world.check()

    def test_many_restarts_of_the_broker_lose_nothing(self, world):
        courier = world.courier(deadline_s=2.0)
        for _ in range(5):
            world.publish(4)
            courier.round()
            world.side.kill()
            courier.round()
            world.side.restart()
        world.run(courier)
        world.check()


@pytest.mark.integration
class TestMqttSink(SinkContract):
    @pytest.fixture
    def side(self, tmp_path) -> OtherSide:
        return MqttSide(tmp_path)

    def test_messages_say_what_they_are(self, world):
        world.publish()
        world.run(world.courier())
        world.side.broker.settle()
        for message in world.side.broker.messages:
            assert message.qos == 1
            assert message.properties.ContentType == "application/cloudevents+json; charset=utf-8"
            assert message.properties.PayloadFormatIndicator == 1

    def test_nothing_stays_in_the_broker(self, world):
        world.publish()
        world.run(world.courier())
        assert retained(world.side.broker.port) == []

    def test_the_topic_is_made_as_the_configuration_says(self, world):
        topic = "eye/{camera}/{type}/{subject}"
        settings = MqttSinkSettings(url=world.side.broker.url, username="writer", topic=topic)
        settings.open().deliver(delivery(camera="a+b/#c"))
        world.side.broker.settle()
        (message,) = world.side.broker.messages
        assert message.topic == "eye/a%2Bb%2F%23c/cityeye.camera.state/a%2Bb"

    def test_a_broker_with_a_small_limit_may_mean_the_event(self, tmp_path):
        (tmp_path / "small").mkdir()
        broker = ReadBroker(tmp_path / "small", "max_packet_size 2000")
        try:
            sink = MqttSinkSettings(url=broker.url, username="writer").open()
            sink.deliver(delivery())
            with pytest.raises(SinkRefused, match="64 KiB"):
                sink.deliver(delivery(size=4000))
            sink.deliver(delivery())
        finally:
            broker.close()

    def test_a_login_that_is_refused_is_called_so(self, tmp_path):
        (tmp_path / "strict").mkdir()
        (tmp_path / "strict" / "passwords").write_text("")
        lines = ("allow_anonymous false", f"password_file {tmp_path}/strict/passwords")
        broker = ReadBroker(tmp_path / "strict", *lines, subscribed=False)
        try:
            sink = MqttSinkSettings(url=broker.url, username="writer", password="hunter2").open()
            with pytest.raises(SinkUnavailable, match="check `username`, `password`"):
                sink.deliver(delivery())
        finally:
            broker.close()

    def test_a_server_that_speaks_something_else_is_given_up(self):
        receiver = Receiver()
        try:
            url = f"mqtt://127.0.0.1:{receiver.port}"
            with pytest.raises(SinkUnavailable):
                MqttSinkSettings(url=url, deadline_s=1.0).open().deliver(delivery())
        finally:
            receiver.close()


def delivery(camera: str = "gate", size: int = 0) -> Delivery:
    attributes = {
        "source": "cityeye/Neustadt/gate",
        "type": "cityeye.camera.state",
        "subject": "a+b",
        "data": "x" * size,
    }
    return Delivery(1, 0, "e-1", camera, json.dumps(attributes).encode())


@pytest.mark.integration
def test_one_city_with_sinks_of_every_kind(tmp_path):
    """The relay's threads, and one sink that is down meanwhile."""
    sides: list[OtherSide] = [HttpSide(), KafkaSide(), MqttSide(tmp_path)]
    world = World(tmp_path / "edge", sides[0])
    sides[1].kill()
    sinks = [side.settings(deadline_s=1.0).open() for side in sides]
    edge = world.edge
    relay = Relay(edge.outbox, edge.spool, edge.store, sinks, retry=FAST)
    relay.start()
    try:
        world.publish(5)
        by_name = lambda: {one.name: one.pending for one in relay.counters.sinks}  # noqa: E731
        wait_until(lambda: [by_name()[sinks[0].name], by_name()[sinks[2].name]] == [0, 0])
        assert by_name()[sinks[1].name] == 45
        sides[1].restart()
        wait_until(lambda: by_name()[sinks[1].name] == 0)
        for world.side in sides:
            world.check()
    finally:
        relay.stop()
        edge.close()
        for side in sides:
            side.close()
