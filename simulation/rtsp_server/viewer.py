"""Viewers of a live stream, and how frames reach them interleaved in their TCP connection.

A viewer never makes the server hold more than its bound for it: a frame that does not fit is
skipped, the viewer waits for the next key frame, and one that reads nothing for long is cut off.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import Enum, auto
from typing import Protocol

from simulation.rtsp_server.mount import ServerLimits
from simulation.rtsp_server.transport import Interleaved

_LINGER_RESET = struct.pack("ii", 1, 0)


class Outcome(Enum):
    """What became of a frame offered to a viewer."""

    SENT = auto()
    WAITING = auto()
    SKIPPED = auto()
    DISCONNECTED = auto()


class Burst:
    """The RTP packets of one frame, framed for TCP once per channel however many watch."""

    def __init__(self, packets: list[bytes], *, key: bool) -> None:
        self.packets = packets
        self.key = key
        self._framed: dict[int, bytes] = {}

    def framed(self, channel: int) -> bytes:
        """All packets as interleaved chunks of one channel."""
        if channel not in self._framed:
            chunks = (interleave(channel, packet) for packet in self.packets)
            self._framed[channel] = b"".join(chunks)
        return self._framed[channel]


def interleave(channel: int, packet: bytes) -> bytes:
    """One packet as an interleaved chunk (RFC 2326, 10.12)."""
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet


def end_connection(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """Close a TCP connection after what is written, or cut it at once with a RST."""
    if not reset:
        writer.close()
        return
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    writer.transport.abort()


class Viewer(Protocol):
    """Somebody who watches one mount."""

    waiting_for_key: bool

    def offer(self, burst: Burst, now_s: float) -> Outcome:
        """Send a frame, unless the viewer still waits for a key frame or has no room."""
        ...

    def send_control(self, packet: bytes) -> None:
        """Send one RTCP packet."""
        ...

    def send_garbage(self, data: bytes) -> None:
        """Send bytes that mean nothing."""
        ...

    def cut(self, burst: Burst) -> None:
        """Send half a frame and reset the connection."""
        ...

    def close(self, *, reset: bool) -> None:
        """End the viewer's connection, with a RST on request."""
        ...


class InterleavedViewer:
    """A viewer that gets RTP and RTCP on its RTSP connection.

    Args:
        writer: The connection.
        channels: Its interleaved channels.
        limits: How much may wait for it (a single frame is always let in), and how long.
    """

    def __init__(
        self, writer: asyncio.StreamWriter, channels: Interleaved, limits: ServerLimits
    ) -> None:
        self.waiting_for_key = True
        self._writer = writer
        self._channels = channels
        self._limits = limits
        self._blocked_since_s: float | None = None

    def offer(self, burst: Burst, now_s: float) -> Outcome:
        """Write a frame where there is room for it."""
        if self._is_out_of_patience(now_s):
            end_connection(self._writer, reset=True)
            return Outcome.DISCONNECTED
        if self._writer.is_closing() or (self.waiting_for_key and not burst.key):
            return Outcome.WAITING
        data = burst.framed(self._channels.rtp)
        if not self._has_room(len(data)):
            self.waiting_for_key = True
            if self._blocked_since_s is None:
                self._blocked_since_s = now_s
            return Outcome.SKIPPED
        self._blocked_since_s = None
        self.waiting_for_key = False
        self._writer.write(data)
        return Outcome.SENT

    def send_control(self, packet: bytes) -> None:
        """Write one RTCP packet where there is room for it."""
        if not self._writer.is_closing() and self._has_room(len(packet)):
            self._writer.write(interleave(self._channels.rtcp, packet))

    def send_garbage(self, data: bytes) -> None:
        """Write bytes outside of any chunk where there is room for them."""
        if not self._writer.is_closing() and self._has_room(len(data)):
            self._writer.write(data)

    def cut(self, burst: Burst) -> None:
        """Write half a frame and reset the connection."""
        data = burst.framed(self._channels.rtp)
        self._writer.write(data[: len(data) // 2])
        end_connection(self._writer, reset=True)

    def close(self, *, reset: bool) -> None:
        """Close the connection after what is written, or reset it at once."""
        end_connection(self._writer, reset=reset)

    def _is_out_of_patience(self, now_s: float) -> bool:
        since_s = self._blocked_since_s
        return since_s is not None and now_s - since_s > self._limits.viewer_patience_s

    def _has_room(self, size_bytes: int) -> bool:
        pending = self._writer.transport.get_write_buffer_size()
        return pending == 0 or pending + size_bytes <= self._limits.viewer_buffer_bytes
