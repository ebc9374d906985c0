"""Keeps every listener of a one-machine Ray on loopback.

Ray 2.60 listens on all interfaces by default, and has no public setting against it. Its switch
for desktop systems makes all of Ray's own servers use 127.0.0.1; the one that remains is the
server that each Serve replica opens for calls between deployments. Both reach into private parts
of Ray, which is why its version is pinned, and why a test lists the listeners of a running city.
"""

from __future__ import annotations

import ipaddress
import os
from typing import Any

from ray._private import ray_constants
from ray.serve._private import replica

CONFINED = "CITYEYE_RAY_ON_LOOPBACK"
LOOPBACK = "127.0.0.1"
_DESKTOP_SWITCH = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_EVERY_INTERFACE = "[::]:"


def confine_ray() -> None:
    """To be called before `ray.init`: this process and all that Ray starts stay on loopback."""
    os.environ[CONFINED] = "1"  # noqa: TID251 - it must reach every process that Ray starts
    os.environ[_DESKTOP_SWITCH] = "0"  # noqa: TID251
    # Ray read the variable when it was imported; its workers read it when they start.
    ray_constants.ENABLE_RAY_CLUSTER = False


def is_loopback_host(host: str) -> bool:
    """Whether a host of an address is this machine and cannot be reached from elsewhere."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def confine_replica() -> None:
    """To be called first in a deployment's constructor: its server is opened right after that."""
    if os.environ.get(CONFINED) != "1":  # noqa: TID251
        return
    module: Any = replica
    open_port = module.add_port_to_grpc_server

    def open_loopback_port(server: object, address: str) -> int:
        if address.startswith(_EVERY_INTERFACE):
            address = address.replace(_EVERY_INTERFACE, f"{LOOPBACK}:", 1)
        return int(open_port(server, address))

    module.add_port_to_grpc_server = open_loopback_port
