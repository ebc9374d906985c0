"""What a camera's video costs on this machine: processor time to receive it and to decode it.

Trial clips go through the very code that reads a camera over RTSP: packets out of a socket, coded
images, the decoder. As many are decoded at once as there are threads given, because cores that
share a memory, or are two halves of one, are slower together.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from camera_adapters.decoding import TrackDecoder
from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.rtp import CodedImage, RtpReceiver
from camera_adapters.rtsp_connection import RtspConnection
from camera_adapters.rtsp_stream import new_receiver
from camera_adapters.sdp import START_CODE, VideoCodec, VideoTrack
from camera_adapters.spec import CameraSpec
from camera_adapters.trial_clip import TrialClip, blank_image

MEASURED_S: Final = 0.2
"""How long each clip is decoded over and over."""

CONVERSIONS: Final = 12

_PAYLOAD_TYPE: Final = 96
_PAYLOAD_BYTES: Final = 1400
_CHUNK: Final = 32 * 1024
_MARKER: Final = 0x80
_FIRST, _LAST = 0x80, 0x40
_H264_FU, _H265_FU = 28, 49


@dataclass(frozen=True, slots=True)
class VideoCost:
    """What an image of one clip costs, seconds of one core.

    Attributes:
        megapixels: Of an image.
        megabits: Of a coded image, in the mean.
        receive_s: From the socket to a coded image.
        decode_s: From that to an image.
    """

    megapixels: float
    megabits: float
    receive_s: float
    decode_s: float


def video_cost(clip: TrialClip, threads: int) -> VideoCost:
    """Measures a clip.

    Raises:
        UnreadableFault: What the encoder wrote is not decoded here.
    """
    with ThreadPoolExecutor(threads) as pool:
        measured = list(pool.map(partial(_measured, clip), range(threads)))
    receive_s = sum(one for one, _ in measured) / threads
    decode_s = sum(one for _, one in measured) / threads
    return VideoCost(clip.size.width * clip.size.height / 1e6, clip.megabits, receive_s, decode_s)


def conversion_s(size: Size, view: ViewSpec, threads: int) -> float:
    """Seconds of one core to make the image of a view of a full image of a size."""

    def convert(_: int) -> float:
        image = blank_image(size)
        image.views([view])
        cpu_s = time.thread_time()
        for _ in range(CONVERSIONS):
            image.views([view])
        return (time.thread_time() - cpu_s) / CONVERSIONS

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(convert, range(threads))) / threads


def _measured(clip: TrialClip, _: int) -> tuple[float, float]:
    """Seconds of this thread per image: to receive, to decode."""
    track = VideoTrack(clip.codec, _PAYLOAD_TYPE, "", clip.sets)
    decoder = TrackDecoder(CameraSpec("trial", "rtsp://trial/"), track)
    _decode(decoder, clip.coded)
    receive_s = _received(clip, new_receiver(track))
    begun_s, cpu_s, images = time.monotonic(), time.thread_time(), 0
    while time.monotonic() - begun_s < MEASURED_S:
        _decode(decoder, clip.coded)
        images += len(clip.coded)
    return receive_s, (time.thread_time() - cpu_s) / images


def _decode(decoder: TrackDecoder, coded: Sequence[CodedImage]) -> None:
    for image in coded:
        decoder.decode(image)


def _received(clip: TrialClip, receiver: RtpReceiver) -> float:
    """Seconds of this thread per image that is taken out of a socket."""
    ours, theirs = socket.socketpair()
    connection = RtspConnection(ours)
    connection.deliver(0, receiver)
    connection.set_wait(1.0)
    cpu_s = 0.0
    with theirs:
        for sent in _interleaved(clip):
            for start in range(0, len(sent), _CHUNK):
                theirs.sendall(sent[start : start + _CHUNK])
                before_s = time.thread_time()
                connection.read()
                cpu_s += time.thread_time() - before_s
            before_s = time.thread_time()
            while not receiver.ready and connection.read():
                pass
            receiver.ready.clear()
            cpu_s += time.thread_time() - before_s
    connection.close()
    return cpu_s / len(clip.coded)


def _interleaved(clip: TrialClip) -> Iterator[bytes]:
    """The packets of each image as they come in an RTSP connection (RFC 2326, 10.12)."""
    sequence = 0
    for image in clip.coded:
        units = [unit for unit in bytes(image.data).split(START_CODE[1:]) if unit]
        parts = [part for unit in units for part in _payloads(clip.codec, unit.rstrip(b"\0"))]
        packets = bytearray()
        for index, part in enumerate(parts):
            marker = _MARKER if index == len(parts) - 1 else 0
            head = bytes([0x80, marker | _PAYLOAD_TYPE]) + sequence.to_bytes(2, "big")
            packet = head + image.ticks.to_bytes(4, "big") + b"\0\0\0\1" + part
            packets += b"$\0" + len(packet).to_bytes(2, "big") + packet
            sequence = (sequence + 1) & 0xFFFF
        yield bytes(packets)


def _payloads(codec: VideoCodec, unit: bytes) -> Iterator[bytes]:
    """A NAL unit, in fragments where it is long (RFC 6184, 5.8; RFC 7798, 4.4.3)."""
    if len(unit) <= _PAYLOAD_BYTES:
        yield unit
        return
    if codec is VideoCodec.H264:
        kind, head, body = unit[0] & 0x1F, bytes([(unit[0] & 0xE0) | _H264_FU]), unit[1:]
    else:
        kind, body = (unit[0] >> 1) & 0x3F, unit[2:]
        head = bytes([(unit[0] & 0x81) | (_H265_FU << 1), unit[1]])
    for start in range(0, len(body), _PAYLOAD_BYTES):
        end = start + _PAYLOAD_BYTES
        mark = (_FIRST if start == 0 else 0) | (_LAST if end >= len(body) else 0)
        yield head + bytes([mark | kind]) + body[start:end]
