"""Events to Apache Kafka: acknowledged by the delivery report of an idempotent producer alone.

All in-sync replicas have an event then. The key is the source, city and camera, so that events of a
camera stay in one partition and in order. Nothing stays in the producer: what has not been reported
at the deadline is purged, and the outbox sends it again.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, field_validator

from pipelines.delivery.sinks.broker import (
    MEDIA_TYPE,
    BrokerSettings,
    host_and_port,
    require_client,
)
from pipelines.delivery.sinks.sink import Delivery
from pipelines.errors import SinkError, SinkRefused, SinkUnavailable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

log = logging.getLogger(__name__)

DEFAULT_PORT: Final = 9092
TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
QUEUED: Final = 16
"""Messages in the producer at most; there is one at a time."""
POLL_S: Final = 0.2
REPORT_MARGIN_S: Final = 2.0
"""How much later than its deadline the report of a message may come."""
LONGEST_BACKOFF_MS: Final = 2000
OF_THE_EVENT: Final = ("MSG_SIZE_TOO_LARGE", "INVALID_MSG", "INVALID_MSG_SIZE", "INVALID_RECORD")
"""Answers that may be about one event."""


class KafkaSinkSettings(BrokerSettings):
    """How to reach a topic of a Kafka cluster."""

    schemes: ClassVar[tuple[str, ...]] = ("kafka", "kafka+ssl")

    sasl: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        Field(description="how the password is sent", examples=["SCRAM-SHA-512"]),
    ] = "SCRAM-SHA-512"

    @field_validator("url")
    @classmethod
    def _has_brokers_and_topic(cls, url: str) -> str:
        require_client("confluent_kafka", "kafka")
        scheme, _, rest = url.partition("://")
        brokers, _, topic = rest.partition("/")
        reachable = all(host_and_port(one, DEFAULT_PORT) for one in brokers.split(","))
        if scheme not in cls.schemes or not reachable or not TOPIC.fullmatch(topic):
            raise ValueError(
                "the address names no brokers and topic; write kafka://HOST:9092/TOPIC, several"
                " hosts with commas, or kafka+ssl://... with TLS"
            )
        return url

    @property
    def topic(self) -> str:
        """The topic that events go to."""
        return self.url.rpartition("/")[2]

    def open(self) -> KafkaSink:
        """See `SinkSettings`."""
        return KafkaSink(self)


class KafkaSink:
    """A `Sink` that produces to one topic. Its `repr` shows no password."""

    def __init__(self, settings: KafkaSinkSettings) -> None:
        """Prepares; a producer is made on first use."""
        self.name = settings.progress_name
        self._topic = settings.topic
        self._deadline_s = settings.deadline_s
        self._configuration = configuration(settings)
        self._producer: Producer | None = None
        self._trouble = ""

    def __repr__(self) -> str:
        return f"KafkaSink({self.name})"

    def deliver(self, delivery: Delivery) -> None:
        """See `Sink.deliver`."""
        from confluent_kafka import KafkaException

        producer = self._producer or self._open()
        reports: list[KafkaError | None] = []
        try:
            producer.produce(
                self._topic,
                value=delivery.body,
                key=delivery.key.encode(),
                headers={"content-type": MEDIA_TYPE},
                on_delivery=lambda error, _: reports.append(error),
            )
        except BufferError:
            self._forget()
            raise SinkUnavailable("its queue in this process is full; it is emptied") from None
        except KafkaException as error:
            raise self._fault(error.args[0]) from None
        until_s = time.monotonic() + self._deadline_s + REPORT_MARGIN_S
        while not reports and time.monotonic() < until_s:
            producer.poll(POLL_S)
        if not reports:
            producer.purge()
            raise SinkUnavailable(f"no broker acknowledges in time{self._trouble}")
        if reports[0] is not None:
            raise self._fault(reports[0])
        self._trouble = ""

    def _open(self) -> Producer:
        from confluent_kafka import Producer

        self._producer = Producer({**self._configuration, "error_cb": self._note}, logger=log)
        return self._producer

    def _note(self, error: KafkaError) -> None:
        """What is wrong with the brokers; the report of a message says only that it is late."""
        self._trouble = f" ({error.name()}); check that they run, the address and the login"

    def _forget(self) -> None:
        """Drops the producer with all that is in it."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _fault(self, error: KafkaError) -> SinkError:
        name = error.name()
        if name == "_MSG_TIMED_OUT":
            # The producer goes on connecting meanwhile. A new one would start again, and never get
            # there within a short deadline: brokers give it its number after half a second.
            return SinkUnavailable(f"no broker acknowledges in time{self._trouble}")
        # It remembers for minutes that a topic was missing or forbidden, and a fatal error for
        # ever: a new producer asks the brokers anew.
        self._forget()
        if error.fatal():
            return SinkUnavailable(f"the producer failed ({name}); check the cluster")
        if name in OF_THE_EVENT:
            return SinkRefused(f"answered {name}: the topic's limits have to allow 64 KiB")
        return SinkUnavailable(f"answered {name}: check the topic and the rights of the login")


def configuration(settings: KafkaSinkSettings) -> dict[str, Any]:
    """The settings as librdkafka calls them."""
    deadline_ms = int(1000 * settings.deadline_s)
    scheme, _, rest = settings.url.partition("://")
    tls, login = scheme.endswith("ssl"), "SASL_" if settings.username else ""
    known: dict[str, Any] = {
        "bootstrap.servers": rest.partition("/")[0],
        "client.id": "cityeye",
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 0,
        "message.timeout.ms": deadline_ms,
        "request.timeout.ms": deadline_ms,
        "topic.metadata.propagation.max.ms": min(deadline_ms, 10_000),
        "queue.buffering.max.messages": QUEUED,
        "reconnect.backoff.max.ms": LONGEST_BACKOFF_MS,
        "log.connection.close": False,
        # What is wrong is in the reason of each delivery.
        "log_level": 2,
        "security.protocol": f"{login}{'SSL' if tls else 'PLAINTEXT'}",
    }
    if settings.username is not None:
        password = settings.password.get_secret_value() if settings.password else ""
        known |= {
            "sasl.mechanism": settings.sasl,
            "sasl.username": settings.username,
            "sasl.password": password,
        }
    files = {
        "ssl.ca.location": settings.ca_certs,
        "ssl.certificate.location": settings.certificate,
        "ssl.key.location": settings.key or settings.certificate,
    }
    return known | {name: str(path) for name, path in files.items() if path is not None}
