"""Ports for servers that go away and come back at the same address.

The kernel gives no connection one of these as its own end: the port of a server that is away could
otherwise be taken, even by whoever dials it and would then be connected to itself.
"""

from __future__ import annotations

import random
import socket
from typing import Final

PORTS: Final = range(20_000, 30_000)
"""Below those that Linux gives to connections, see `ip_local_port_range` in ip(7)."""


def free_port() -> int:
    """A port that nobody has right now.

    Raises:
        OSError: There is none.
    """
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"no port from {PORTS.start} to {PORTS.stop} is free")
