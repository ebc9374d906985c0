"""`examine_device`: what a device is, and the streams that it offers.

The newer media service is asked where a device has it, as the older one knows no H.265.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from xml.etree.ElementTree import Element

from camera_adapters.network import ANYWHERE, CameraNetwork
from camera_adapters.onvif.discovery import FoundDevice, ServiceAddress
from camera_adapters.onvif.errors import OnvifFault, RefusedCallError
from camera_adapters.onvif.safe_xml import printable, text_of
from camera_adapters.onvif.soap import Call, SoapClient
from camera_adapters.onvif.video_profile import VideoProfile
from camera_adapters.spec import Credentials

DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
SCHEMA: Final = "http://www.onvif.org/ver10/schema"
MOST_PROFILES: Final = 256
RTSP: Final = ("rtsp", "rtsps")


@dataclass(frozen=True, slots=True)
class OnvifDevice:
    """A device that was asked.

    Attributes:
        address: Where it answered, as numbers.
        name: What it calls itself; maker and model where it does not.
        maker: As it says.
        model: As it says.
        firmware: As it says.
        serial: As it says.
        clock_ahead_s: Seconds by which its clock is ahead of ours.
        profiles: Its streams, in its order.
        foreign_hosts: Hosts other than `address` that its stream addresses name.
    """

    address: str
    name: str
    maker: str
    model: str
    firmware: str
    serial: str
    clock_ahead_s: float
    profiles: tuple[VideoProfile, ...]
    foreign_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reading:
    """How profiles of a media service are read: the paths in one, and what asks for its stream."""

    source: str
    encoder: str
    stream: Callable[[str], Call]


def examine_device(
    found: FoundDevice, credentials: Credentials | None, network: CameraNetwork = ANYWHERE
) -> OnvifDevice:
    """Asks a device. A wrong login is tried at most twice, so that no account is locked.

    Raises:
        OnvifFault: It refuses, does not answer, or offers no video.
    """
    client = SoapClient(found.address, credentials, network)
    try:
        client.clock_ahead = _clock_ahead(client, found.service)
        about = client.call(found.service, Call(DEVICE, "GetDeviceInformation"))
        media = _media_services(client, found.service)
        profiles = _profiles(client, media)
    except RefusedCallError as error:
        raise _refused(found.address, error, has_login=credentials is not None) from None
    if not profiles:
        remedy = "set up a media profile with video at the device"
        raise OnvifFault(found.address, "offers no video", remedy)
    maker, model, firmware, serial = (
        text_of(about, f".//{{*}}{name}")
        for name in ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber")
    )
    hosts = {urlsplit(one.address).hostname or "" for one in profiles} - {found.address, ""}
    return OnvifDevice(
        found.address,
        found.name or f"{maker} {model}".strip(),
        maker,
        model,
        firmware,
        serial,
        client.clock_ahead.total_seconds(),
        tuple(profiles),
        tuple(sorted(hosts)),
    )


def _refused(address: str, error: RefusedCallError, *, has_login: bool) -> OnvifFault:
    if not error.unauthorized:
        return OnvifFault(
            address, f"refuses the call: {error.text}", "update its firmware, or add it by hand"
        )
    if not has_login:
        return OnvifFault(address, "asks for a login", "give one with --username and a password")
    return OnvifFault(
        address,
        f"refuses the login: {error.text}",
        "correct user name and password; many cameras have users for ONVIF apart from others",
    )


def _clock_ahead(client: SoapClient, service: ServiceAddress) -> timedelta:
    """How far the device's clock is ahead; nothing where it does not say."""
    try:
        answer = client.call(service, Call(DEVICE, "GetSystemDateAndTime", open=True))
    except RefusedCallError:
        return timedelta()
    at = answer.find(".//{*}UTCDateTime")
    date, time = ("Year", "Month", "Day"), ("Hour", "Minute", "Second")
    names = [f"Date/{{*}}{one}" for one in date] + [f"Time/{{*}}{one}" for one in time]
    try:
        numbers = [int(text_of(at, f"{{*}}{name}")) for name in names]
        year, month, day, hour, minute, second = numbers
        there = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return timedelta()
    return there - datetime.now(UTC)


