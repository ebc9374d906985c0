"""`check_exposure`: nothing that we started can be reached from elsewhere but what was configured.

Whoever reaches one of Ray's ports runs code here. So a city looks at the listeners of all its
processes when it has started, and at Ray's own authentication, and does not go on otherwise.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ray._private.authentication.authentication_utils import is_token_auth_enabled

from serving.errors import ClusterError
from serving.process_tree import (
    PROC,
    PROCESS_GONE,
    RunningProcess,
    processes_below,
    socket_inodes,
)

RAY_TOKEN = Path(".ray/auth_token")
LISTENING = "0A"
ListenAddress = tuple[str, int]


def check_exposure(allowed: Collection[ListenAddress]) -> None:
    """Refuses to go on where more can be reached than loopback and the `allowed` addresses.

    An address of every interface allows its port on each of them, port 0 every port of an address.

    Raises:
        ClusterError: Something listens elsewhere, or Ray asks for no token.
    """
    check_token_auth()
    # Ray gives the file the permissions that the user's other files have.
    token = Path.home() / RAY_TOKEN
    with suppress(OSError):
        token.chmod(0o600)
    resolved = {(address, port) for host, port in allowed for address in _addresses_of(host)}
    for name, (host, port) in listeners(os.getpid()):
        if not _is_allowed(host, port, resolved):
            raise ClusterError(
                f"{name} listens on {host}:{port}, where other machines reach it; name the address "
                "in the configuration, or report this version of Ray"
            )


def check_token_auth() -> None:
    """Refuses to go on where this process would use Ray without a token.

    Raises:
        ClusterError: So it is.
    """
    if not is_token_auth_enabled():
        raise ClusterError(
            "Ray runs without its token authentication; remove RAY_AUTH_MODE from the environment"
        )


def listeners(root: int) -> Iterator[tuple[str, ListenAddress]]:
    """Every TCP address that a process or one of its descendants listens on, with its name."""
    sockets = dict(_listening_sockets())
    for process in (RunningProcess.read(root), *processes_below(root)):
        for inode in socket_inodes(process.pid) & sockets.keys():
            yield process.name, sockets[inode]


def _addresses_of(host: str) -> set[str]:
    """The addresses of a name; an address is its own."""
    with suppress(OSError):
        return {str(one[4][0]) for one in socket.getaddrinfo(host, None)}
    return set()


def _is_allowed(host: str, port: int, allowed: Collection[ListenAddress]) -> bool:
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if (mapped or address).is_loopback:
        return True
    anywhere = {"0.0.0.0", "::", host}  # noqa: S104 - compared with, not bound to
    return any(one in anywhere and number in (0, port) for one, number in allowed)


def _listening_sockets() -> Iterator[tuple[str, ListenAddress]]:
    """ListenAddress by inode; see proc_pid_net(5)."""
    for table in ("tcp", "tcp6"):
        with suppress(*PROCESS_GONE):
            for line in (PROC / "net" / table).read_text("ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING:
                    host, _, port = columns[1].partition(":")
                    yield columns[9], (_address(host), int(port, 16))


def _address(text: str) -> str:
    """An address from words of four bytes, each in the order of this machine."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))
