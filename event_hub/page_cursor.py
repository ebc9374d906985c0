"""Where a page of a list ends, as a text that the next request gives back."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote, unquote

BOUND: Final = 2**63
"""Integers of the database are smaller."""


class PageEnd(NamedTuple):
    """The last entry of a page.

    Attributes:
        at_us: Its time, UTC microseconds.
        origin: Where it comes from.
        id: Its id there.
    """

    at_us: int
    origin: str
    id: str


def cursor_of(end: PageEnd) -> str:
    """The text for the end of a page."""
    return f"{end.at_us}.{quote(end.origin, safe='').replace('.', '%2E')}.{end.id}"


def end_of(cursor: str) -> PageEnd:
    """The end of a page that a text is for.

    Raises:
        ValueError: The text was not made by `cursor_of`.
    """
    at, _, rest = cursor.partition(".")
    origin, _, own_id = rest.partition(".")
    at_us = int(at)
    if abs(at_us) >= BOUND or not own_id:
        raise ValueError(cursor)
    return PageEnd(at_us, unquote(origin), own_id)