def _media_services(
    client: SoapClient, service: ServiceAddress
) -> list[tuple[str, ServiceAddress]]:
    """Media services, the newer one first."""
    content = "<IncludeCapability>false</IncludeCapability>"
    named: dict[str, str] = {}
    try:
        answer = client.call(service, Call(DEVICE, "GetServices", content))
        for one in answer.iterfind(".//{*}Service"):
            named[text_of(one, "{*}Namespace")] = text_of(one, "{*}XAddr")
    except RefusedCallError as error:
        if error.unauthorized:
            raise
    if not named.keys() & {MEDIA, MEDIA2}:
        # Firmware of before 2011 has no GetServices.
        content = "<Category>All</Category>"
        answer = client.call(service, Call(DEVICE, "GetCapabilities", content))
        named[MEDIA] = text_of(answer, ".//{*}Media/{*}XAddr")
    found = []
    for namespace in (MEDIA2, MEDIA):
        try:
            found.append((namespace, ServiceAddress.of(named.get(namespace, ""))))
        except ValueError:
            continue
    return found


def _profiles(client: SoapClient, media: list[tuple[str, ServiceAddress]]) -> list[VideoProfile]:
    """Profiles of the first media service that has any.

    Raises:
        RefusedCallError: The last one refused.
    """
    readers = {MEDIA2: _of_media2, MEDIA: _of_media}
    refusal: RefusedCallError | None = None
    for namespace, service in media:
        try:
            if found := readers[namespace](client, service):
                return found
        except RefusedCallError as error:
            if error.unauthorized:
                raise
            refusal = error
    if refusal is not None:
        raise refusal
    return []


def _of_media2(client: SoapClient, service: ServiceAddress) -> list[VideoProfile]:
    content = "<Type>VideoSource</Type><Type>VideoEncoder</Type>"
    answer = client.call(service, Call(MEDIA2, "GetProfiles", content))

    def stream(token: str) -> Call:
        content = f"<Protocol>RTSP</Protocol><ProfileToken>{token}</ProfileToken>"
        return Call(MEDIA2, "GetStreamUri", content)

    parts = "Configurations/{*}VideoSource", "Configurations/{*}VideoEncoder"
    return _read(client, service, answer, _Reading(*parts, stream))


def _of_media(client: SoapClient, service: ServiceAddress) -> list[VideoProfile]:
    answer = client.call(service, Call(MEDIA, "GetProfiles"))

    def stream(token: str) -> Call:
        content = (
            f'<StreamSetup><Stream xmlns="{SCHEMA}">RTP-Unicast</Stream>'
            f'<Transport xmlns="{SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
            f"<ProfileToken>{token}</ProfileToken>"
        )
        return Call(MEDIA, "GetStreamUri", content)

    parts = "VideoSourceConfiguration", "VideoEncoderConfiguration"
    return _read(client, service, answer, _Reading(*parts, stream))


def _read(
    client: SoapClient, service: ServiceAddress, answer: Element, reading: _Reading
) -> list[VideoProfile]:
    """Profiles with video."""
    found = []
    for profile in answer.findall(".//{*}Profiles")[:MOST_PROFILES]:
        encoder = profile.find(f"{{*}}{reading.encoder}")
        if encoder is None:
            continue
        reply = client.call(service, reading.stream(html.escape(profile.get("token", ""))))
        token = printable(profile.get("token", ""))
        found.append(
            VideoProfile(
                token=token,
                name=text_of(profile, "{*}Name") or token,
                source=text_of(profile, f"{{*}}{reading.source}/{{*}}SourceToken"),
                encoding=text_of(encoder, "{*}Encoding").upper(),
                width=int(_number(text_of(encoder, "{*}Resolution/{*}Width"))),
                height=int(_number(text_of(encoder, "{*}Resolution/{*}Height"))),
                fps=_number(text_of(encoder, "{*}RateControl/{*}FrameRateLimit")),
                address=without_login(text_of(reply, ".//{*}Uri")),
            )
        )
    return found


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0 < number < 1e5 else 0.0  # noqa: PLR2004 - neither size nor rate


def without_login(address: str) -> str:
    """An RTSP address without user name and password; empty if it is none."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme.lower() in RTSP and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    usable = usable and address.isascii() and " " not in address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if usable else ""
