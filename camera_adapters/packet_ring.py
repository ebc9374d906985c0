"""`PacketRing`: the encoded packets of a camera's last seconds, for clips of what just happened.

Packets are kept as they came, shared by all who ask for them, and bounded in bytes and in seconds.
What the ring holds begins at a key frame, as nothing else can be decoded. A run is a stretch of one
stream in one format without a break: a clip is cut from a single run, so that it never hides that
the camera was away, and never mixes two formats.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from camera_adapters.parameter_sets import parameter_sets

MEGABYTE: Final = 1_000_000

SLACK_S: Final = 5.0
"""Kept beyond what a clip asks for: analysis lags behind decoding."""

LONGEST_GROUP_S: Final = 60.0
"""Packets from one key frame to the next are kept for so long beyond that; then they go."""

NEAR_S: Final = 1.0
"""A clip that begins or ends so near to what was asked for is not called shortened."""

SILENT_S: Final = 10.0
"""After so long without a packet none is waited for, once the time that is asked for is over."""

CLIP_CODECS: Final = {"h264": "H.264", "hevc": "H.265"}
"""What a clip can be made of, by FFmpeg's name."""


@dataclass(frozen=True, slots=True)
class ClipWindow:
    """How much of a camera's video a clip shows.

    Attributes:
        before_s: Seconds before an incident's opening.
        after_s: Seconds after it.
        max_bytes: Of all packets that are kept, and so of a clip.
        lookback_s: How long after an opening it may be known: the longest confirm window.
    """

    before_s: float = 5.0
    after_s: float = 10.0
    max_bytes: int = 32 * MEGABYTE
    lookback_s: float = 0.0

    @property
    def kept_s(self) -> float:
        """Seconds of video that have to be kept."""
        return self.before_s + max(self.after_s, self.lookback_s) + SLACK_S


@dataclass(frozen=True, slots=True)
class PacketFormat:
    """What packets are made of.

    Attributes:
        codec: FFmpeg's name.
        sets: Parameter sets as a byte stream with start codes, where packets are one too.
        header: A file that describes the stream, where packets have lengths instead.
    """

    codec: str
    sets: bytes = field(default=b"", repr=False)
    header: bytes = field(default=b"", repr=False)


@dataclass(slots=True, eq=False)
class KeptPacket:
    """One encoded image.

    Attributes:
        data: As it came.
        shown_s: When it is shown on the stream's own time line, seconds; None where it says
            nothing.
        key: Whether a decoder can start here.
        damaged: Whether something of it is known to be missing.
        at_s: When it was captured, monotonic seconds; None until that is known.
    """

    data: bytes | bytearray = field(repr=False)
    shown_s: float | None
    key: bool
    damaged: bool = False
    at_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CutPackets:
    """Packets of one run, the first a key frame.

    Attributes:
        packets: In the order of decoding, each with its time.
        shortened: Why they are fewer than asked for, empty where they are not.
    """

    format: PacketFormat
    packets: tuple[KeptPacket, ...]
    shortened: str = ""


