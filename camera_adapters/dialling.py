"""Dialling: from a host name to a connected socket whose address was checked.

A name is resolved once for each attempt, every address that it has is checked, and the connection
goes to the very address that was checked, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass

from camera_adapters.name_lookup import NAME_LOOKUPS, FoundAddress
from camera_adapters.network import CameraNetwork

RECEIVE_BUFFER_BYTES = 1024 * 1024
"""What the kernel may keep for us. More would let frames grow old unseen while we are slow."""


class ForbiddenAddressError(Exception):
    """A host has an address that must not be dialled; the text says which and why."""


class UntrustedCertificateError(Exception):
    """The host's certificate cannot be verified; the text says why."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection.

    Attributes:
        sock: Connected; with TLS where it was asked for.
        peer: The address at the other end, as numbers.
    """

    sock: socket.socket
    peer: str


def dial(
    host: str,
    port: int,
    network: CameraNetwork,
    *,
    deadline_s: float,
    tls: ssl.SSLContext | None = None,
) -> Dialled:
    """Connects to a host that may be dialled, until a monotonic time.

    Raises:
        ForbiddenAddressError: One of its addresses, or the port, is not allowed; nothing was sent.
        UntrustedCertificateError: It has no certificate that `tls` trusts.
        OSError: It cannot be resolved or connected; `TimeoutError` where that took too long.
    """
    addresses = resolve(host, port, network, deadline_s=deadline_s)
    failure: OSError | None = None
    for family, target in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.settimeout(_left_s(deadline_s))
            sock.connect((target, port))
            return Dialled(_secured(sock, host, deadline_s, tls), target)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure or OSError("the name has no address")


def resolve(
    host: str, port: int, network: CameraNetwork, *, deadline_s: float
) -> list[FoundAddress]:
    """Every address of a host with its family; the first ones are to be tried first.

    Raises:
        ForbiddenAddressError: One of them, or the port, is not allowed.
        OSError: The name cannot be resolved; `NameLookupTimeoutError` where that took too long.
    """
    targets = NAME_LOOKUPS.find(host, deadline_s)
    for _, target in targets:
        refusal = network.refusal(ipaddress.ip_address(target.partition("%")[0]), port)
        if refusal:
            raise ForbiddenAddressError(refusal)
    return targets


def _secured(
    sock: socket.socket, host: str, deadline_s: float, tls: ssl.SSLContext | None
) -> socket.socket:
    if tls is None:
        return sock
    sock.settimeout(_left_s(deadline_s))
    try:
        return tls.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise UntrustedCertificateError(error.verify_message) from None


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
