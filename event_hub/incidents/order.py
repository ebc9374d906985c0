"""The orders in which incidents are listed, and where a page of one ends.

A page goes on after its last entry, whatever was added meanwhile: nothing repeats, and nothing is
left out but what moved to another place in the order, as an incident does that gets worse.
"""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import quote, unquote

from sqlalchemy import ColumnElement, Row, UnaryExpression, and_, or_

from event_hub.tables import INCIDENTS

IncidentOrder = Literal["newest", "worst"]
BOUND: Final = 2**63
"""Integers of the database are smaller."""

_DESCENDING: Final[dict[IncidentOrder, dict[str, bool]]] = {
    "newest": {"opened_us": True, "incident_id": True, "city": True},
    # Open ones first, then by severity, the oldest of each first.
    "worst": {
        "is_open": True,
        "level": True,
        "opened_us": False,
        "incident_id": False,
        "city": False,
    },
}
_NUMBERS: Final = frozenset({"opened_us", "is_open", "level"})


def ordered(order: IncidentOrder) -> list[UnaryExpression[Any]]:
    """What to order by."""
    return [
        _column(name).desc() if descending else _column(name).asc()
        for name, descending in _DESCENDING[order].items()
    ]


def page_end(order: IncidentOrder, row: Row[Any]) -> str:
    """The text that says where a page ends."""
    values = [_quoted(getattr(row, name)) for name in _DESCENDING[order]]
    return ".".join((order[0], *values))


def after(order: IncidentOrder, end: str) -> ColumnElement[bool]:
    """Whether a row comes after the end of a page.

    Raises:
        ValueError: The text was not made by `page_end`, or for another order.
    """
    letter, *pieces = end.split(".")
    columns = _DESCENDING[order]
    if letter != order[0] or len(pieces) != len(columns):
        raise ValueError(end)
    same: list[ColumnElement[bool]] = []
    later: list[ColumnElement[bool]] = []
    for (name, descending), piece in zip(columns.items(), pieces, strict=True):
        column, value = _column(name), _value(name, piece)
        later.append(and_(*same, column < value if descending else column > value))
        same.append(column == value)
    # Said once more for the first column alone: databases find that place in an index.
    first, descending = next(iter(columns.items()))
    column, value = _column(first), _value(first, pieces[0])
    return and_(column <= value if descending else column >= value, or_(*later))


def _column(name: str) -> ColumnElement[Any]:
    column: ColumnElement[Any] = INCIDENTS.c[name]
    # An index begins with `is_open`, and SQLite takes it to save the sorting: then it reads every
    # row as a whole, most of which have ended, where another index has all that is asked for.
    return column + 0 if name == "is_open" else column


def _quoted(value: object) -> str:
    return quote(str(value), safe="").replace(".", "%2E")


def _value(name: str, piece: str) -> str | int:
    text = unquote(piece)
    if name not in _NUMBERS:
        return text
    number = int(text)
    if abs(number) >= BOUND:
        raise ValueError(piece)
    return number
