"""CloudEvents in binary mode: attributes in `ce-` headers, data in the body (HTTP binding 1.0.2).

The hub keeps and answers structured events, so that one that came this way is written anew, with
the very bytes of its data and its attributes in the order of their names: it becomes the same text
each time that it is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from event_hub.errors import MalformedEventError

BINARY: Final = "application/json"
PREFIX: Final = "ce-"
MARK: Final = "ce-specversion"
"""A request of type JSON is an event where it has this header."""
_NAME: Final = re.compile(r"[a-z0-9]{1,20}")
_INTEGERS: Final = frozenset({"incarnation"})
_TAKEN: Final = frozenset({"data", "datacontenttype"})
"""The body and the header `Content-Type` say these."""
_DIGITS_MAX: Final = 18


def structured(headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """The same event in structured mode.

    Args:
        headers: Of the request, names in lower case.
        body: Its data.

    Raises:
        MalformedEventError: A header is no attribute, or the body is not one JSON value.
    """
    attributes: dict[str, str | int] = {}
    for header, value in headers:
        if not header.startswith(PREFIX):
            continue
        name = header.removeprefix(PREFIX)
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise MalformedEventError(name[:20], "is no attribute of binary mode")
        if name in attributes:
            raise MalformedEventError(name, "is given twice")
        attributes[name] = _value(name, value)
    try:
        # Otherwise it could end before its end, and go on with attributes.
        json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedEventError("", "the body is not JSON") from None
    texts = dict(sorted(attributes.items())) | {"datacontenttype": BINARY}
    opening = json.dumps(texts, ensure_ascii=False)[:-1]
    return b'%s, "data": %s}' % (opening.encode(), body)


def _value(name: str, value: str) -> str | int:
    try:
        text = unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise MalformedEventError(name, "is not percent-encoded UTF-8") from None
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
    return int(text) if name in _INTEGERS and is_number else text
