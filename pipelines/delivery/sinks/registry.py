"""Every kind of sink: a new one is one file and one line of `AnySink`, and its URL scheme picks it.

The configuration file, `cityeye check` and the city's plan use the kinds that are named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, NoReturn, get_args

from pydantic import Discriminator, Tag, field_validator

from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.delivery.sinks.kafka import KafkaSinkSettings
from pipelines.delivery.sinks.mqtt import MqttSinkSettings
from pipelines.delivery.sinks.sink import Sink, SinkSettings


class _UnknownSink(SinkSettings):
    """Settings whose URL has a scheme that no kind of sink takes; never valid."""

    schemes: ClassVar[tuple[str, ...]] = ()

    @field_validator("url")
    @classmethod
    def _refuse(cls, url: str) -> NoReturn:
        scheme, separator, _ = url.partition("://")
        what = f"`{scheme}` is no kind of sink" if separator else "the address is no URL"
        raise ValueError(f"{what}; write an address that begins with {', '.join(SCHEMES)}")

    def open(self) -> Sink:
        """Never called: no value is valid."""
        raise NotImplementedError


def _kind(value: object) -> str:
    url = value.get("url") if isinstance(value, dict) else getattr(value, "url", None)
    scheme = str(url).partition("://")[0].lower()
    return SCHEMES.get(f"{scheme}://", "unknown")


AnySink = Annotated[
    Annotated[HttpSinkSettings, Tag("http")]
    | Annotated[KafkaSinkSettings, Tag("kafka")]
    | Annotated[MqttSinkSettings, Tag("mqtt")]
    | Annotated[_UnknownSink, Tag("unknown")],
    Discriminator(_kind),
]
"""Settings of any sink; `open()` gives the sink."""

SCHEMES: Mapping[str, str] = {
    f"{scheme}://": get_args(kind)[1].tag
    for kind in get_args(get_args(AnySink)[0])
    for scheme in get_args(kind)[0].schemes
}
"""The kind of sink by the beginning of its URL."""
