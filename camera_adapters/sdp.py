"""Session descriptions (SDP, RFC 8866): the one video track of a camera that can be read.

What a description says is not trusted. Only H.264, H.265 and JPEG are found in it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urljoin, urlsplit

MAX_PARAMETER_SET_BYTES = 16 * 1024
MAX_MEDIA = 64
MAX_URL = 2048
JPEG_PAYLOAD_TYPE = 26
MAX_PAYLOAD_TYPE = 127

START_CODE = b"\x00\x00\x00\x01"

_MEDIA = re.compile(r"([a-z]+) +\d+(?:/\d+)? +(\S+)((?: +\d{1,3})+) *", re.ASCII)
_FORMAT = re.compile(r"(\d{1,3}) +(.*)", re.ASCII)
_CODEC = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,19}")
_URL = re.compile(r"[\x21-\x7e]+")
_PROFILES = {"RTP/AVP", "RTP/AVPF", "RTP/AVP/TCP", "RTP/AVP/UDP"}


class VideoCodec(StrEnum):
    """What is read; the names are those of RTP, in capitals."""

    H264 = "H264"
    H265 = "H265"
    JPEG = "JPEG"


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """A track of a camera.

    Attributes:
        codec: How it is encoded.
        payload_type: The number of its RTP packets.
        control: Its URL as the description writes it, perhaps relative, perhaps empty.
        parameter_sets: SPS, PPS and VPS as a byte stream with start codes; empty if not given.
    """

    codec: VideoCodec
    payload_type: int
    control: str
    parameter_sets: bytes = field(default=b"", repr=False)


class NoVideoTrackError(Exception):
    """There is no track that can be read.

    Attributes:
        offered: Names of codecs that are offered and not read, in capitals; empty for none.
    """

    def __init__(self, offered: tuple[str, ...] = ()) -> None:
        super().__init__(offered)
        self.offered = offered


@dataclass(slots=True)
class _Media:
    """One `m=` section."""

    kind: str
    usable: bool
    payload_types: list[int]
    control: str = ""
    codecs: dict[int, str] = field(default_factory=dict)
    formats: dict[int, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """What of a description is used.

    Attributes:
        control: The URL of the session as the description writes it; `*` or empty for the base.
        video: Its first track that can be read.
    """

    control: str
    video: VideoTrack


def parse_sdp(body: bytes) -> SessionDescription:
    """Finds the video track.

    Raises:
        NoVideoTrackError: There is none.
    """
    session_control = ""
    media: list[_Media] = []
    for line in body.decode("utf-8", "replace").splitlines():
        key, value = line[:2], line[2:].strip()
        if key == "m=":
            if len(media) == MAX_MEDIA:
                break
            media.append(_media(value))
        elif key == "a=" and value.startswith("control:"):
            control = _checked_url(value.removeprefix("control:").strip())
            if media:
                media[-1].control = control
            else:
                session_control = control
        elif key == "a=" and media:
            _note_attribute(media[-1], value)
    videos = [one for one in media if one.kind == "video"]
    for one in videos:
        track = _track(one)
        if track is not None:
            return SessionDescription(session_control, track)
    codecs = (codec for one in videos for codec in one.codecs.values())
    raise NoVideoTrackError(tuple(dict.fromkeys(filter(_CODEC.fullmatch, codecs))))


def resolve_control(base: str, control: str) -> str:
    """The URL of a control attribute, as most cameras and clients mean it.

    Relative ones are appended to the base, not resolved as a browser would do.
    """
    if control in ("", "*"):
        return base
    if urlsplit(control).scheme.lower() in ("rtsp", "rtsps"):
        return control
    if control.startswith("/"):
        return urljoin(base.replace("rtsp", "http", 1), control).replace("http", "rtsp", 1)
    return f"{base.removesuffix('/')}/{control}"


def _checked_url(url: str) -> str:
    """The URL, or nothing where it cannot be one: it becomes part of a request's first line."""
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        return ""
    try:
        urlsplit(url)
    except ValueError:
        return ""
    return url


def _media(value: str) -> _Media:
    match = _MEDIA.fullmatch(value)
    if match is None:
        return _Media("", False, [])
    payload_types = [int(one) for one in match[3].split() if int(one) <= MAX_PAYLOAD_TYPE]
    return _Media(match[1], match[2].upper() in _PROFILES, payload_types)


def _note_attribute(media: _Media, value: str) -> None:
    name, _, rest = value.partition(":")
    match = _FORMAT.fullmatch(rest.strip())
    if match is None:
        return
    payload_type, text = int(match[1]), match[2]
    if name == "rtpmap":
        media.codecs[payload_type] = text.partition("/")[0].strip().upper()
    elif name == "fmtp":
        pairs = (pair.partition("=") for pair in text.split(";"))
        media.formats[payload_type] = {key.strip().lower(): one.strip() for key, _, one in pairs}


def _track(media: _Media) -> VideoTrack | None:
    if not media.usable:
        return None
    for payload_type in media.payload_types:
        default = "JPEG" if payload_type == JPEG_PAYLOAD_TYPE else ""
        name = media.codecs.get(payload_type, default)
        format_ = media.formats.get(payload_type, {})
        if name not in set(VideoCodec) or _is_interleaved(format_):
            continue
        codec = VideoCodec(name)
        return VideoTrack(codec, payload_type, media.control, _parameter_sets(codec, format_))
    return None


def _is_interleaved(format_: dict[str, str]) -> bool:
    """Whether NAL units come in another order than that of decoding; hardly any camera does so."""
    return format_.get("packetization-mode") == "2" or (
        format_.get("sprop-max-don-diff", "0").strip("0") != ""
    )


def _parameter_sets(codec: VideoCodec, format_: dict[str, str]) -> bytes:
    if codec is VideoCodec.H264:
        names: tuple[str, ...] = ("sprop-parameter-sets",)
    else:
        names = ("sprop-vps", "sprop-sps", "sprop-pps")
    texts = (text for name in names for text in format_.get(name, "").split(","))
    units = [unit for text in texts if (unit := _decoded(text))]
    stream = b"".join(START_CODE + unit for unit in units)
    return stream if len(stream) <= MAX_PARAMETER_SET_BYTES else b""


def _decoded(text: str) -> bytes:
    text = text.strip()
    try:
        # Some cameras leave the padding out.
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
