"""RTP over UDP: a pair of ports, and packets put back in order before they are taken apart.

Only datagrams of the camera's own address count. A packet that is missing is waited for until a few
later ones have come; then it is lost.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress

from camera_adapters.rtp import MAX_MISORDER, RTP_HEADER_BYTES, RtpReceiver

BUFFER_BYTES = 2 * 1024 * 1024
MAX_DATAGRAM_BYTES = 64 * 1024
MAX_HELD = 32
MAX_HELD_S = 0.05
"""So many later packets are held while one is missing, and for so long."""

MAX_AT_ONCE = 256
BIND_TRIES = 64
HOLE_PUNCH = b"\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
EMPTY_REPORT = b"\x80\xc9\x00\x01\x00\x00\x00\x00"


class ReorderBuffer:
    """Passes packets on in the order of their sequence numbers."""

    def __init__(self, receiver: RtpReceiver) -> None:
        """Starts with the first packet that comes."""
        self._receiver = receiver
        self._next = -1
        self._held: dict[int, bytearray] = {}
        self._held_since_s = 0.0

    def push(self, packet: bytearray, size: int, now_s: float) -> None:
        """Takes a packet: the first `size` bytes of a buffer, which may be used again."""
        if size < RTP_HEADER_BYTES:
            return
        sequence = (packet[2] << 8) | packet[3]
        ahead = (sequence - self._next) & 0xFFFF
        if self._next < 0 or not ahead:
            self._pass_on(sequence, packet, size)
            self._pass_on_held(now_s)
        elif ahead <= 0xFFFF - MAX_MISORDER:
            if not self._held:
                self._held_since_s = now_s
            self._held[sequence] = packet[:size]
            if len(self._held) > MAX_HELD:
                self._give_up(now_s)

    def expire(self, now_s: float) -> None:
        """Stops waiting for a packet that is missing for too long."""
        while self._held and now_s - self._held_since_s > MAX_HELD_S:
            self._give_up(now_s)

    def _give_up(self, now_s: float) -> None:
        first = min(self._held, key=lambda one: (one - self._next) & 0xFFFF)
        held = self._held.pop(first)
        self._pass_on(first, held, len(held))
        self._pass_on_held(now_s)

    def _pass_on_held(self, now_s: float) -> None:
        while (held := self._held.pop(self._next, None)) is not None:
            self._pass_on(self._next, held, len(held))
        self._held_since_s = now_s

    def _pass_on(self, sequence: int, packet: bytearray, size: int) -> None:
        self._next = (sequence + 1) & 0xFFFF
        self._receiver.push(packet, 0, size)


class DatagramPorts:
    """Our two UDP ports for one camera: RTP on an even one, RTCP on the next."""

    def __init__(self, local: str, peer: str) -> None:
        """Binds at our own address, for datagrams of the camera's.

        Raises:
            OSError: There is no pair of free ports.
        """
        self._peer = peer
        self._rtp, self._rtcp = _bind_pair(local)
        self._buffer = bytearray(MAX_DATAGRAM_BYTES)
        self._poll = select.poll()
        for sock in (self._rtp, self._rtcp):
            self._poll.register(sock, select.POLLIN)

    @property
    def numbers(self) -> tuple[int, int]:
        """The two port numbers."""
        return self._rtp.getsockname()[1], self._rtcp.getsockname()[1]

    def also_wait_for(self, descriptor: int) -> None:
        """A wait ends too when something comes on a descriptor."""
        self._poll.register(descriptor, select.POLLIN)

    def open_paths(self, rtp: int, rtcp: int) -> None:
        """Sends a packet to each of the camera's ports, so that firewalls let its own in."""
        for sock, data, port in ((self._rtp, HOLE_PUNCH, rtp), (self._rtcp, EMPTY_REPORT, rtcp)):
            with suppress(OSError):
                sock.sendto(data, (self._peer, port))

    def wait(self, wait_s: float) -> set[int]:
        """The descriptors on which something came within a time."""
        return {descriptor for descriptor, _ in self._poll.poll(wait_s * 1000)}

    def read(self, packets: ReorderBuffer, now_s: float) -> None:
        """Passes on what has come, without waiting; `now_s` is on the monotonic clock."""
        for sock in (self._rtcp, self._rtp):
            for _ in range(MAX_AT_ONCE):
                try:
                    size, sender = sock.recvfrom_into(self._buffer)
                except OSError:
                    # Nothing more, or the camera's port is closed, which silence will show.
                    break
                if sock is self._rtp and sender[0] == self._peer:
                    packets.push(self._buffer, size, now_s)
        packets.expire(now_s)

    def close(self) -> None:
        """Gives the ports back."""
        self._rtp.close()
        self._rtcp.close()


def _bind_pair(local: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    for _ in range(BIND_TRIES):
        rtp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        rtcp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with suppress(OSError):
            rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            rtp.bind((local, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp.bind((local, port + 1))
                return rtp, rtcp
        rtp.close()
        rtcp.close()
    raise OSError("no pair of free UDP ports")
