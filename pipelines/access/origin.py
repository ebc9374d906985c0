"""Where a request says that it goes to and comes from: the Host and the Origin of browsers.

A page of another site can make a browser send requests here, and can give itself a name that
resolves to this machine. The first is seen by its Origin, the second by a Host that is not ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to
"""Loopback by the address that means every interface."""
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def reachable_host(bound: str) -> str:
    """How an address to listen on stands in a URL that is used on this machine."""
    host = ANY_ADDRESS.get(bound, bound).strip("[]")
    return f"[{host}]" if ":" in host else host


def known_hosts(bound: str, names: Iterable[str] = ()) -> frozenset[str]:
    """Names by which a server may be called: loopback, the address it is bound to, given ones.

    A server on every address has no own name beside loopback: `names` must give those it is
    called by.
    """
    own = {bound.strip("[]")} - ANY_ADDRESS.keys()
    return LOOPBACK_NAMES | {name.strip("[]").lower() for name in (*own, *names)}


def host_of(header: str) -> str:
    """The name in a Host header, in lower case and without port; empty where it is none."""
    parts = _split(f"//{header}")
    return parts[0] if parts else ""


def is_same_origin(origin: str, host_header: str) -> bool:
    """Whether an Origin is the server that the request was sent to.

    Both the scheme before a reverse proxy and the one behind it are accepted.
    """
    scheme = origin.partition("://")[0]
    if scheme not in DEFAULT_PORTS:
        return False
    theirs, ours = _split(origin), _split(f"//{host_header}")
    if theirs is None or ours is None:
        return False
    standard = DEFAULT_PORTS[scheme]
    return (theirs[0], theirs[1] or standard) == (ours[0], ours[1] or standard)


def _split(url: str) -> tuple[str, int | None] | None:
    """Name and port of an address that has nothing else but a scheme."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        return None
    return name, port
