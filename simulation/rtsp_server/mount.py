"""What the server serves: a `Mount` per camera, its counters, and how much a client may cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Auth = Literal["none", "basic", "digest"]
Start = Literal["first_viewer", "server"]

OnFrame = Callable[[str, int, float], None]
"""Is given the mount's path, the frame's position in its clip, from 0 in decoding order, and the
monotonic time, just before the first byte of the frame is handed to the first viewer's socket."""


def leave_unnoted(_path: str, _number: int, _sent_s: float) -> None:
    """Does nothing with a frame that is sent."""


_PATH = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")


@dataclass(frozen=True, slots=True)
class Mount:
    """One clip as one endless camera.

    Attributes:
        path: Path of the URL without the leading slash, such as `square` or `north/gate-1`.
        clip: An H.264 or H.265 clip in MP4, MOV or Matroska.
        users: Passwords by user name; needed unless `auth` is `none`.
        auth: How a viewer has to log in.
        start: `first_viewer`: the viewer who finds nobody else watching sees the clip from its
            first frame on, and whoever joins later starts at the next key frame. `server`: the
            clip plays on from the server's start, watched or not, like a clock on the wall.
        phase_s: How far into the clip the server's start lies, with `start` at `server`.
        report_period_s: Seconds between RTCP sender reports; a new viewer gets one at once.
    """

    path: str
    clip: Path
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Auth = "none"
    start: Start = "first_viewer"
    phase_s: float = 0.0
    report_period_s: float = 5.0

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path):
            raise ValueError(
                f"mount path {self.path!r} must be words of letters, digits, '.', '_', '~' and '-'"
                " joined by single slashes"
            )
        if self.auth != "none" and not self.users:
            raise ValueError(f"mount {self.path}: {self.auth} login needs at least one user")


@dataclass(frozen=True, slots=True)
class MountCounters:
    """What happened on one mount since the server started.

    Attributes:
        viewers: Viewers that are playing now.
        viewers_total: Viewers that ever started to play.
        frames: Frames packetised.
        packets: RTP packets made, once for all viewers.
        octets: Their payload bytes.
        reports: RTCP sender reports made.
        frames_skipped: Frames that one viewer missed because its connection was full.
        viewers_dropped: Viewers cut off because they stopped reading.
        frames_late: Frames never sent because the server itself had been held up.
        descriptions: DESCRIBE requests received, which counts how often clients tried to connect.
        refused_logins: Requests refused for a wrong login; the first one without any is none.
    """

    viewers: int = 0
    viewers_total: int = 0
    frames: int = 0
    packets: int = 0
    octets: int = 0
    reports: int = 0
    frames_skipped: int = 0
    viewers_dropped: int = 0
    frames_late: int = 0
    descriptions: int = 0
    refused_logins: int = 0


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds per server and per client. All times are in seconds.

    Attributes:
        connections: Most RTSP connections at once; a further one is answered with 503.
        session_timeout_s: A client with a session that says nothing for this long is gone.
        idle_timeout_s: The same before SETUP.
        message_timeout_s: How long one message may take to arrive after its first byte.
        answer_timeout_s: How long an answer may wait for a client that does not read.
        viewer_buffer_bytes: Most bytes that may wait for one slow viewer.
        viewer_patience_s: How long a viewer may read too little until it is cut off.
        nonce_lifetime_s: How long a Digest login may go on without a new challenge.
    """

    connections: int = 256
    session_timeout_s: float = 60.0
    idle_timeout_s: float = 30.0
    message_timeout_s: float = 10.0
    answer_timeout_s: float = 10.0
    viewer_buffer_bytes: int = 2 * 1024 * 1024
    viewer_patience_s: float = 10.0
    nonce_lifetime_s: float = 300.0
