"""`CameraNetwork`: which addresses and ports a camera's host may lead to.

Cameras stand in private networks, so those are allowed; what no camera is ever at (link-local and
multicast addresses, the metadata services of clouds) is dialled only where it is named.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

NEVER_UNNAMED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fd00:ec2::/32",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
"""Unspecified, link-local, multicast, reserved, and the metadata addresses of Amazon, Azure, Oracle
and Alibaba (Google's is link-local). Their networks have to be named to be dialled."""

_EMBEDDING = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""IPv6 networks whose addresses hold an IPv4 address, and how many bits lie behind it."""


@dataclass(frozen=True, slots=True)
class CameraNetwork:
    """Where cameras may be.

    Attributes:
        allow: The networks that may be dialled; empty for all but `NEVER_UNNAMED`.
        ports: The TCP ports that may be dialled; empty for all.
    """

    allow: tuple[IpNetwork, ...] = ()
    ports: tuple[int, ...] = ()

    def refusal(self, address: IpAddress, port: int) -> str:
        """Why an address and port must not be dialled, empty where they may be."""
        if self.ports and port not in self.ports:
            return f"port {port} is not among the allowed ports"
        if not all(map(self._allows, _meanings(address))):
            return f"{address} is not in an allowed network"
        return ""

    def _allows(self, address: IpAddress) -> bool:
        if self.allow:
            return any(address in network for network in self.allow)
        return not any(address in network for network in NEVER_UNNAMED)


ANYWHERE = CameraNetwork()
"""Every network but those that have to be named, and every port."""


def _meanings(address: IpAddress) -> tuple[IpAddress, ...]:
    """The address itself, or the IPv4 address that it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    for network, behind in _EMBEDDING:
        held = (int(address) >> behind) & 0xFFFF_FFFF
        # ::1 and :: lie in ::/96 too and are themselves.
        if address in network and held > 1:
            return (address, ipaddress.IPv4Address(held))
    return (address,)
