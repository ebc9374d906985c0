"""Where a receiver is, and whether the hub may go there.

A name is resolved once for each delivery, every address that it has must be allowed, and the
connection goes to the very address that was checked: a name that changes its mind in between
leads nowhere (server-side request forgery by DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from pydantic import IPvAnyNetwork

from event_hub.errors import HubError

PORTS = {"http": 80, "https": 443}


class ReceiverForbiddenError(HubError):
    """The settings do not let the hub go there."""


def checked_address(url: str, networks: Sequence[IPvAnyNetwork]) -> str:
    """The IP address to connect to for a URL.

    Args:
        url: Of the receiver.
        networks: Private ones that are allowed. Beside them only public addresses are, and these
            by TLS alone.

    Raises:
        ReceiverForbiddenError: One of its addresses is not allowed.
        OSError: The name is not known.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    for address in addresses:
        # An IPv4 address in the clothes of an IPv6 one counts as what it is.
        real = getattr(address, "ipv4_mapped", None) or address
        if any(real in network for network in networks if network.version == real.version):
            continue
        if not real.is_global or real.is_multicast:
            raise ReceiverForbiddenError(
                f"{host} is not a public address; an administrator can allow its network with "
                "`hub: subscriptions: networks` in the configuration"
            )
        if parts.scheme != "https":
            raise ReceiverForbiddenError(f"{host} is a public address: use https")
    return str(addresses[0])
