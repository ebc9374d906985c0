"""HTTP connections whose answers end at a deadline, however slowly they trickle in.

An answer that is cut off before its headers end is none: the standard library would take what is
there for all of it.

The timeout of a socket starts anew with every byte, so a server that sends one now and then would
hold a connection for ever. Here every read, of the status line as of headers and body, gets what is
left of the whole.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """When the delivery that is under way has to be over. One thread sets and reads it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until_s = float("inf")

    def start(self, seconds: float) -> None:
        """From now on so many seconds are left."""
        self._until_s = self._monotonic() + seconds

    def limit(self, wait_s: float | None) -> float:
        """A wait in seconds, cut to what is left.

        Raises:
            TimeoutError: Nothing is left.
        """
        left_s = self._until_s - self._monotonic()
        if left_s <= 0:
            raise TimeoutError("the delivery took too long")
        return left_s if wait_s is None else min(wait_s, left_s)


class _Reader(io.RawIOBase):
    """The bytes of a socket until the deadline.

    Attributes:
        ended: Whether the other side has said its last.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.ended = False
        self._sock = sock
        self._wait_s = sock.gettimeout()
        self._deadline = deadline
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer
        self._sock.settimeout(self._deadline.limit(self._wait_s))
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._reader = _Reader(sock, deadline)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        """See `http.client.HTTPResponse`.

        Raises:
            RemoteDisconnected: The connection ended before the headers did.
        """
        super().begin()
        # Nothing is read beyond the empty line, so an end that was seen came before it.
        if self._reader.ended:
            raise http.client.RemoteDisconnected("the answer was cut off")


class _DeadlineConnection(HTTPConnection):
    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_class = partial(_Answer, deadline=deadline)  # type: ignore[assignment]


class _DeadlineTlsConnection(HTTPSConnection):
    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_class = partial(_Answer, deadline=deadline)  # type: ignore[assignment]


class DeadlinePool(HTTPConnectionPool):
    """Connections to one HTTP server; takes `deadline` beside what urllib3's pool takes."""

    ConnectionCls = _DeadlineConnection


class DeadlineTlsPool(HTTPSConnectionPool):
    """The same with TLS."""

    ConnectionCls = _DeadlineTlsConnection