@dataclass(slots=True, eq=False)
class Reservation:
    """What was asked for, and what came of it.

    Attributes:
        begin_s: From when on, monotonic seconds.
        opened_s: What has to be in it.
        end_s: Until when.
        cut: The packets, once all are there.
        refused: Why there are none, once that is known.
    """

    begin_s: float
    opened_s: float
    end_s: float
    cut: CutPackets | None = None
    refused: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether it is known what came of it."""
        return self.cut is not None or bool(self.refused)


@dataclass(slots=True, eq=False)
class _Group:
    """A key frame and what depends on it."""

    run: int
    packets: list[KeptPacket]
    size: int = 0

    @property
    def begin_s(self) -> float | None:
        return self.packets[0].at_s


@dataclass(frozen=True, slots=True)
class _Run:
    format: PacketFormat
    why: str


class PacketRing:
    """One per camera: its reader fills it, any thread may ask."""

    def __init__(self, window: ClipWindow, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts empty."""
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: dict[int, _Run] = {}
        self._run = -1
        self._groups: deque[_Group] = deque()
        self._bytes = 0
        self._undated: list[KeptPacket] = []
        self._newest_s: float | None = None
        self._came_s = clock()
        self._open: list[Reservation] = []
        self._crowded_s = float("-inf")
        self._missing = "the camera has sent no video yet"

    @property
    def used_bytes(self) -> int:
        """Sum of all packets."""
        return self._bytes

    @property
    def codec(self) -> str:
        """FFmpeg's name of how the newest stream is encoded, empty before there is one."""
        with self._lock:
            known = self._runs.get(self._run)
            return known.format.codec if known is not None else ""

    def begin(self, format: PacketFormat, why: str = "its stream began anew") -> None:
        """A stream begins; `why` is said where a clip cannot reach beyond this."""
        with self._lock:
            self._begin(format, why)

    def put(self, packet: KeptPacket) -> None:
        """Takes the next packet; one without a time gets it from `date`."""
        with self._lock:
            self._came_s = self._clock()
            codec = self._runs[self._run].format.codec
            if codec not in CLIP_CODECS:
                known = " and ".join(CLIP_CODECS.values())
                self._missing = f"its video is {codec}, and clips are made of {known}"
                return
            if packet.key:
                self._note_sets(packet)
                self._groups.append(_Group(self._run, []))
            elif not self._groups or self._groups[-1].run != self._run:
                return
            group = self._groups[-1]
            group.packets.append(packet)
            group.size += len(packet.data)
            self._bytes += len(packet.data)
            if packet.at_s is None:
                self._undated.append(packet)
            else:
                self._advance(packet.at_s)
            self._bound()

    def date(self, at_s: float) -> None:
        """The packets that came since the last call were captured at this monotonic time."""
        with self._lock:
            for packet in self._undated:
                packet.at_s = at_s
            self._undated.clear()
            self._advance(at_s)
            self._bound()

    def leading_to(self, at_s: float) -> CutPackets | None:
        """The packet that came nearest to a time, behind all that a decoder needs for it.

        Args:
            at_s: Monotonic seconds.

        Returns:
            Packets from a key frame on; None where nothing is kept.
        """
        with self._lock:
            dated = (
                (abs(_at_s(one) - at_s), group, place)
                for group in self._groups
                for place, one in enumerate(group.packets)
                if one.at_s is not None
            )
            nearest = min(dated, key=lambda one: one[0], default=None)
            if nearest is None:
                return None
            _, group, place = nearest
            return CutPackets(self._runs[group.run].format, tuple(group.packets[: place + 1]))

    def reserve(self, begin_s: float, opened_s: float, end_s: float) -> Reservation:
        """Asks for the packets of a time; they are cut as soon as they are there."""
        wanted = Reservation(begin_s, opened_s, end_s)
        with self._lock:
            self._open.append(wanted)
            self._settle()
        return wanted

    def settle(self, *, now: bool = False) -> None:
        """Gives up waiting where no packet has come for long; for all there are, where `now`."""
        with self._lock:
            clock_s = self._clock()
            silent = clock_s - self._came_s >= SILENT_S
            for wanted in [one for one in self._open if now or (silent and clock_s >= one.end_s)]:
                self._cut(wanted)
            self._open = [one for one in self._open if not one.is_settled]

    def _begin(self, format: PacketFormat, why: str) -> None:
        self._run += 1
        self._runs[self._run] = _Run(format, why)
        self._missing = "no key frame has come since the stream began"
        self._undated.clear()

    def _note_sets(self, packet: KeptPacket) -> None:
        """Begins another run where a key frame brings other parameter sets."""
        known = self._runs[self._run].format
        if known.header:
            return
        sets = parameter_sets(packet.data, known.codec)
        if not sets or sets == known.sets:
            return
        changed = PacketFormat(known.codec, sets)
        if any(group.run == self._run for group in self._groups):
            self._begin(changed, "the format of its video changed")
        else:
            # What a description says of a stream may differ from what the stream says.
            self._runs[self._run] = _Run(changed, self._runs[self._run].why)

    def _advance(self, at_s: float) -> None:
        self._newest_s = at_s
        self._settle()

    def _settle(self) -> None:
        newest_s = self._newest_s
        if newest_s is None or not self._open:
            return
        for wanted in [one for one in self._open if newest_s >= one.end_s]:
            self._cut(wanted)
        self._open = [one for one in self._open if not one.is_settled]

    def _bound(self) -> None:
        """Lets go of the oldest groups that are too old or too much."""
        newest_s = self._newest_s if self._newest_s is not None else float("-inf")
        while len(self._groups) > 1:
            following_s = self._groups[1].begin_s
            old = following_s is not None and following_s <= newest_s - self._window.kept_s
            if not old and self._bytes <= self._window.max_bytes:
                break
            self._drop(crowded=not old)
        if not self._groups:
            return
        begin_s = self._groups[0].begin_s
        longest_s = self._window.kept_s + LONGEST_GROUP_S
        endless = begin_s is not None and newest_s - begin_s > longest_s
        if self._bytes > self._window.max_bytes or endless:
            self._drop(crowded=True)
            self._missing = (
                f"its key frames are more than {self._window.max_bytes / MEGABYTE:.0f} MB"
                f" or {longest_s:g} s apart"
            )

    def _drop(self, *, crowded: bool) -> None:
        gone = self._groups.popleft()
        self._bytes -= gone.size
        last_s = gone.packets[-1].at_s
        if crowded and last_s is not None:
            self._crowded_s = last_s
        kept = {group.run for group in self._groups} | {self._run}
        self._runs = {number: run for number, run in self._runs.items() if number in kept}
        if not self._groups:
            self._undated.clear()

    def _cut(self, wanted: Reservation) -> None:
        by_run: dict[int, list[KeptPacket]] = {}
        for group in self._groups:
            by_run.setdefault(group.run, []).extend(group.packets)
        dated = {
            run: [one for one in packets if one.at_s is not None] for run, packets in by_run.items()
        }
        near = {
            run: _distance_s(packets, wanted)
            for run, packets in dated.items()
            if packets and _touches(packets, wanted)
        }
        if not near:
            wanted.refused = self._missing if not dated else "no packet of that time is kept"
            return
        run = min(near, key=lambda one: near[one])
        packets = _within(dated[run], wanted)
        shortened = self._shortened(run, packets, wanted)
        wanted.cut = CutPackets(self._runs[run].format, packets, shortened)

    def _shortened(self, run: int, packets: tuple[KeptPacket, ...], wanted: Reservation) -> str:
        reasons = []
        begins_s, ends_s = _at_s(packets[0]), _at_s(packets[-1])
        if begins_s > wanted.begin_s + NEAR_S:
            late_s = begins_s - wanted.begin_s
            crowded = self._crowded_s >= wanted.begin_s
            why = (
                f"no more than {self._window.max_bytes / MEGABYTE:.0f} MB are kept"
                if crowded
                else self._runs[run].why
            )
            reasons.append(f"it begins {late_s:.1f} s late: {why}")
        if ends_s < wanted.end_s - NEAR_S:
            early_s = wanted.end_s - ends_s
            following = self._runs.get(run + 1)
            why = following.why if following else "no more video came"
            reasons.append(f"it ends {early_s:.1f} s early: {why}")
        return "; ".join(reasons)


def _at_s(packet: KeptPacket) -> float:
    """The time of a packet that has one."""
    return packet.at_s or 0.0


def _touches(packets: list[KeptPacket], wanted: Reservation) -> bool:
    return _at_s(packets[0]) <= wanted.end_s and _at_s(packets[-1]) >= wanted.begin_s


def _distance_s(packets: list[KeptPacket], wanted: Reservation) -> float:
    """How far from the opening a run is; 0 where it is within."""
    return max(_at_s(packets[0]) - wanted.opened_s, wanted.opened_s - _at_s(packets[-1]), 0.0)


def _within(packets: list[KeptPacket], wanted: Reservation) -> tuple[KeptPacket, ...]:
    """From the last key frame at or before the begin, or the first one, up to the end."""
    keys = [place for place, one in enumerate(packets) if one.key]
    early = [place for place in keys if _at_s(packets[place]) <= wanted.begin_s]
    first = early[-1] if early else keys[0]
    return tuple(
        one for one in packets[first:] if _at_s(one) <= wanted.end_s or one is packets[first]
    )
