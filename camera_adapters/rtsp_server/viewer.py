"""Viewers of a live stream, and how frames reach them: interleaved in TCP, or over UDP.

A viewer never makes the server hold more than its bound for it: a frame that does not fit is
skipped, the viewer waits for the next key frame, and one that reads nothing for long is cut off.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

UDP_PACKETS_AT_ONCE = 24
"""A large key frame goes out in portions, so that it fits a receiver's socket buffer."""

_UDP_PORTION_GAP_S = 0.001
_UDP_BUFFER_BYTES = 512 * 1024
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


def reset_connection(writer: asyncio.StreamWriter) -> None:
    """Cut a TCP connection with a RST."""
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

    def close(self, *, reset: bool) -> None:
        """End the viewer's connection, with a RST on request."""
        ...


class InterleavedViewer:
    """A viewer that gets RTP and RTCP on its RTSP connection.

    Args:
        writer: The connection.
        rtp_channel: Interleaved channel of RTP.
        rtcp_channel: Interleaved channel of RTCP.
        buffer_bytes: Most bytes that may wait for this viewer; a single frame is always let in.
        patience_s: How long it may read too little until it is cut off.
    """

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        rtp_channel: int,
        rtcp_channel: int,
        *,
        buffer_bytes: int,
        patience_s: float,
    ) -> None:
        self.waiting_for_key = True
        self._writer = writer
        self._rtp_channel = rtp_channel
        self._rtcp_channel = rtcp_channel
        self._buffer_bytes = buffer_bytes
        self._patience_s = patience_s
        self._blocked_since_s: float | None = None

    def offer(self, burst: Burst, now_s: float) -> Outcome:
        """Write a frame where there is room for it."""
        if self._blocked_since_s is not None and now_s - self._blocked_since_s > self._patience_s:
            reset_connection(self._writer)
            return Outcome.DISCONNECTED
        if self.waiting_for_key and not burst.key:
            return Outcome.WAITING
        data = burst.framed(self._rtp_channel)
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
        if self._has_room(len(packet)):
            self._writer.write(interleave(self._rtcp_channel, packet))

    def close(self, *, reset: bool) -> None:
        """Close the connection after what is written, or reset it at once."""
        if reset:
            reset_connection(self._writer)
        else:
            self._writer.close()

    def _has_room(self, size_bytes: int) -> bool:
        transport = self._writer.transport
        if transport.is_closing():
            return False
        pending = transport.get_write_buffer_size()
        return pending == 0 or pending + size_bytes <= self._buffer_bytes


class UdpPorts:
    """The server's pair of UDP ports: RTP on an even port, RTCP on the next one.

    Receiver reports that arrive are told to whoever registered their sender's address.
    """

    def __init__(self, rtp: asyncio.DatagramTransport, rtcp: asyncio.DatagramTransport) -> None:
        self.rtp = rtp
        self.rtcp = rtcp
        self.on_report: dict[tuple[str, int], Callable[[], None]] = {}

    @property
    def numbers(self) -> tuple[int, int]:
        """The two port numbers."""
        return self.rtp.get_extra_info("sockname")[1], self.rtcp.get_extra_info("sockname")[1]

    def close(self) -> None:
        """Close both sockets."""
        self.rtp.close()
        self.rtcp.close()


class _Reports(asyncio.DatagramProtocol):
    """Receives RTCP; RTP towards the server, such as hole punching, is ignored."""

    def __init__(self) -> None:
        self.ports: UdpPorts | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del data
        if self.ports is not None and (heard := self.ports.on_report.get(addr[:2])):
            heard()


async def open_udp_ports(host: str) -> UdpPorts:
    """Bind a pair of neighbouring UDP ports on `host`.

    Raises:
        OSError: No free pair was found in many tries.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    rtp_socket, rtcp_socket = _bind_pair(host, family)
    reports = _Reports()
    rtp, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=rtp_socket)
    rtcp, _ = await loop.create_datagram_endpoint(lambda: reports, sock=rtcp_socket)
    reports.ports = UdpPorts(rtp, rtcp)
    return reports.ports


def _bind_pair(host: str, family: socket.AddressFamily) -> tuple[socket.socket, socket.socket]:
    tries = 64
    for _ in range(tries):
        first = socket.socket(family, socket.SOCK_DGRAM)
        second = socket.socket(family, socket.SOCK_DGRAM)
        try:
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port % 2 == 0:
                second.bind((host, port + 1))
                return first, second
        except OSError:  # the neighbour is taken
            pass
        first.close()
        second.close()
    raise OSError(f"no free pair of UDP ports on {host} after {tries} tries")


class UdpViewer:
    """A viewer that gets RTP and RTCP as datagrams; its RTSP connection keeps it alive."""

    def __init__(
        self, writer: asyncio.StreamWriter, ports: UdpPorts, host: str, rtp_port: int,
        rtcp_port: int,
    ) -> None:
        self.waiting_for_key = True
        self._writer = writer
        self._ports = ports
        self._rtp_address = (host, rtp_port)
        self._rtcp_address = (host, rtcp_port)

    @property
    def rtcp_address(self) -> tuple[str, int]:
        """Where this viewer's receiver reports come from."""
        return self._rtcp_address

    def offer(self, burst: Burst, now_s: float) -> Outcome:
        """Send a frame in portions; a full socket buffer loses the frame, as networks do."""
        del now_s
        if self.waiting_for_key and not burst.key:
            return Outcome.WAITING
        if self._ports.rtp.get_write_buffer_size() > _UDP_BUFFER_BYTES:
            self.waiting_for_key = True
            return Outcome.SKIPPED
        self.waiting_for_key = False
        loop = asyncio.get_running_loop()
        for index, at in enumerate(range(0, len(burst.packets), UDP_PACKETS_AT_ONCE)):
            portion = burst.packets[at : at + UDP_PACKETS_AT_ONCE]
            if index == 0:
                self._send(portion)
            else:
                loop.call_later(index * _UDP_PORTION_GAP_S, self._send, portion)
        return Outcome.SENT

    def send_control(self, packet: bytes) -> None:
        """Send one RTCP packet."""
        if not self._ports.rtcp.is_closing():
            self._ports.rtcp.sendto(packet, self._rtcp_address)

    def close(self, *, reset: bool) -> None:
        """Close or reset the RTSP connection, which ends the session."""
        if reset:
            reset_connection(self._writer)
        else:
            self._writer.close()

    def _send(self, packets: list[bytes]) -> None:
        if not self._ports.rtp.is_closing():
            for packet in packets:
                self._ports.rtp.sendto(packet, self._rtp_address)
