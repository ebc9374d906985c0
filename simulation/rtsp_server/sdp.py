"""The session description (SDP, RFC 8866) of a looped clip, as an IP camera would give it."""

from __future__ import annotations

import base64

from simulation.rtsp_server.clip import H264_SPS, Clip, nal_type
from simulation.rtsp_server.packetiser import PAYLOAD_TYPE

TRACK = "trackID=0"
"""Control name of the only track, relative to the mount's URL."""

_BITRATE_HEADROOM = 1.2
_UNSPECIFIED = {"IP4": "0.0.0.0", "IP6": "::"}  # noqa: S104 - what unicast descriptions say
_H265_NAMES = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}


def describe(clip: Clip, *, name: str, session: int, host: str) -> str:
    """SDP text for one clip.

    Args:
        clip: What is played.
        name: Session name, shown by players.
        session: A number that identifies this stream.
        host: The server's address.
    """
    family = "IP6" if ":" in host else "IP4"
    codec = "H264" if clip.codec == "h264" else "H265"
    lines = [
        "v=0",
        f"o=- {session} 1 IN {family} {host}",
        f"s={name}",
        f"c=IN {family} {_UNSPECIFIED[family]}",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"b=AS:{max(1, round(clip.bits_per_s * _BITRATE_HEADROOM / 1000))}",
        f"a=rtpmap:{PAYLOAD_TYPE} {codec}/90000",
        f"a=fmtp:{PAYLOAD_TYPE} {_format_parameters(clip)}",
        f"a=framerate:{round(clip.fps, 3):g}",
        f"a=control:{TRACK}",
    ]
    return "\r\n".join([*lines, ""])


def _format_parameters(clip: Clip) -> str:
    if clip.codec == "h264":
        sets = ",".join(_base64(nal) for nal in clip.parameter_sets)
        sps = next(nal for nal in clip.parameter_sets if nal_type("h264", nal) == H264_SPS)
        level = sps[1:4].hex().upper()
        return f"packetization-mode=1;profile-level-id={level};sprop-parameter-sets={sets}"
    named = {
        name: ",".join(_base64(nal) for nal in clip.parameter_sets if nal_type("h265", nal) == kind)
        for kind, name in _H265_NAMES.items()
    }
    return ";".join(f"{name}={value}" for name, value in named.items() if value)


def _base64(nal: bytes) -> str:
    return base64.b64encode(nal).decode()
