"""One RTSP connection: what comes on it is taken apart in place, in large reads.

Interleaved packets go straight from the buffer into the receiver, without an object for each;
answers are put by. Memory is bounded whatever the other end sends.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections import deque
from dataclasses import replace

from camera_adapters.rtp import RtpReceiver
from camera_adapters.rtsp_message import (
    END_OF_HEAD,
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    RtspAnswer,
    RtspViolationError,
    format_refusal,
    parse_head,
)

CHUNK_BYTES = 64 * 1024
BUFFER_BYTES = MAX_HEAD_BYTES + MAX_BODY_BYTES + CHUNK_BYTES
"""Room for the longest message that is waited for, and a whole read behind it."""

MAX_STRAY_BYTES = 64 * 1024
"""So much in a row that is neither packet nor message ends the connection."""

MAX_ANSWERS = 64
MAX_EARLY_BYTES = 32 * 1024 * 1024
"""What may come of a stream before the answer to PLAY does."""

SHORTEST_WAIT_S = 0.001

_DOLLAR = 0x24
_PACKET_HEAD = 4
_BLANKS = b"\r\n"
_CAMERA_REQUESTS = (b"OPTIONS ", b"ANNOUNCE ", b"REDIRECT ", b"SET_PARAMETER ", b"GET_PARAMETER ")
_MESSAGE_STARTS = (b"RTSP/", b"TEARDOWN ", *_CAMERA_REQUESTS)
_LONGEST_START = max(map(len, _MESSAGE_STARTS))


class ConnectionEndedError(Exception):
    """The other end closed the connection."""


class RtspConnection:
    """Reads and writes one connection. Belongs to one thread.

    Attributes:
        messages: What came beside packets: answers, and requests of the other end.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Takes over a connected socket."""
        self._sock = sock
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._stray = 0
        self.messages: deque[RtspAnswer] = deque()
        self._receiver: RtpReceiver | None = None
        self._channel = -1

    def fileno(self) -> int:
        """The descriptor, to wait for."""
        return self._sock.fileno()

    def deliver(self, channel: int, receiver: RtpReceiver) -> None:
        """From now on packets of an interleaved channel go to a receiver."""
        self._channel, self._receiver = channel, receiver

    def set_wait(self, wait_s: float) -> None:
        """How long a read or a write waits from now on, in seconds."""
        wait_s = max(wait_s, SHORTEST_WAIT_S)
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock.settimeout(wait_s)
            return
        # The kernel's own time-out spares a second system call for every read.
        self._sock.settimeout(None)
        value = struct.pack("ll", int(wait_s), int(wait_s % 1 * 1_000_000))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def send(self, data: bytes) -> None:
        """Sends a message.

        Raises:
            OSError: The connection is lost, or nothing is taken in time.
        """
        try:
            self._sock.sendall(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            raise TimeoutError from None

    def read(self) -> bool:
        """Reads once and takes apart what is whole; whether anything came in time.

        Raises:
            ConnectionEndedError: The other end closed the connection.
            RtspViolationError: It does not keep to the protocol or to our bounds.
            OSError: The connection is lost.
        """
        if self._start == self._end:
            self._start = self._end = 0
        elif BUFFER_BYTES - self._end < CHUNK_BYTES:
            size = self._end - self._start
            self._buffer[:size] = self._buffer[self._start : self._end]
            self._start, self._end = 0, size
        try:
            count = self._sock.recv_into(self._view[self._end : self._end + CHUNK_BYTES])
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
            return False
        if not count:
            raise ConnectionEndedError
        self._end += count
        self._take_apart()
        return True

    def answer(self) -> RtspAnswer | None:
        """The next answer that came; requests of the other end are refused on the way."""
        while self.messages:
            message = self.messages.popleft()
            if message.status:
                return message
            self.send(format_refusal(message))
        return None

    def wait_for_answer(self, cseq: int, deadline_s: float) -> RtspAnswer:
        """The answer to the request of a number, waited for until a monotonic time.

        Raises:
            TimeoutError: It did not come in time.
        """
        while True:
            while (answer := self.answer()) is not None:
                # Cameras that leave the number out answer in order.
                if answer.cseq in (cseq, -1):
                    return answer
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self.set_wait(left_s)
            self.read()
            if self._receiver and sum(len(one.data) for one in self._receiver.ready) > (
                MAX_EARLY_BYTES
            ):
                raise RtspViolationError("it sends video and does not answer")

    def close(self) -> None:
        """Closes the connection; never raises."""
        self._receiver = None
        self._sock.close()

    def _take_apart(self) -> None:
        buffer, start, end = self._buffer, self._start, self._end
        channel, receiver = self._channel, self._receiver
        while end - start >= _PACKET_HEAD:
            if buffer[start] == _DOLLAR:
                stop = start + _PACKET_HEAD + (buffer[start + 2] << 8) + buffer[start + 3]
                if stop > end:
                    break
                if buffer[start + 1] == channel and receiver is not None:
                    receiver.push(buffer, start + _PACKET_HEAD, stop)
                start = stop
                self._stray = 0
            else:
                after = self._take_message(start, end)
                if after == start:
                    break
                start = after
        self._start = start

    def _take_message(self, start: int, end: int) -> int:
        """Takes a message; where it ends, or its start while it is not whole."""
        buffer = self._buffer
        if buffer[start] in _BLANKS:
            self._note_stray(1)
            return start + 1
        beginning = bytes(buffer[start : min(end, start + _LONGEST_START)])
        if not beginning.startswith(_MESSAGE_STARTS):
            if any(known.startswith(beginning) for known in _MESSAGE_STARTS):
                return start
            return self._skip_stray(start, end)
        found = END_OF_HEAD.search(buffer, start, min(end, start + MAX_HEAD_BYTES))
        if found is None:
            if end - start >= MAX_HEAD_BYTES:
                raise RtspViolationError(f"it answers with more than {MAX_HEAD_BYTES // 1024} KiB")
            return start
        message, length = parse_head(bytes(buffer[start : found.start()]))
        stop = found.end() + length
        if stop > end:
            return start
        if len(self.messages) >= MAX_ANSWERS:
            raise RtspViolationError("it answers more often than it is asked")
        self.messages.append(replace(message, body=bytes(buffer[found.end() : stop])))
        self._stray = 0
        return stop

    def _skip_stray(self, start: int, end: int) -> int:
        """Leaves out bytes that are neither packet nor message."""
        places = [self._buffer.find(mark, start + 1, end) for mark in (b"$", b"RTSP/")]
        after = min((place for place in places if place >= 0), default=end)
        self._note_stray(after - start)
        return after

    def _note_stray(self, count: int) -> None:
        self._stray += count
        if self._stray > MAX_STRAY_BYTES:
            raise RtspViolationError("it sends what is neither RTSP nor video")
