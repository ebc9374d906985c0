"""The `Transport` header of SETUP (RFC 2326, 12.39): what a viewer asks for, what it gets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulation.rtsp_server.errors import ProtocolError

_PAIR = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_MAX_CHANNEL = 255
_MAX_PORT = 65535
_TCP = {"RTP/AVP/TCP"}
_UDP = {"RTP/AVP", "RTP/AVP/UDP"}


@dataclass(frozen=True, slots=True)
class Interleaved:
    """RTP and RTCP on two channels of the RTSP connection."""

    rtp: int
    rtcp: int


@dataclass(frozen=True, slots=True)
class Datagrams:
    """RTP and RTCP to two UDP ports of the client's own address."""

    rtp: int
    rtcp: int


def choose_transport(header: str) -> Interleaved | Datagrams:
    """The first alternative of a `Transport` header that can be served.

    A `destination` is never honoured: a camera that sends video to third parties is a weapon.

    Raises:
        ProtocolError: 461 where no alternative can be served.
    """
    for alternative in header.split(","):
        chosen = _parse(alternative.strip())
        if chosen is not None:
            return chosen
    raise ProtocolError(461, "only unicast RTP/AVP over TCP or UDP is served")


def _parse(alternative: str) -> Interleaved | Datagrams | None:
    profile, *parameters = (part.strip() for part in alternative.split(";"))
    values = dict(part.partition("=")[::2] for part in parameters)
    if "multicast" in values or values.get("mode", "PLAY").strip('"').upper() != "PLAY":
        return None
    if profile.upper() in _TCP:
        pair = _pair(values.get("interleaved", "0-1"), _MAX_CHANNEL)
        return Interleaved(*pair) if pair else None
    if profile.upper() in _UDP:
        pair = _pair(values.get("client_port", ""), _MAX_PORT)
        return Datagrams(*pair) if pair and pair[0] > 0 else None
    return None


def _pair(text: str, most: int) -> tuple[int, int] | None:
    match = _PAIR.fullmatch(text)
    if match is None:
        return None
    first = int(match[1])
    second = int(match[2]) if match[2] else first + 1
    return (first, second) if first != second and max(first, second) <= most else None
