"""librdkafka's own mock of a Kafka cluster, with its faults: brokers down, slow, and refusing.

It speaks the protocol over real sockets. The C interface is in the client's wheel, and is called
here because the Python one offers no faults.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

TOPIC = "city-events"
PARTITIONS = 4
BROKER = 1
PRODUCE = 0
"""The API key of a produce request."""
NOT_AUTHORISED = 29
ERROR_BYTES = 512


def library() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    (path,) = folder.glob("librdkafka*.so*")
    known = ctypes.CDLL(str(path))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(known, name).restype = ctypes.c_void_p
    known.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return known


class KafkaCluster:
    """One broker and one topic; starts on construction."""

    def __init__(self) -> None:
        self._library = library()
        conf = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        reason = ctypes.create_string_buffer(ERROR_BYTES)
        self._library.rd_kafka_conf_set(conf, b"log_level", b"0", reason, ERROR_BYTES)
        made = self._library.rd_kafka_new(0, conf, reason, ERROR_BYTES)
        assert made, reason.value
        self._handle = ctypes.c_void_p(made)
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_mock_cluster_new(self._handle, 1))
        self._library.rd_kafka_mock_topic_create(self._cluster, TOPIC.encode(), PARTITIONS, 1)
        brokers: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self.brokers = brokers.decode()

    @property
    def url(self) -> str:
        return f"kafka://{self.brokers}/{TOPIC}"

    def down(self) -> None:
        """Closes the broker's connections and its port."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, BROKER)

    def up(self) -> None:
        self._library.rd_kafka_mock_broker_set_up(self._cluster, BROKER)

    def delay(self, milliseconds: int) -> None:
        """Every answer comes so much later."""
        self._library.rd_kafka_mock_broker_set_rtt(self._cluster, BROKER, milliseconds)

    def refuse(self, count: int, error: int = NOT_AUTHORISED) -> None:
        """Answers the next produce requests with an error."""
        errors = (ctypes.c_int * count)(*[error] * count)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(PRODUCE), ctypes.c_size_t(count), errors
        )

    def accept(self) -> None:
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(PRODUCE))

    def messages(self) -> list[tuple[bytes, bytes, dict[str, Any]]]:
        """Key, value and headers of all that is in the topic; of one key in order."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": "reader",
                "session.timeout.ms": 6000,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        try:
            consumer.assign(
                [TopicPartition(TOPIC, one, OFFSET_BEGINNING) for one in range(PARTITIONS)]
            )
            found: list[Any] = []
            ends = 0
            while ends < PARTITIONS:
                message = consumer.poll(20.0)
                assert message is not None, "the cluster does not answer"
                if (error := message.error()) is not None:
                    assert error.name() == "_PARTITION_EOF", error
                    ends += 1
                    continue
                headers = dict(message.headers() or ())
                found.append((message.key(), message.value(), headers))
            return found
        finally:
            consumer.close()

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)
