"""Camera addresses that must not be dialled, found without dialling anything."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from camera_adapters import DEFAULT_PORTS, FILE_SCHEME, scheme_of
from cityeye.config.document import Document
from cityeye.config.plans import camera_network
from cityeye.config.schema import Settings


def report_forbidden_addresses(document: Document, settings: Settings) -> None:
    """Reports cameras whose address, where it is given in numbers, is not allowed.

    Names are resolved, and their addresses checked, whenever a camera is connected.
    """
    network = camera_network(settings)
    for index, camera in enumerate(settings.cameras):
        if scheme_of(camera.source) == FILE_SCHEME:
            continue
        parts = urlsplit(camera.source)
        try:
            address = ipaddress.ip_address(parts.hostname or "")
        except ValueError:
            continue
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, DEFAULT_PORTS["rtsp"])
        refusal = network.refusal(address, port)
        if refusal:
            remedy = "Correct it, or allow its network and port under `camera_network:`."
            document.report(("cameras", index, "source"), refusal, remedy)
