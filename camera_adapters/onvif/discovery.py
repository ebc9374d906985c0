"""WS-Discovery: asks the local network for video devices and gathers who answers.

A probe is a UDP datagram to a multicast group (WS-Discovery 1.0, April 2005; ONVIF Core, chapter
Device discovery). Whoever answers does so to the port that asked. Routers do not pass it on.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

from camera_adapters.onvif.safe_xml import UnreadableXmlError, parse_xml, printable, text_of

GROUP: Final = ("239.255.255.250", 3702)
MOST_BYTES: Final = 65_535
MOST_DEVICES: Final = 4096
REPEAT_AFTER_S: Final = 0.5
SERVICE_PATH: Final = "/onvif/device_service"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
SCOPE: Final = "onvif://www.onvif.org/"

_PROBE: Final = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:n="http://www.onvif.org/ver10/network/wsdl"
 xmlns:t="http://www.onvif.org/ver10/device/wsdl"><s:Header>
<a:Action s:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>
<a:MessageID>uuid:{identity}</a:MessageID>
<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>
</a:ReplyTo><a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>
</s:Header><s:Body><d:Probe><d:Types>{kind}</d:Types></d:Probe></s:Body></s:Envelope>"""
_KINDS: Final = ("n:NetworkVideoTransmitter", "t:Device")
"""Some devices answer to one of them only."""


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where a service of a device is: at the device's own address, whatever host it names."""

    port: int = 80
    path: str = SERVICE_PATH
    secure: bool = False

    @classmethod
    def of(cls, url: str) -> ServiceAddress:
        """Port, path and scheme of an address that a device names.

        Raises:
            ValueError: This is no address of a web service.
        """
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        if scheme not in DEFAULT_PORTS or not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("not the address of a web service")
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        return cls(parts.port or DEFAULT_PORTS[scheme], path, scheme == "https")


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device that answered a probe, or that is to be asked anyway.

    Attributes:
        address: Where it answered, as numbers.
        service: Its device service.
        name: What it calls itself, empty where it does not say.
        identity: Its endpoint reference, which stays when its address changes; empty if unknown.
    """

    address: str
    service: ServiceAddress = ServiceAddress()
    name: str = ""
    identity: str = ""


@dataclass(slots=True)
class NetworkProbe:
    """What came of a probe.

    Attributes:
        devices: Who answered, each once, in the order of their addresses.
        unreadable: Addresses that answered with something else than a probe match.
        unreachable: Interfaces on which the probe could not be sent, with the reason.
    """

    devices: list[FoundDevice] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unreachable: dict[str, str] = field(default_factory=dict)


def find_devices(wait_s: float, interface: str | None = None) -> NetworkProbe:
    """Asks the local network, and waits so many seconds for answers.

    Args:
        wait_s: Seconds; devices answer within half a second, slow ones within some. With 0 nobody
            is asked.
        interface: The IPv4 address of ours whose network is asked; all of them without it.

    Raises:
        ValueError: `interface` is no IPv4 address.
    """
    probe = NetworkProbe()
    sockets = list(_open_sockets(interface, probe)) if wait_s else []
    try:
        _gather(sockets, wait_s, probe)
    finally:
        for sock in sockets:
            sock.close()
    probe.devices.sort(key=lambda one: (ipaddress.ip_address(one.address), one.service.port))
    return probe


def device_at(place: str) -> FoundDevice:
    """A device to be asked without a probe, at `HOST` or `HOST:PORT`.

    Raises:
        ValueError: This is not the address of a host.
        OSError: The name cannot be resolved.
    """
    parts = urlsplit(f"//{place}")
    if not parts.hostname or parts.path or parts.query or "@" in place:
        raise ValueError(f"{place} is neither HOST nor HOST:PORT")
    found = socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)
    return FoundDevice(str(found[0][4][0]), ServiceAddress(parts.port or DEFAULT_PORTS["http"]))


def _open_sockets(interface: str | None, probe: NetworkProbe) -> Iterator[socket.socket]:
    """A socket for each interface; one that cannot send is noted."""
    if interface is None:
        # The index of an interface in place of its address, see ip(7), IP_MULTICAST_IF.
        indexes = socket.if_nameindex()
        choices = {name: struct.pack("@4s4si", b"", b"", index) for index, name in indexes}
    else:
        choices = {interface: ipaddress.IPv4Address(interface).packed}
    for name, choice in choices.items():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, choice)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            _send(sock)
        except OSError as error:
            probe.unreachable[name] = error.strerror or type(error).__name__
            sock.close()
            continue
        yield sock


def _send(sock: socket.socket) -> None:
    for kind in _KINDS:
        message = _PROBE.format(identity=uuid.uuid4(), kind=kind)
        sock.sendto(message.encode(), GROUP)


def _gather(sockets: list[socket.socket], wait_s: float, probe: NetworkProbe) -> None:
    known: set[str] = set()
    now_s = time.monotonic()
    until_s, repeat_s = now_s + wait_s, now_s + REPEAT_AFTER_S
    while sockets and (left_s := until_s - time.monotonic()) > 0:
        if time.monotonic() >= repeat_s:
            repeat_s = until_s
            for sock in sockets:
                with suppress(OSError):
                    _send(sock)
        ready, _, _ = select.select(sockets, (), (), min(left_s, REPEAT_AFTER_S / 2))
        for sock in ready:
            data, (address, _port) = sock.recvfrom(MOST_BYTES)
            _note(data, address, known, probe)


def _note(data: bytes, address: str, known: set[str], probe: NetworkProbe) -> None:
    try:
        found = [_found(match, address) for match in _matches(data)]
    except (UnreadableXmlError, ValueError):
        if address not in probe.unreadable and len(probe.unreadable) < MOST_DEVICES:
            probe.unreadable.append(address)
        return
    for device in found:
        key = device.identity or f"{address}:{device.service.port}"
        if key not in known and len(known) < MOST_DEVICES:
            known.add(key)
            probe.devices.append(device)


def _matches(data: bytes) -> list[Element]:
    """Probe matches of video devices; printers and the like answer too."""
    matches = parse_xml(data).findall(".//{*}ProbeMatch")
    return [
        one
        for one in matches
        if SCOPE in _whole_text(one, "{*}Scopes") or "Network" in _whole_text(one, "{*}Types")
    ]


def _whole_text(element: Element, name: str) -> str:
    """The text of a child without a bound on its length; datagrams are bounded themselves."""
    found = element.find(name)
    return "" if found is None else " ".join((found.text or "").split())


def _found(match: Element, address: str) -> FoundDevice:
    """What a probe match says.

    Raises:
        ValueError: It names no address of a web service.
    """
    named = _whole_text(match, "{*}XAddrs").split()
    usable = [one for one in named if one.startswith("http")]
    # A device may name an address of each of its networks: that one first from which it answered.
    usable.sort(key=lambda one: (urlsplit(one).hostname != address, one.startswith("https")))
    if not usable:
        raise ValueError("no address of a service")
    scopes = _whole_text(match, "{*}Scopes").split()
    names = [one.partition("/name/")[2] for one in scopes if f"{SCOPE}name/" in one]
    return FoundDevice(
        address,
        ServiceAddress.of(usable[0]),
        printable(unquote(names[0])) if names else "",
        text_of(match, "{*}EndpointReference/{*}Address"),
    )
