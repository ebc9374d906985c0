"""A playing RTSP stream: coded images as they arrive, over TCP or UDP, and the session kept alive.

Says what the other end did wrong with exceptions of its own; what they mean for a camera is said
where cameras are known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from camera_adapters.dialling import Dialled
from camera_adapters.jpeg_payload import JpegAssembler
from camera_adapters.nal_units import H264Assembler, H265Assembler
from camera_adapters.rtp import Assembler, CodedImage, RtpReceiver
from camera_adapters.rtp_datagrams import DatagramPorts, ReorderBuffer
from camera_adapters.rtsp_client import RtspClient
from camera_adapters.rtsp_connection import RtspConnection
from camera_adapters.rtsp_message import RtspViolationError
from camera_adapters.sdp import SessionDescription, VideoCodec, VideoTrack

MOST_WAITED_S = 1.0
"""A read ends after so long without data, so that times are kept and a stop is heard."""

SHORTEST_PAUSE_S = 5.0
"""What came while we did not read for so long, or for the longest silence, is thrown away."""

ASSEMBLERS: dict[VideoCodec, Callable[[], Assembler]] = {
    VideoCodec.H264: H264Assembler,
    VideoCodec.H265: H265Assembler,
    VideoCodec.JPEG: JpegAssembler,
}

_RTP_CHANNEL, _RTCP_CHANNEL = 0, 1
_MAX_CHANNEL = 255
_MAX_PORT = 65_535


class NoDataError(Exception):
    """No coded image came for too long."""


class HeldUpError(Exception):
    """This program did not read for too long: what waits to be read is old."""


class Transport(Protocol):
    """How packets come."""

    def set_up(self, client: RtspClient, description: SessionDescription) -> None:
        """Agrees with the camera; from then on packets go to the receiver."""
        ...

    def read(self, wait_s: float) -> None:
        """Passes on what comes; returns after `wait_s` if nothing does."""
        ...

    def close(self) -> None:
        """Gives everything back; never raises."""
        ...


class TcpTransport:
    """Interleaved in the RTSP connection."""

    def __init__(self, connection: RtspConnection, receiver: RtpReceiver) -> None:
        """Uses the connection, which stays its owner's."""
        self._connection = connection
        self._receiver = receiver
        self._wait_s = -1.0

    def set_up(self, client: RtspClient, description: SessionDescription) -> None:
        """See `Transport`."""
        pair = f"{_RTP_CHANNEL}-{_RTCP_CHANNEL}"
        given = client.set_up(description, f"RTP/AVP/TCP;unicast;interleaved={pair}")
        channel = _first_number(given.get("interleaved", pair), _MAX_CHANNEL)
        if "client_port" in given or channel is None:
            raise RtspViolationError("it does not send its video over TCP: set `transport: udp`")
        self._connection.deliver(channel, self._receiver)

    def read(self, wait_s: float) -> None:
        """See `Transport`."""
        if wait_s != self._wait_s:
            self._connection.set_wait(wait_s)
            self._wait_s = wait_s
        self._connection.read()

    def close(self) -> None:
        """See `Transport`."""


class UdpTransport:
    """As datagrams to a pair of ports; the RTSP connection stays for answers."""

    def __init__(self, connection: RtspConnection, receiver: RtpReceiver, dialled: Dialled) -> None:
        """Binds the ports.

        Raises:
            OSError: There are none.
        """
        self._connection = connection
        self._ports = DatagramPorts(dialled.sock.getsockname()[0], dialled.peer)
        self._packets = ReorderBuffer(receiver)
        self._ports.also_wait_for(connection.fileno())

    def set_up(self, client: RtspClient, description: SessionDescription) -> None:
        """See `Transport`."""
        first, second = self._ports.numbers
        given = client.set_up(description, f"RTP/AVP;unicast;client_port={first}-{second}")
        if "interleaved" in given:
            raise RtspViolationError("it sends its video over TCP only: set `transport: tcp`")
        port = _first_number(given.get("server_port", ""), _MAX_PORT - 1)
        if port:
            self._ports.open_paths(port, port + 1)

    def read(self, wait_s: float) -> None:
        """See `Transport`."""
        ready = self._ports.wait(wait_s)
        self._ports.read(self._packets, time.monotonic())
        if self._connection.fileno() in ready:
            self._connection.set_wait(0)
            self._connection.read()

    def close(self) -> None:
        """See `Transport`."""
        self._ports.close()


class RtspStream:
    """Coded images of one camera, from a playing session to its end."""

    def __init__(
        self,
        client: RtspClient,
        connection: RtspConnection,
        dialled: Dialled,
        description: SessionDescription,
        *,
        transport: str,
        silence_s: float,
    ) -> None:
        """Sets the track up and starts it.

        Raises:
            OSError, RtspViolationError, and what `RtspClient` raises: It does not start.
        """
        self._client = client
        self._silence_s = silence_s
        self._wait_s = min(MOST_WAITED_S, silence_s / 4)
        self._longest_pause_s = max(silence_s, SHORTEST_PAUSE_S)
        self._receiver = new_receiver(description.video)
        self._connection = connection
        self._transport: Transport = (
            UdpTransport(connection, self._receiver, dialled)
            if transport == "udp"
            else TcpTransport(connection, self._receiver)
        )
        try:
            self._transport.set_up(client, description)
            client.play()
        except BaseException:
            self._transport.close()
            raise
        self._read_s = self._image_s = time.monotonic()

    def read(self) -> list[CodedImage]:
        """The coded images that became whole; none after a while without data.

        Raises:
            NoDataError: None came for the longest allowed silence.
            HeldUpError: We did not read for so long.
            ConnectionEndedError, RtspViolationError, OSError: The stream is over.
            RequestRefusedError: The camera does not know the session any more.
        """
        begun_s = time.monotonic()
        if begun_s - self._read_s > self._longest_pause_s:
            raise HeldUpError
        if begun_s >= self._client.keep_alive_due_s:
            self._client.keep_alive()
        self._transport.read(self._wait_s)
        if self._connection.messages:
            self._client.handle_answers()
        self._read_s = now_s = time.monotonic()
        if now_s - begun_s > self._longest_pause_s:
            # Asleep within the call: the machine, or all of the program.
            raise HeldUpError
        ready = self._receiver.ready
        if not ready:
            if now_s - self._image_s >= self._silence_s:
                raise NoDataError
            return []
        self._image_s = now_s
        coded = list(ready)
        ready.clear()
        return coded

    def close(self) -> None:
        """Ends the session; never raises."""
        self._client.tear_down()
        self._transport.close()


def new_receiver(track: VideoTrack) -> RtpReceiver:
    """What takes a track's packets together."""
    return RtpReceiver(track.payload_type, ASSEMBLERS[track.codec]())


def _first_number(pair: str, most: int) -> int | None:
    """The first number of `A-B` or `A`, None where it makes no sense."""
    first = pair.partition("-")[0].strip()
    if not (first.isascii() and first.isdigit() and len(first) < len(str(_MAX_PORT)) + 1):
        return None
    return int(first) if int(first) <= most else None
