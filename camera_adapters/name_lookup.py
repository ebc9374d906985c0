"""Host names to addresses within a time, which the system's resolver does not keep by itself.

It cannot be stopped either. So a name is looked up in a thread of its own, and whoever does not
want to wait any longer leaves the thread behind. The next one who asks for the same name waits for
that thread: there is never more than one for a name.
"""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future, wait

FoundAddress = tuple[socket.AddressFamily, str]
"""Family and address, as numbers; of a link-local one with its zone."""


class NameLookupTimeoutError(TimeoutError):
    """A name was not resolved in time; that the machine behind it is slow is another matter."""


class NameLookups:
    """The lookups that are under way. Safe from any thread."""

    def __init__(self) -> None:
        """None is."""
        self._lock = threading.Lock()
        self._pending: dict[str, Future[list[FoundAddress]]] = {}

    def find(self, host: str, deadline_s: float) -> list[FoundAddress]:
        """Every address of a host, waited for until a monotonic time.

        Raises:
            NameLookupTimeoutError: It took too long.
            OSError: The name cannot be resolved.
        """
        try:
            # An address needs no name server, and so no thread.
            return _addresses(host, socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        with self._lock:
            pending = self._pending.get(host)
            if pending is None:
                pending = Future()
                threading.Thread(
                    target=self._look_up, args=(host, pending), name=f"lookup-{host}", daemon=True
                ).start()
                # Only now, as a thread may be refused; it waits for the lock before it is done.
                self._pending[host] = pending
        if not wait([pending], max(0.0, deadline_s - time.monotonic())).done:
            raise NameLookupTimeoutError
        return pending.result()

    def _look_up(self, host: str, pending: Future[list[FoundAddress]]) -> None:
        found: list[FoundAddress] = []
        failure: Exception | None = None
        try:
            found = _addresses(host)
        except Exception as error:
            failure = error
        # First, so that whoever asks from now on gets a newer answer.
        with self._lock:
            del self._pending[host]
        if failure is not None:
            pending.set_exception(failure)
        else:
            pending.set_result(found)


NAME_LOOKUPS = NameLookups()
"""One for the whole process, as all its cameras share one resolver."""


def _addresses(host: str, flags: int = 0) -> list[FoundAddress]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return list(dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found))
