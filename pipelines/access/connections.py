"""`guarded_protocol`: HTTP connections that cannot keep others out by being slow.

uvicorn waits for ever for a request's head and for a reader of the answer. Here a head must arrive
within seconds, an answer must be read, and where there are too many connections, the one whose
request has been incomplete for longest makes room for the new one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""Seconds for a request's head, from the connection or from its first byte on."""
READ_S = 30.0
"""Seconds in which a caller must read something of an answer."""
CONNECTIONS_MAX = 512
PER_ADDRESS_MAX = 384


@dataclass(slots=True)
class _Room:
    """The connections of one server."""

    connections_max: int
    per_address_max: int
    head_s: float
    read_s: float
    waiting: dict[Any, str] = field(default_factory=dict)
    """Those without a complete request by address, the oldest first."""
    open: dict[Any, str] = field(default_factory=dict)

    def enter(self, connection: Any, address: str) -> bool:  # noqa: ANN401 - a protocol
        """Takes a connection in; false where there is no room and nobody can make any."""
        mine = Counter(self.open.values())[address]
        if mine >= self.per_address_max and not self._evict(address):
            return False
        if len(self.open) >= self.connections_max and not self._evict(None):
            return False
        self.open[connection] = address
        self.waiting[connection] = address
        return True

    def leave(self, connection: Any) -> None:  # noqa: ANN401
        """Forgets a connection."""
        self.open.pop(connection, None)
        self.waiting.pop(connection, None)

    def _evict(self, address: str | None) -> bool:
        for connection, its_address in self.waiting.items():
            if address in (None, its_address):
                self.leave(connection)
                connection.transport.abort()
                return True
        return False


def guarded_protocol(
    connections_max: int = CONNECTIONS_MAX,
    per_address_max: int = PER_ADDRESS_MAX,
    head_s: float = HEAD_S,
    read_s: float = READ_S,
) -> type[asyncio.Protocol]:
    """A protocol for the `http` setting of one uvicorn server."""
    room = _Room(connections_max, per_address_max, head_s, read_s)

    class Guarded(_GuardedProtocol):
        _room = room

    return Guarded


class _GuardedProtocol(H11Protocol):
    """uvicorn's protocol on h11, which limits the size of a head by itself."""

    _room: _Room
    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if self._room.enter(self, address):
            self._expect_head()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        # From here on another protocol has the transport, and nothing is called here any more.
        self._forget()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_timer = self._read_timer or self._abort_after(self._room.read_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_read_timer()

    def _follow(self) -> None:
        """Notes what is being waited for: a head, the rest of a body, or our own answer."""
        if self not in self._room.open:
            return
        if self.cycle is None or self.cycle.response_complete:
            self._expect_head()
            return
        self._stop_head_timer()
        if not self.cycle.more_body:
            self._room.waiting.pop(self, None)

    def _expect_head(self) -> None:
        self._room.waiting.setdefault(self, self._room.open[self])
        # Bytes that come in do not prolong it.
        self._head_timer = self._head_timer or self._abort_after(self._room.head_s)

    def _forget(self) -> None:
        self._room.leave(self)
        self._stop_head_timer()
        self._stop_read_timer()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _abort_after(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)
