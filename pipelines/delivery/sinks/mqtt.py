"""Events to an MQTT 5 broker: quality of service 1, acknowledged by the PUBACK's reason code alone.

Each connection begins with an empty session that ends with it: what has no PUBACK is in the outbox
and nowhere else, so no client or broker sends old events again after the newer ones.
"""

from __future__ import annotations

import math
import secrets
import ssl
import string
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from pydantic import Field, field_validator

from pipelines.delivery.settings import ConnectTimeout
from pipelines.delivery.sinks.broker import (
    MEDIA_TYPE,
    BrokerSettings,
    host_and_port,
    require_client,
)
from pipelines.delivery.sinks.sink import Delivery
from pipelines.errors import SinkError, SinkRefused, SinkUnavailable

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
PLACES: Final = frozenset({"source", "type", "camera", "subject"})
KEEP_ALIVE_S: Final = 20
HEADER_BYTES: Final = 256
"""More than header and properties of a message take."""
OF_THE_EVENT: Final = frozenset({0x90, 0x95, 0x99})
"""Topic name invalid, packet too large, payload format invalid: may be about one event."""


class MqttSinkSettings(BrokerSettings):
    """How to reach an MQTT 5 broker."""

    schemes: ClassVar[tuple[str, ...]] = tuple(PORTS)

    topic: str = Field(
        default="{source}",
        description="the topic, in which {source}, {type}, {camera} and {subject} may stand",
        examples=["{source}/{type}"],
    )
    connect_timeout_s: ConnectTimeout = 5.0

    @field_validator("url")
    @classmethod
    def _has_host(cls, url: str) -> str:
        require_client("paho", "mqtt")
        scheme, _, rest = url.partition("://")
        if scheme not in PORTS or host_and_port(rest.removesuffix("/"), PORTS[scheme]) is None:
            raise ValueError(
                "the address names no broker; write mqtt://HOST:1883, or mqtts://HOST:8883 with"
                " TLS, and the topic under `topic:`"
            )
        return url

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, topic: str) -> str:
        remedy = f"write a topic such as {{source}}/{{type}}; known: {', '.join(sorted(PLACES))}"
        try:
            parts = list(string.Formatter().parse(topic))
        except ValueError:
            raise ValueError(f"a bracket is open or closed too much; {remedy}") from None
        for text, name, form, conversion in parts:
            if set(text) & set("+#\0") or form or conversion:
                raise ValueError(f"the topic holds what no topic may hold; {remedy}")
            if name is not None and name not in PLACES:
                raise ValueError(f"the topic names something unknown; {remedy}")
        if not topic or topic.startswith("$"):
            raise ValueError(f"the topic is empty or begins with `$`; {remedy}")
        return topic

    def open(self) -> MqttSink:
        """See `SinkSettings`."""
        return MqttSink(self)


