"""Viewers over UDP: the server's pair of ports, and sending a frame in portions.

Nothing is queued: a datagram that the socket does not take at once is lost, as on a network.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from simulation.rtsp_server.transport import Datagrams
from simulation.rtsp_server.viewer import Burst, Outcome, end_connection

PACKETS_AT_ONCE = 8
PORTION_GAP_S = 0.001
"""Frames go out in portions, about as fast as a camera's 100 Mbit/s port would send them: a key
frame sent at once overflows a receiver's socket buffer."""

MAX_BACKLOG_S = 0.5
"""A viewer whose portions lag behind by this much waits for the next key frame."""

_BIND_TRIES = 64

Address = tuple[str, int]


class UdpPorts:
    """The server's two UDP ports: RTP on an even one, RTCP on the next.

    Receiver reports that arrive are passed to whoever registered their sender in `on_report`.
    """

    def __init__(self, rtp: socket.socket, rtcp: socket.socket) -> None:
        self.on_report: dict[Address, Callable[[], None]] = {}
        self._rtp = rtp
        self._rtcp = rtcp
        self._receivers: list[asyncio.DatagramTransport] = []

    @property
    def numbers(self) -> tuple[int, int]:
        """The two port numbers."""
        return self._rtp.getsockname()[1], self._rtcp.getsockname()[1]

    async def listen(self) -> None:
        """Start to receive: reports are heard, hole punching on the RTP port is thrown away."""
        loop = asyncio.get_running_loop()
        ignored, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=self._rtp)
        reports, _ = await loop.create_datagram_endpoint(
            lambda: _Reports(self.on_report), sock=self._rtcp
        )
        self._receivers += [ignored, reports]

    def close(self) -> None:
        """Stop receiving and close both sockets."""
        for receiver in self._receivers:
            receiver.close()

    def send_rtp(self, packet: bytes, address: Address) -> None:
        """Send one RTP packet, or lose it."""
        _send(self._rtp, packet, address)

    def send_rtcp(self, packet: bytes, address: Address) -> None:
        """Send one RTCP packet, or lose it."""
        _send(self._rtcp, packet, address)


class _Reports(asyncio.DatagramProtocol):
    def __init__(self, on_report: dict[Address, Callable[[], None]]) -> None:
        self._on_report = on_report

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if heard := self._on_report.get(addr[:2]):
            heard()


def _send(sock: socket.socket, packet: bytes, address: Address) -> None:
    with suppress(OSError):  # full, unreachable or closed: datagrams get lost
        sock.sendto(packet, address)


async def open_udp_ports(host: str) -> UdpPorts:
    """Bind a pair of neighbouring UDP ports on `host`, an IP address, and listen on them.

    Raises:
        OSError: The address is not ours, or no free pair was found in many tries.
    """
    ports = UdpPorts(*_bind_pair(host))
    await ports.listen()
    return ports


def _bind_pair(host: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(_BIND_TRIES):
        rtp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        rtcp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            rtp.bind((host, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp.bind((host, port + 1))
                return rtp, rtcp
        except OSError:  # the neighbour is taken, or the address is not ours: the last try raises
            pass
        rtp.close()
        rtcp.close()
    raise OSError(f"no free pair of UDP ports on {host} after {_BIND_TRIES} tries")


class UdpViewer:
    """A viewer that gets RTP and RTCP as datagrams; its RTSP connection keeps it alive.

    Args:
        writer: The RTSP connection.
        ports: The server's ports.
        host: The client's address.
        theirs: The client's ports.
    """

    def __init__(
        self, writer: asyncio.StreamWriter, ports: UdpPorts, host: str, theirs: Datagrams
    ) -> None:
        self.waiting_for_key = True
        self._writer = writer
        self._ports = ports
        self._host = host
        self._theirs = theirs
        self._busy_until_s = 0.0

    @property
    def rtcp_address(self) -> Address:
        """Where this viewer's receiver reports come from."""
        return self._host, self._theirs.rtcp

    def offer(self, burst: Burst, now_s: float) -> Outcome:
        """Send a frame in portions, unless the viewer waits for a key frame."""
        if self.waiting_for_key and not burst.key:
            return Outcome.WAITING
        if self._busy_until_s - now_s > MAX_BACKLOG_S:
            self.waiting_for_key = True
            return Outcome.SKIPPED
        self.waiting_for_key = False
        loop = asyncio.get_running_loop()
        starts_s = max(now_s, self._busy_until_s)
        for at in range(0, len(burst.packets), PACKETS_AT_ONCE):
            portion = burst.packets[at : at + PACKETS_AT_ONCE]
            if starts_s <= now_s:
                self._send(portion)
            else:
                loop.call_later(starts_s - now_s, self._send, portion)
            starts_s += PORTION_GAP_S
        self._busy_until_s = starts_s
        return Outcome.SENT

    def send_control(self, packet: bytes) -> None:
        """Send one RTCP packet."""
        self._ports.send_rtcp(packet, self.rtcp_address)

    def send_garbage(self, data: bytes) -> None:
        """Send a datagram that is no RTP packet."""
        self._ports.send_rtp(data, (self._host, self._theirs.rtp))

    def cut(self, burst: Burst) -> None:
        """Send half a frame's packets and reset the RTSP connection."""
        self._send(burst.packets[: len(burst.packets) // 2])
        end_connection(self._writer, reset=True)

    def close(self, *, reset: bool) -> None:
        """Close or reset the RTSP connection, which ends the session."""
        end_connection(self._writer, reset=reset)

    def _send(self, packets: list[bytes]) -> None:
        for packet in packets:
            self._ports.send_rtp(packet, (self._host, self._theirs.rtp))
