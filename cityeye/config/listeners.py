"""Checks which ports the city takes, and that nothing else is expected there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from cityeye.config.document import Document
from cityeye.config.problem import Key
from cityeye.ports import API_PORT, HUB_PORT

ANY_HOST = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({"localhost", "::1", LOOPBACK})
DEFAULT_PORTS = {"api": API_PORT, "hub": HUB_PORT}


def check_ports(document: Document) -> None:
    """Adds a problem where two things want one port, or a camera is one of our own listeners."""
    listeners = dict(_listeners(document))
    if len(listeners) == len(DEFAULT_PORTS):
        (api_host, api_port), (hub_host, hub_port) = listeners["api"], listeners["hub"]
        hosts = {api_host, hub_host}
        if api_port == hub_port and (len(hosts) == 1 or hosts & ANY_HOST):
            hub = document.data["hub"]
            key: Key = ("hub", "port") if "port" in hub else ("api", "port")
            what = f"port {hub_port} is wanted by `api` and by `hub`"
            document.report(key, what, "Give one of them another.")
    cameras = document.data.get("cameras")
    for index, camera in enumerate(cameras if isinstance(cameras, list) else ()):
        source = camera.get("source") if isinstance(camera, dict) else None
        if isinstance(source, str):
            _check_camera(document, ("cameras", index, "source"), source, listeners)


def _check_camera(
    document: Document, key: Key, source: str, listeners: dict[str, tuple[str, int]]
) -> None:
    try:
        parts = urlsplit(source)
        place = _plain(parts.hostname or ""), parts.port
    except ValueError:
        return
    for name, (host, port) in listeners.items():
        if place[1] == port and place[0] in {host, LOOPBACK} and host in {place[0], *ANY_HOST}:
            what = f"the camera's address is that of this city's own `{name}`"
            document.report(key, what, "Give the address of the camera.")


def _listeners(document: Document) -> Iterator[tuple[str, tuple[str, int]]]:
    """Host and port of everything that listens on a known port."""
    for name, default in DEFAULT_PORTS.items():
        section: Any = document.data.get(name, {} if name == "api" else None)
        if not isinstance(section, dict):
            continue
        port, host = section.get("port", default), section.get("host", LOOPBACK)
        if str(port).isdecimal() and int(port) > 0 and isinstance(host, str):
            yield name, (_plain(host), int(port))


def _plain(host: str) -> str:
    return LOOPBACK if host in LOOPBACK_NAMES else host
