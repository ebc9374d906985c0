"""`RouteTable`: which scope each route of a server needs, and what its requests may hold.

What the table does not name is refused: a route that is added to a server is closed until
somebody writes down who may use it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.access.scope import Scope

WEBSOCKET = "WEBSOCKET"
"""Stands for the method of a request that opens a websocket."""
EMPTY_BYTES = 1024
BODY_S = 10.0


@dataclass(frozen=True, slots=True)
class RouteRule:
    """What one route asks for.

    Attributes:
        methods: HTTP methods with spaces between, or `WEBSOCKET`.
        path: `/cameras/{camera}`; `{key:path}` takes slashes too.
        scope: What a token must be good for; None lets everybody in.
        media_types: What a body may be; empty where the type does not matter.
        limit_bytes: The largest body.
        body_s: Seconds that a body may take to arrive.
        by_group: Whether the route itself leaves out what lies outside the caller's camera groups.
            Where it does not, callers that are limited to groups are refused.
    """

    methods: str
    path: str
    scope: Scope | None
    media_types: frozenset[str] = frozenset()
    limit_bytes: int = EMPTY_BYTES
    body_s: float = BODY_S
    by_group: bool = False


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The rules of a server; the first one that fits counts."""

    rules: Sequence[RouteRule]
    _compiled: list[tuple[frozenset[str], re.Pattern[str], RouteRule]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        compiled = [(frozenset(r.methods.split()), _pattern(r.path), r) for r in self.rules]
        object.__setattr__(self, "_compiled", compiled)

    def find(self, method: str, path: str) -> RouteRule | None:
        """The rule for a request; None where nobody has declared one."""
        for methods, pattern, rule in self._compiled:
            if method in methods and pattern.fullmatch(path):
                return rule
        return None


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{\w+(?::path)?\})", path)
    return re.compile("".join(_piece(one) for one in pieces), re.DOTALL)


def _piece(piece: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    return ".+" if piece.endswith(":path}") else "[^/]+"
