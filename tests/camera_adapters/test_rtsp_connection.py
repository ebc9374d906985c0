"""One connection: answers and packets in any mixture, and bounds on all of it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.nal_units import H264Assembler
from camera_adapters.rtp import RtpReceiver
from camera_adapters.rtsp_connection import (
    MAX_STRAY_BYTES,
    ConnectionEndedError,
    RtspConnection,
)
from camera_adapters.rtsp_message import RtspViolationError, format_request, parse_head
from tests.levels import scaled

IMAGE = struct.pack(">BBHII", 0x80, 0xE0, 1, 0, 7) + b"\x65\x88image"
PACKET = b"$\x00" + struct.pack(">H", len(IMAGE)) + IMAGE
ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nContent-Length: 5\r\n\r\nhello"


class Line:
    """A connection and the camera's end of it."""

    def __init__(self) -> None:
        ours, self.camera = socket.socketpair()
        self.connection = RtspConnection(ours)
        self.connection.set_wait(0.002)
        self.receiver = RtpReceiver(96, H264Assembler())
        self.connection.deliver(0, self.receiver)

    def hear(self, data: bytes) -> None:
        self.camera.sendall(data)
        while self.connection.read():
            pass

    def close(self) -> None:
        self.camera.close()
        self.connection.close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


def numbered(sequence: int) -> bytes:
    return PACKET[:6] + struct.pack(">H", sequence) + PACKET[8:]


def test_an_answer_between_packets(line):
    line.hear(numbered(1) + ANSWER + numbered(2))
    answer = line.connection.answer()
    assert (answer.status, answer.cseq, answer.body) == (200, 4, b"hello")
    assert line.connection.answer() is None
    assert [image.damaged for image in line.receiver.ready] == [False, False]


def test_whatever_the_pieces(line):
    stream = numbered(1) + ANSWER + numbered(2) + ANSWER
    for at in range(len(stream)):
        line.hear(stream[at : at + 1])
    assert len(line.receiver.ready) == 2
    assert [line.connection.answer().body for _ in range(2)] == [b"hello"] * 2


def test_lines_ended_by_line_feeds_and_any_case_of_names(line):
    line.hear(b"\r\n\nRTSP/1.0 200\ncseq:4\nCONTENT-LENGTH : 2\nfolded: a\n b\n\nok")
    answer = line.connection.answer()
    assert (answer.cseq, answer.body, answer.header("folded")) == (4, b"ok", "a b")


def test_a_request_of_the_camera_is_refused_and_nothing_else_happens(line):
    line.hear(b"REDIRECT rtsp://c RTSP/1.0\r\nCSeq: 9\r\nLocation: rtsp://d\r\n\r\n" + ANSWER)
    assert line.connection.answer().status == 200
    assert line.camera.recv(1000) == b"RTSP/1.0 501 Not Implemented\r\nCSeq: 9\r\n\r\n"


def test_packets_of_other_channels_are_left_out(line):
    line.hear(b"$\x01\x00\x04rtcp" + b"$\x07\x00\x00" + numbered(1))
    assert len(line.receiver.ready) == 1


def test_garbage_between_packets_is_skipped(line):
    line.hear(numbered(1) + bytes(range(0x80, 0x100)) * 8 + numbered(2))
    assert [image.damaged for image in line.receiver.ready] == [False, False]


def test_garbage_without_end_is_an_end(line):
    with pytest.raises(RtspViolationError, match="neither RTSP nor video"):
        line.hear(b"\xff" * (MAX_STRAY_BYTES + 8))


@pytest.mark.parametrize(
    "flood",
    [
        b"RTSP/1.0 200 OK\r\nContent-Length: 2147483647\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 65537\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 12_000,
        b"RTSP/1.0 20 O\r\n\r\n",
        ANSWER * 100,
    ],
)
def test_answers_are_bounded(line, flood):
    with pytest.raises(RtspViolationError):
        line.hear(flood)


def test_the_largest_answer_passes(line):
    head = b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nContent-Length: 65536\r\n" + b"X: y\r\n" * 10_000
    writer = threading.Thread(target=line.camera.sendall, args=(head + b"\r\n" + bytes(65536),))
    writer.start()
    answer = line.connection.wait_for_answer(4, time.monotonic() + 10)
    writer.join()
    assert len(answer.body) == 65536


def test_the_end_is_an_end(line):
    line.camera.close()
    with pytest.raises(ConnectionEndedError):
        line.connection.read()


def test_an_answer_that_does_not_come_is_waited_for_until_then(line):
    line.hear(b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n")
    with pytest.raises(TimeoutError):
        line.connection.wait_for_answer(4, time.monotonic() + 0.05)


def test_a_drip_of_bytes_does_not_stretch_the_time(line):
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.01):
            line.camera.sendall(b"X")

    line.camera.sendall(b"RTSP/1.0 200 OK\r\n")
    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            line.connection.wait_for_answer(4, time.monotonic() + 0.3)
    finally:
        stop.set()
        thread.join()


def test_a_request_is_what_the_rfc_says():
    text = format_request("SETUP", "rtsp://c/t", 3, {"Transport": "RTP/AVP"})
    assert text == (
        b"SETUP rtsp://c/t RTSP/1.0\r\nCSeq: 3\r\nUser-Agent: CityEye\r\nTransport: RTP/AVP\r\n\r\n"
    )


@settings(max_examples=scaled(100), deadline=None)
@given(st.binary(max_size=300))
def test_a_head_is_read_or_refused(noise):
    for head in (noise, b"RTSP/1.0 200 OK\r\n" + noise):
        try:
            answer, length = parse_head(head)
        except RtspViolationError:
            continue
        assert 0 <= length <= 64 * 1024
        assert isinstance(answer.cseq, int)


@settings(max_examples=scaled(30), deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([PACKET, ANSWER, b"$", b"RTSP/"])))
)
def test_whatever_comes_is_taken_or_refused(pieces):
    line = Line()
    line.connection.set_wait(0.001)
    try:
        for piece in pieces:
            if piece:
                line.hear(piece)
            while line.connection.answer() is not None:
                pass
    except RtspViolationError:
        pass
    finally:
        line.close()
