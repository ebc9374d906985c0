"""Turns received bytes into a checked event, or into one sentence that says what is wrong.

What passes here can be stored, projected, answered as JSON and drawn: text is bounded and free of
control characters, numbers are finite, times carry an offset, keyframe keys are plain paths.
An event of a `cityeye.` type, or of a major version of its data, that this version does not know
passes with its envelope alone, so that a newer camera side loses nothing to an older hub.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from event_hub.errors import MalformedEventError
from event_hub.keyframes import is_safe_key
from pipelines.event import DATA_SCHEMAS, EVENT, EVENT_TYPES, IncidentData, OutgoingEvent

EVENT_MAX_BYTES: Final = 64 * 1024
BATCH_MAX_BYTES: Final = 1024 * 1024
BATCH_MAX_EVENTS: Final = 256
TEXT_MAX_CHARS: Final = 512
REVISION_MAX: Final = 2**31 - 1
YEARS: Final = range(1970, 9999)
TYPE_PREFIX: Final = "cityeye."
NO_CLIP: Final = ".clip.key"
"""It may be empty: a clip that is to come, or that there is not, has no key."""

_KEYS: Final = frozenset({"id", "incident_id", "kind"})
"""Names of texts in `data` that are stored and compared, not only shown."""
_NUMBERS: Final = (int, float)
_JSON_SPACE: Final = " \t\r\n"
_T = TypeVar("_T")


class Envelope(OutgoingEvent):
    """The attributes every event has, of whatever type."""

    # As of `EVENT`: their texts hardly come twice.
    model_config = ConfigDict(cache_strings="keys")

    type: str


_ENVELOPE: Final = TypeAdapter(Envelope)


@dataclass(frozen=True)
class Received:
    """One checked event with the bytes it came as."""

    body: bytes
    event: OutgoingEvent
    type: str

    @cached_property
    def sha256(self) -> str:
        """The digest of the bytes, hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()


def parse_event(body: bytes) -> Received:
    """Check one structured-mode event.

    Raises:
        MalformedEventError: Not JSON, or an attribute breaks the contract.
    """
    if len(body) > EVENT_MAX_BYTES:
        raise MalformedEventError("", f"an event has at most {EVENT_MAX_BYTES} bytes")
    envelope = _validate(_ENVELOPE, body)
    event: OutgoingEvent = envelope
    if envelope.type in EVENT_TYPES and not _is_of_another_version(envelope):
        event = _validate(EVENT, body)
    elif not envelope.type.startswith(TYPE_PREFIX):
        raise MalformedEventError("type", f"must begin with {TYPE_PREFIX!r}")
    _refuse_infinite_numbers(body)
    for name in ("id", "source", "subject", "partitionkey", "sequence", "type"):
        _check_text(name, getattr(event, name))
    _check_time("time", event.time)
    _check_data("data", getattr(event, "data", None))
    if event.incident is not None:
        _check_incident(event.incident, envelope.type)
    if event.measurement is not None:
        for name in ("task", "zone", "line"):
            # It may be empty, as not every measurement has a place.
            _check_text(f"data.{name}", getattr(event.measurement, name) or "-")
    return Received(body, event, envelope.type)


def _is_of_another_version(envelope: Envelope) -> bool:
    """Whether the data have another major version of the schema than this program knows."""
    known, given = DATA_SCHEMAS[envelope.type], envelope.dataschema or ""
    return given != known and given.rpartition(":")[0] == known.rpartition(":")[0]


def split_batch(body: bytes) -> list[bytes]:
    """The events of a JSON array, each as the very bytes it was written in.

    Raises:
        MalformedEventError: Not a JSON array, empty, or too long.
    """
    try:
        events = [piece.encode() for piece in _array_items(body.decode())]
    except (ValueError, RecursionError):
        raise MalformedEventError("", "the body is not a JSON array of events") from None
    if not 0 < len(events) <= BATCH_MAX_EVENTS:
        raise MalformedEventError("", f"a batch has 1 to {BATCH_MAX_EVENTS} events")
    return events


def _array_items(text: str) -> Iterator[str]:
    decoder = json.JSONDecoder()
    rest = text.strip(_JSON_SPACE)
    if not (rest.startswith("[") and rest.endswith("]")):
        raise ValueError("no array")
    at, end = 1, len(rest) - 1
    while rest[at:end].strip(_JSON_SPACE):
        while rest[at] in _JSON_SPACE:
            at += 1
        _, stop = decoder.raw_decode(rest, at)
        if stop > end:
            raise ValueError("an item runs past the end of the array")
        yield rest[at:stop]
        tail = rest[stop:end].lstrip(_JSON_SPACE)
        if not tail:
            return
        if not tail.startswith(",") or not tail[1:].strip(_JSON_SPACE):
            raise ValueError("items are separated by commas")
        at = end - len(tail) + 1


def _validate(adapter: TypeAdapter[_T], body: bytes) -> _T:
    try:
        return adapter.validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise MalformedEventError("", "the body is not JSON") from None
        steps = [str(step) for step in first["loc"] if step not in EVENT_TYPES]
        message = "is missing" if first["type"] == "missing" else f"is wrong: {first['msg']}"
        if not steps:
            raise MalformedEventError("", "the body is not a JSON object") from None
        raise MalformedEventError(".".join(steps), message) from None


def _refuse_infinite_numbers(body: bytes) -> None:
    def finite(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise MalformedEventError("data", f"holds {text}, which is not a finite number")
        return number

    try:
        json.loads(body, parse_float=finite, parse_constant=finite)
    except (ValueError, RecursionError):
        raise MalformedEventError("", "the body holds a number or nesting out of bounds") from None


def _check_data(name: str, value: object) -> None:
    """Checks what has a meaning of its own, at any depth: times, ids, keys of keyframes."""
    if isinstance(value, BaseModel):
        for field, inner in value.__dict__.items():
            if inner is not None and not isinstance(inner, _NUMBERS):
                _check_data(f"{name}.{field}", inner)
    elif isinstance(value, tuple):
        # Most of an event are coordinates, and those are all numbers.
        if value and not isinstance(value[0], _NUMBERS):
            for index, inner in enumerate(value):
                _check_data(f"{name}.{index}", inner)
    elif isinstance(value, datetime):
        _check_time(name, value)
    elif isinstance(value, str):
        field = name.rpartition(".")[2]
        if field in _KEYS:
            _check_text(name, value)
        elif field == "key" and not is_safe_key(value) and (value or not name.endswith(NO_CLIP)):
            raise MalformedEventError(name, "must be a relative path without '..'")


def _check_incident(incident: IncidentData, event_type: str) -> None:
    if not 0 < incident.revision <= REVISION_MAX:
        raise MalformedEventError("data.revision", f"must lie in 1 to {REVISION_MAX}")
    if event_type != f"{TYPE_PREFIX}incident.{incident.phase}":
        raise MalformedEventError("data.phase", f"does not fit the type {event_type!r}")


def _check_text(name: str, text: str) -> None:
    if not 0 < len(text) <= TEXT_MAX_CHARS or not text.isprintable():
        raise MalformedEventError(name, f"must be 1 to {TEXT_MAX_CHARS} printable characters")


def _check_time(name: str, moment: datetime) -> None:
    if moment.tzinfo is None:
        raise MalformedEventError(name, "must carry a UTC offset")
    if moment.year not in YEARS:
        raise MalformedEventError(name, f"must lie in {YEARS.start} to {YEARS.stop - 1}")
