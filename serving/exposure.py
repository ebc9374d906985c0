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

PROC = Path("/proc")
RAY_TOKEN = Path(".ray/auth_token")
LISTENING = "0A"
SOCKET = "socket:["
ListenAddress = tuple[str, int]
GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def check_exposure(allowed: Collection[ListenAddress]) -> None:
    """Refuses to go on where more can be reached than loopback and the `allowed` addresses.

    An address of every interface allows its port on each of them, port 0 every port of an address.

    Raises:
        ClusterError: Something listens elsewhere, or Ray asks for no token.
    """
    if not is_token_auth_enabled():
        raise ClusterError(
            "Ray runs without its token authentication; remove RAY_AUTH_MODE from the environment"
        )
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


def listeners(root: int) -> Iterator[tuple[str, ListenAddress]]:
    """Every TCP address that a process or one of its descendants listens on, with its name."""
    sockets = dict(_listening_sockets())
    for pid in (root, *_descendants(root)):
        with suppress(*GONE):
            for file in (PROC / str(pid) / "fd").iterdir():
                with suppress(*GONE):
                    target = os.readlink(file)
                    if target.startswith(SOCKET) and target[len(SOCKET) : -1] in sockets:
                        yield _name(pid), sockets[target[len(SOCKET) : -1]]


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
        with suppress(*GONE):
            for line in (PROC / "net" / table).read_text("ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING:
                    host, _, port = columns[1].partition(":")
                    yield columns[9], (_address(host), int(port, 16))


def _address(text: str) -> str:
    """An address from words of four bytes, each in the order of this machine."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _descendants(root: int) -> list[int]:
    parents = dict(_parents())
    found, todo = [], [root]
    while todo:
        parent = todo.pop()
        children = [pid for pid, one in parents.items() if one == parent]
        found += children
        todo += children
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(*GONE):
                # The name in brackets may hold anything.
                fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                yield int(folder.name), int(fields[1])


def _name(pid: int) -> str:
    with suppress(*GONE):
        return (PROC / str(pid) / "comm").read_text(errors="replace").strip()
    return f"process {pid}"
