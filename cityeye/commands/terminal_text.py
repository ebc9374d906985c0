"""Text for a terminal that several commands print; loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain(text: str) -> str:
    """Text of a foreign package without what could steer a terminal."""
    return "".join(one if one.isprintable() or one in "\n\t" else "?" for one in text)


def thresholds_line(thresholds: Mapping[str, Any]) -> str:
    """`0.4; person 0.39, truck 0.76` of a mapping with the keys `default` and `classes`."""
    default, classes = thresholds["default"], thresholds["classes"]
    general = "its own" if default is None else f"{default:g}"
    own = ", ".join(f"{plain(label)} {score:g}" for label, score in classes.items())
    return f"{general}; {own}" if own else general
