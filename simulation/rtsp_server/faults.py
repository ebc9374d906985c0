"""Faults that a mount can be given at run time: what real cameras do to those who watch them.

A fault is part of the server, not of a test double, so that an adapter, a demo and a benchmark all
face the same misbehaviour. `RtspServer.set_fault(path, Fault(FaultKind.STALL))` sets one and
`set_fault(path, None)` takes it away.

| kind | what a viewer sees |
|---|---|
| `refuse`, with `status` | every request but OPTIONS and TEARDOWN is answered with the status |
| `redirect`, with `text` | every request but OPTIONS and TEARDOWN is answered with 302 to there |
| `basic` | the login is asked for in Basic, whatever the mount's own kind is |
| `huge` | the answer to DESCRIBE states a length of 2 GB, and megabytes of it come |
| `description`, with `text` | DESCRIBE is answered with this text, not the proper description |
| `mute` | connections are accepted and nothing is sent on them: no answers, no media |
| `stall` | RTP stops, sender reports and answers go on |
| `no_rtp` | PLAY succeeds and neither RTP nor RTCP comes |
| `freeze` | frames go on coming in time, and all show the same image |
| `jump`, with `offset_s` | RTP time stamps leap by so much, and back when the fault is taken away |
| `wrong_clock`, with `offset_s` | sender reports state a wall-clock time that is off by so much |
| `corrupt`, with `every` | the payload of every nth RTP packet is damaged, not its number |
| `drop`, with `every` | every nth RTP packet is missing, its sequence number stays used |
| `garbage` | bytes that are neither RTSP nor RTP come before every frame |
| `cut` | half a frame comes, and the connection is reset (RST) |
| `kill` | viewers' connections are reset (RST), now and as soon as one plays |
| `end` | viewers get an RTCP BYE and the connection closes, now and as soon as one plays |

`kill` and `end` act at once, so setting and clearing them is a single interruption. After `stall`,
`no_rtp`, `mute` and `freeze`, video comes back with the next key frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto

from simulation.rtsp_server.packetiser import RTP_HEADER_BYTES

_REFUSALS = range(400, 600)

_DAMAGE_AFTER_BYTES = RTP_HEADER_BYTES + 2
"""RTP, NAL and FU headers stay whole, so the damage reaches the decoder."""

_DAMAGE_STRIDE_BYTES = 7
_DAMAGE_BITS = 0x5A


class FaultKind(StrEnum):
    """The ways in which a mount can misbehave; `none` of them is the usual one."""

    NONE = auto()
    REFUSE = auto()
    REDIRECT = auto()
    BASIC = auto()
    HUGE = auto()
    DESCRIPTION = auto()
    MUTE = auto()
    STALL = auto()
    NO_RTP = auto()
    FREEZE = auto()
    JUMP = auto()
    WRONG_CLOCK = auto()
    CORRUPT = auto()
    DROP = auto()
    GARBAGE = auto()
    CUT = auto()
    KILL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of misbehaving.

    Attributes:
        kind: What goes wrong.
        status: RTSP status of a refusal.
        text: Where a redirection points, or a false description.
        offset_s: How far time stamps leap or the clock is off, in seconds.
        every: Period in packets of `corrupt` and `drop`; the first packet of a period is spared.
    """

    kind: FaultKind
    status: int = 0
    text: str = ""
    offset_s: float = 0.0
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"a packet fault needs a period of at least 1, got {self.every}")
        if self.kind is FaultKind.REFUSE and self.status not in _REFUSALS:
            raise ValueError(f"a refusal needs a status from 400 to 599, got {self.status}")

    @property
    def cuts_off(self) -> bool:
        """Whether viewers lose their connection."""
        return self.kind in {FaultKind.KILL, FaultKind.END}

    @property
    def damages_packets(self) -> bool:
        """Whether single packets are changed or lost."""
        return self.kind in {FaultKind.CORRUPT, FaultKind.DROP}

    @property
    def withholds_rtp(self) -> bool:
        """Whether no RTP is sent at all."""
        return self.kind in {FaultKind.MUTE, FaultKind.STALL, FaultKind.NO_RTP}

    @property
    def withholds_rtcp(self) -> bool:
        """Whether no RTCP is sent at all."""
        return self.kind in {FaultKind.MUTE, FaultKind.NO_RTP}


NO_FAULT = Fault(FaultKind.NONE)

GARBAGE = bytes(range(0x80, 0x100)) * 8
"""What comes of a camera whose firmware mixes up its buffers; holds no `$` and no text."""


class PacketDamage:
    """Applies `corrupt` and `drop` to a packet stream, counting over frames."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._count = 0

    def apply(self, packets: list[bytes]) -> list[bytes]:
        """The packets that go out in place of these."""
        return [kept for packet in packets if (kept := self._one(packet)) is not None]

    def _one(self, packet: bytes) -> bytes | None:
        self._count += 1
        if self._count % self._fault.every:
            return packet
        return None if self._fault.kind is FaultKind.DROP else damaged(packet)


def damaged(packet: bytes) -> bytes:
    """An RTP packet of the same size with bits flipped throughout its payload."""
    changed = bytearray(packet)
    for at in range(min(_DAMAGE_AFTER_BYTES, len(packet) - 1), len(packet), _DAMAGE_STRIDE_BYTES):
        changed[at] ^= _DAMAGE_BITS
    return bytes(changed)
