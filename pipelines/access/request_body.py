"""`RequestBody`: a request's body, counted and timed while it arrives.

Nothing is kept here. A body that is too large or too slow is answered at once; the application sees
a caller that has gone, and whatever it still says is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Refuse = Callable[[int, str], Awaitable[None]]

DRAIN_BYTES = 4 * 1024 * 1024
DRAIN_S = 2.0
GONE: Message = {"type": "http.disconnect"}


@dataclass(slots=True)
class HeldBytes:
    """Bytes of bodies that wait for their answer, and how many a server may have."""

    limit: int
    now: int = 0


class RequestBody:
    """Stands between a server and an application for one request."""

    def __init__(
        self, receive: Receive, send: Send, refuse: Refuse, limit_bytes: int, body_s: float
    ) -> None:
        self._receive = receive
        self._send = send
        self._refuse = refuse
        self._limit_bytes = limit_bytes
        self._ends_s = asyncio.get_running_loop().time() + body_s
        self._body_s = body_s
        self._complete = False
        self._started = False
        self._answered = False
        self._bytes = 0
        self._refusal: tuple[int, str] | None = None

    @property
    def refused(self) -> bool:
        """Whether the request has been ended here."""
        return self._refusal is not None

    async def receive(self, held: HeldBytes) -> Message:
        """The next message for the application."""
        if self.refused:
            return dict(GONE)
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._ends_s):
                message = await self._receive()
        except TimeoutError:
            return await self._end(408, f"the body took more than {self._body_s:.0f} s")
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self._bytes += size
            held.now += size
            self._complete = not message.get("more_body", False)
            too_large, too_many = self._bytes > self._limit_bytes, held.now > held.limit
            if too_large or too_many:
                self.forget(held)
            if too_large:
                return await self._end(413, f"the body has more than {self._limit_bytes} bytes")
            if too_many:
                return await self._end(503, "too many bodies arrive at once; try again")
        return message

    async def send(self, message: Message) -> None:
        """Passes on what the application answers, unless the request was refused."""
        if self.refused:
            return
        self._started = True
        await self._send(message)

    def forget(self, held: HeldBytes) -> None:
        """Gives the bytes back, when the request has ended."""
        held.now -= self._bytes
        self._bytes = 0

    async def answer(self) -> None:
        """Says why the request was refused, if it was, and nothing has been answered yet."""
        if self._refusal is not None and not self._answered and not self._started:
            self._answered = True
            await self._refuse(*self._refusal)

    async def _end(self, status: int, why: str) -> Message:
        self._refusal = (status, why)
        if not self._complete:
            await drain(self._receive)
        await self.answer()
        return dict(GONE)


async def drain(receive: Receive) -> None:
    """Reads on for a moment, so that whoever is still sending gets to see the answer."""
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_S):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return
