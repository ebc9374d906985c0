"""Brokers of events that fail, each with a reader that notes what they pass on.

What a broker has taken is what its reader got from it. An MQTT broker without a reader forgets what
it acknowledges, so nobody may write before the reader is there.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.chaos.listening_ports import free_port
from benchmarks.chaos.records import SinkArrival, read_event
from benchmarks.errors import BenchmarkError
from benchmarks.kafka_cluster import KafkaCluster
from benchmarks.mosquitto import READER, WRITER, Mosquitto

if TYPE_CHECKING:
    from confluent_kafka import Consumer
    from paho.mqtt.client import Client, MQTTMessage

START_S: Final = 20.0
POLL_S: Final = 0.2
SLOW_MS: Final = 60_000
"""Later than every deadline of a delivery."""
REFUSALS: Final = 100_000
"""More than are asked while a fault lasts."""


class _Arrivals:
    """What a reader gets; a heartbeat counts for nothing."""

    def __init__(self) -> None:
        self.noted: list[SinkArrival] = []

    def take(self, body: bytes) -> None:
        event = read_event(body)
        if event is not None:
            self.noted.append(SinkArrival(event, time.time()))


class FailingMqttBroker:
    """A real MQTT 5 broker. Starts with `start`."""

    def __init__(self, name: str, folder: Path) -> None:
        """`folder` is for its files.

        Raises:
            BenchmarkError: It is not installed.
        """
        self.name = name
        self._got = _Arrivals()
        folder.mkdir()
        # A reader that is behind for a while would otherwise be spared the rest.
        self._broker = Mosquitto(
            folder, free_port(), "max_queued_messages 0", "max_inflight_messages 0"
        )
        self._reader: Client | None = None
        self._left = threading.Event()

    @property
    def arrivals(self) -> list[SinkArrival]:
        """What it has passed on, in order."""
        return self._got.noted

    @property
    def settings(self) -> dict[str, str]:
        """What stands under `sinks:` for it."""
        return {"url": self._broker.url, "name": self.name, "username": WRITER}

    def start(self) -> None:
        """Returns when it takes events.

        Raises:
            BenchmarkError: It does not start.
        """
        self._broker.refuse()
        self._broker.start()
        self._read()
        self._broker.accept()

    def stop(self) -> None:
        """Kills it. What it had passed on is still read."""
        if self._reader is None:
            return
        self._broker.kill()
        self._left.wait(START_S)
        self._reader.loop_stop()
        self._reader = None

    def freeze(self) -> None:
        """It stays there and answers nothing."""
        self._broker.freeze()

    def thaw(self) -> None:
        """It goes on."""
        self._broker.thaw()

    def refuse(self) -> None:
        """It acknowledges nothing any more, and says so."""
        self._broker.refuse()

    def accept(self) -> None:
        """It takes everything again."""
        self._broker.accept()

    def _read(self) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        there = threading.Event()
        self._left.clear()

        def take(_client: object, _data: object, message: MQTTMessage) -> None:
            self._got.take(bytes(message.payload))

        reader = Client(
            CallbackAPIVersion.VERSION2,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        reader.username_pw_set(READER)
        reader.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        reader.on_subscribe = lambda *_: there.set()
        reader.on_disconnect = lambda *_: self._left.set()
        reader.on_message = take
        # It must not give up a broker that is frozen.
        reader.connect("127.0.0.1", self._broker.port, keepalive=0)
        reader.loop_start()
        self._reader = reader
        if not there.wait(START_S):
            raise BenchmarkError("nobody can subscribe at the MQTT broker; try it by hand")


class FailingKafka:
    """librdkafka's mock of a Kafka cluster. It is there from construction until `close`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._got = _Arrivals()
        self._cluster = KafkaCluster()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="kafka-reader", daemon=True)
        self._thread.start()

    @property
    def arrivals(self) -> list[SinkArrival]:
        """What it has passed on; of one camera in order."""
        return self._got.noted

    @property
    def settings(self) -> dict[str, str]:
        """What stands under `sinks:` for it."""
        return {"url": self._cluster.url, "name": self.name}

    def stop(self) -> None:
        """Closes its connections and its port."""
        self._cluster.down()

    def start(self) -> None:
        """Listens, if it does not already."""
        self._cluster.up()

    def freeze(self) -> None:
        """It stays there and answers nothing in time."""
        self._cluster.delay(SLOW_MS)

    def thaw(self) -> None:
        """Answers at once again."""
        self._cluster.hurry()

    def refuse(self) -> None:
        """It takes nothing any more, and says so."""
        self._cluster.refuse(REFUSALS)

    def accept(self) -> None:
        """It takes everything again."""
        self._cluster.accept()

    def close(self) -> None:
        """Ends it; what it had passed on is kept."""
        self._closing.set()
        self._thread.join(START_S)
        self._cluster.close()

    def _read(self) -> None:
        consumer: Consumer = self._cluster.consumer()
        try:
            while not self._closing.is_set():
                message = consumer.poll(POLL_S)
                # Ends of partitions and brokers that are away come as errors.
                if message is not None and message.error() is None:
                    self._got.take(message.value() or b"")
        finally:
            consumer.close()