class MqttSink:
    """A `Sink` that publishes to one broker. Its `repr` shows no password."""

    def __init__(self, settings: MqttSinkSettings) -> None:
        """Prepares; connects on first use."""
        self.name = settings.progress_name
        self._settings = settings
        self._connection: _Connection | None = None

    def __repr__(self) -> str:
        return f"MqttSink({self.name})"

    def deliver(self, delivery: Delivery) -> None:
        """See `Sink.deliver`."""
        until_s = time.monotonic() + self._settings.deadline_s
        if self._connection is not None and self._connection.is_over:
            self._close()
        if self._connection is None:
            self._connection = _Connection(self._settings, until_s)
        attributes = delivery.attributes
        topic = self._settings.topic.format(
            source=attributes["source"],
            type=attributes["type"],
            camera=quote(delivery.partition, safe=""),
            subject=quote(str(attributes["subject"]), safe=""),
        )
        try:
            self._connection.publish(topic, delivery.body, _properties(attributes), until_s)
        except SinkError:
            # Whatever is still under way must not arrive later than what comes next.
            self._close()
            raise

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Connection:
    """One connection from CONNECT to its end; the client's thread calls the methods `_on_...`."""

    def __init__(self, settings: MqttSinkSettings, until_s: float) -> None:
        """Connects.

        Raises:
            SinkUnavailable: There is no connection before the deadline.
        """
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        self._changed = threading.Condition()
        self._accepted: ReasonCode | None = None
        self._ended: ReasonCode | None = None
        self._acknowledged: dict[int, ReasonCode] = {}
        self._max_bytes = math.inf
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            # Two of one name would throw each other out.
            client_id=f"cityeye-{secrets.token_hex(8)}",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        try:
            self._connect(settings, until_s)
        except SinkError:
            self.close()
            raise

    @property
    def is_over(self) -> bool:
        """Whether the broker has ended it."""
        return self._ended is not None

    def publish(self, topic: str, body: bytes, properties: Properties, until_s: float) -> None:
        """Publishes and waits for the acknowledgement.

        Raises:
            SinkUnavailable: There is none before the deadline, or the broker cannot take it now.
            SinkRefused: The broker answered no.
        """
        if len(body) + len(topic.encode()) + HEADER_BYTES > self._max_bytes:
            raise SinkRefused("the broker takes no packets of this size; it has to take 64 KiB")
        sent = self._client.publish(topic, body, qos=1, properties=properties)
        with self._changed:
            self._changed.wait_for(
                lambda: sent.mid in self._acknowledged or self.is_over,
                max(0.0, until_s - time.monotonic()),
            )
            code = self._acknowledged.pop(sent.mid, None)
            ended = self._ended
        if code is not None:
            if code.is_failure:
                raise _fault(f"answered {code}", code)
        elif ended is not None:
            raise _fault(f"it ended the connection ({ended})", ended)
        else:
            raise SinkUnavailable("no acknowledgement in time; check that the broker is well")

    def close(self) -> None:
        """Ends it; what is under way is forgotten."""
        client = self._client
        client.disconnect()
        client.loop_stop()
        # Without a cycle its sockets are closed at once.
        client.on_connect = client.on_disconnect = client.on_publish = None

    def _connect(self, settings: MqttSinkSettings, until_s: float) -> None:
        scheme, _, rest = settings.url.partition("://")
        host, port = host_and_port(rest.removesuffix("/"), PORTS[scheme]) or ("", 0)
        client = self._client
        if settings.username is not None:
            password = settings.password.get_secret_value() if settings.password else None
            client.username_pw_set(settings.username, password)
        if scheme == "mqtts":
            client.tls_set_context(_tls(settings))
        left_s = max(0.1, until_s - time.monotonic())
        client.connect_timeout = min(settings.connect_timeout_s, left_s)
        try:
            client.connect(host, port, KEEP_ALIVE_S, clean_start=True)
        except ssl.SSLError as error:
            raise SinkUnavailable(
                f"no TLS with it ({type(error).__name__}); check its certificate, `ca_certs` and"
                " `certificate`"
            ) from None
        except (OSError, ValueError) as error:
            raise SinkUnavailable(
                f"it cannot be reached ({type(error).__name__}); check that it runs, and the URL"
            ) from None
        client.loop_start()
        with self._changed:
            self._changed.wait_for(
                lambda: self._accepted is not None or self.is_over,
                max(0.0, until_s - time.monotonic()),
            )
        if self._accepted is None:
            raise SinkUnavailable("it does not answer as an MQTT 5 broker; check the URL")
        if self._accepted.is_failure:
            raise SinkUnavailable(
                f"answered {self._accepted}: check `username`, `password` and rights"
            )

    def _on_connect(
        self, _: Client, __: object, ___: object, code: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            self._max_bytes = getattr(properties, "MaximumPacketSize", math.inf)
            self._accepted = code
            self._changed.notify_all()

    def _on_disconnect(
        self, _: Client, __: object, ___: object, code: ReasonCode, ____: object
    ) -> None:
        with self._changed:
            self._ended = code
            self._changed.notify_all()

    def _on_publish(self, _: Client, __: object, mid: int, code: ReasonCode, ___: object) -> None:
        with self._changed:
            self._acknowledged[mid] = code
            self._changed.notify_all()


def _properties(attributes: dict[str, Any]) -> Properties:
    """What brokers and subscribers learn of an event beside its body."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = MEDIA_TYPE.decode()
    properties.PayloadFormatIndicator = 1
    if (expires := attributes.get("expirytime")) is not None:
        left = datetime.fromisoformat(str(expires)) - datetime.now(UTC)
        properties.MessageExpiryInterval = max(1, math.ceil(left.total_seconds()))
    known: Properties = properties
    return known


def _tls(settings: MqttSinkSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_certs)
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context


def _fault(what: str, code: ReasonCode) -> SinkError:
    if code.value in OF_THE_EVENT:
        return SinkRefused(f"{what}: check the topic, and that the broker takes 64 KiB")
    return SinkUnavailable(f"{what}: check the broker, and the rights of the login")
