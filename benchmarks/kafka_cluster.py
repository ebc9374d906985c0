"""librdkafka's own mock of a Kafka cluster, with its faults: brokers down, slow, and refusing.

It speaks the protocol over real sockets and keeps everything in memory. The C interface is in the
client's wheel, and is called here because the Python one offers no faults.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

TOPIC: Final = "city-events"
PARTITIONS: Final = 4
_BROKER: Final = 1
_PRODUCE: Final = 0
"""The API key of a produce request."""
_NOT_AUTHORISED: Final = 29
_ERROR_BYTES: Final = 512
_ANSWER_S: Final = 20.0


def _library() -> ctypes.CDLL:
    import confluent_kafka

    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    (path,) = folder.glob("librdkafka*.so*")
    known = ctypes.CDLL(str(path))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(known, name).restype = ctypes.c_void_p
    known.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return known


class KafkaCluster:
    """One broker and one topic, from construction until `close`."""

    def __init__(self) -> None:
        """Starts.

        Raises:
            RuntimeError: It does not start; the text says why.
        """
        self._library = _library()
        conf = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        reason = ctypes.create_string_buffer(_ERROR_BYTES)
        self._library.rd_kafka_conf_set(conf, b"log_level", b"0", reason, _ERROR_BYTES)
        made = self._library.rd_kafka_new(0, conf, reason, _ERROR_BYTES)
        if not made:
            raise RuntimeError(f"no Kafka cluster: {reason.value.decode()}")
        self._handle = ctypes.c_void_p(made)
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_mock_cluster_new(self._handle, 1))
        self._library.rd_kafka_mock_topic_create(self._cluster, TOPIC.encode(), PARTITIONS, 1)
        brokers: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self.brokers = brokers.decode()

    @property
    def url(self) -> str:
        """Its address, with the topic."""
        return f"kafka://{self.brokers}/{TOPIC}"

    def down(self) -> None:
        """Closes the broker's connections and its port."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, _BROKER)

    def up(self) -> None:
        """Listens again, with all that it had."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, _BROKER)

    def delay(self, milliseconds: int) -> None:
        """Every answer comes so much later."""
        self._library.rd_kafka_mock_broker_set_rtt(self._cluster, _BROKER, milliseconds)

    def hurry(self) -> None:
        """Answers at once again."""
        self.delay(0)
        # An answer that is delayed stays so; a connection that is closed takes it along.
        self.down()
        self.up()

    def refuse(self, count: int, error: int = _NOT_AUTHORISED) -> None:
        """Answers the next produce requests with an error."""
        errors = (ctypes.c_int * count)(*[error] * count)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(_PRODUCE), ctypes.c_size_t(count), errors
        )

    def accept(self) -> None:
        """Takes what is produced again."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(_PRODUCE))

    def consumer(self) -> Consumer:
        """A consumer at the beginning of the topic, to be closed by the caller."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        consumer = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": "reader",
                "session.timeout.ms": 6000,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 2,
            }
        )
        consumer.assign([TopicPartition(TOPIC, one, OFFSET_BEGINNING) for one in range(PARTITIONS)])
        return consumer

    def messages(self) -> list[tuple[bytes, bytes, dict[str, Any]]]:
        """Key, value and headers of all that is in the topic; of one key in order.

        Raises:
            RuntimeError: It does not answer.
        """
        consumer = self.consumer()
        try:
            return [
                (one.key() or b"", one.value() or b"", dict(one.headers() or ()))
                for one in _up_to_the_end(consumer)
            ]
        finally:
            consumer.close()

    def close(self) -> None:
        """Ends it; all that it has is gone."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)


def _up_to_the_end(consumer: Consumer) -> Iterator[Message]:
    ends = 0
    while ends < PARTITIONS:
        message = consumer.poll(_ANSWER_S)
        if message is None:
            raise RuntimeError("the Kafka cluster does not answer")
        error = message.error()
        if error is None:
            yield message
        elif error.name() == "_PARTITION_EOF":
            ends += 1
        else:
            raise RuntimeError(f"the Kafka cluster does not answer: {error}")
