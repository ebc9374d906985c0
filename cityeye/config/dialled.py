"""Camera addresses that must not be dialled, found without dialling anything."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from camera_adapters import DEFAULT_PORTS, FILE_SCHEME, CameraNetwork, scheme_of
from cityeye.config.document import Document
from cityeye.config.plans import camera_network
from cityeye.config.schema import Settings
from cityeye.config.streams import SOURCE_KEYS


def report_forbidden_addresses(document: Document, settings: Settings) -> None:
    """Reports cameras whose address, where it is given in numbers, is not allowed.

    Names are resolved, and their addresses checked, whenever a camera is connected.
    """
    network = camera_network(settings)
    for index, camera in enumerate(settings.cameras):
        for name in SOURCE_KEYS:
            source = getattr(camera, name)
            refusal = _refusal(network, source) if source is not None else ""
            if refusal:
                remedy = "Correct it, or allow its network and port under `camera_network:`."
                document.report(("cameras", index, name), refusal, remedy)


def _refusal(network: CameraNetwork, source: str) -> str:
    """Why an address in numbers must not be dialled; empty where it may be, or is a name."""
    if scheme_of(source) == FILE_SCHEME:
        return ""
    parts = urlsplit(source)
    try:
        address = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return ""
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, DEFAULT_PORTS["rtsp"])
    return network.refusal(address, port)
