"""Whatever a client sends or fails to read, the server answers or hangs up, and others go on."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from simulation.rtsp_server.mount import Mount, ServerLimits
from simulation.rtsp_server.server import RtspServer
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip, write_clip
from tests.levels import scaled
from tests.simulation.rtsp_server.client import RawClient, Rtp

pytestmark = pytest.mark.integration

_HEAD = b"OPTIONS rtsp://h/cam RTSP/1.0\r\n"


@pytest.fixture(autouse=True)
def no_error_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A bad client is no error of ours, and never a traceback."""
    yield
    assert [
        record for record in caplog.get_records("call") if record.levelno >= logging.ERROR
    ] == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, id="tls hello"),
        pytest.param(b"hello\r\n\r\n", 400, id="one word"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 505, id="http"),
        pytest.param(b"OPTIONS rtsp://h/cam RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505, id="version"),
        pytest.param(_HEAD + b"\r\n", 400, id="no cseq"),
        pytest.param(_HEAD + b"CSeq: one\r\n\r\n", 400, id="cseq is no number"),
        pytest.param(_HEAD + b"CSeq: 1\r\nno colon here\r\n\r\n", 400, id="no colon"),
        pytest.param(_HEAD + b"CSeq: 1\r\nA b: c\r\n\r\n", 400, id="space in a name"),
        pytest.param(_HEAD + b"CSeq: 1\r\nA: \x00\r\n\r\n", 400, id="nul"),
        pytest.param(_HEAD + b"CSeq: 1\r\nA: \xff\xfe\r\n\r\n", 400, id="no text"),
        pytest.param(_HEAD + b"CSeq: 1\r\nContent-Length: -1\r\n\r\n", 400, id="negative length"),
        pytest.param(_HEAD + b"CSeq: 1\r\nContent-Length: 99999999\r\n\r\n", 413, id="huge body"),
        pytest.param(_HEAD + b"CSeq: 1\r\nA: " + b"a" * 5000 + b"\r\n\r\n", 413, id="long line"),
        pytest.param(_HEAD + b"A: b\r\n" * 100 + b"CSeq: 1\r\n\r\n", 413, id="many lines"),
        pytest.param(b"OPTIONS " + b"a" * 100_000, 413, id="endless line"),
        pytest.param(_HEAD + b"CSeq: 1\r\n", 408, id="unfinished"),
    ],
)
def test_garbage_is_answered_and_the_connection_closed(
    server: RtspServerThread, request_bytes: bytes, status: int
) -> None:
    with RawClient(server.port) as client:
        client.sock.sendall(request_bytes)
        assert client.reply().status == status
        assert client.is_closed()
    assert_serving(server)


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("DESCRIBE", "rtsp://h/nothing", 404),
        ("DESCRIBE", "rtsp://h/../../etc/passwd", 404),
        ("DESCRIBE", "rtsp://h/cam/../../etc/passwd", 404),
        ("DESCRIBE", "rtsp://h/%2e%2e/%2e%2e/etc/passwd", 404),
        ("DESCRIBE", "rtsp://h//etc/passwd", 404),
        ("DESCRIBE", "/etc/passwd", 404),
        ("DESCRIBE", "file:///etc/passwd", 404),
        ("DESCRIBE", "rtsp://[oops/cam", 400),
        ("DESCRIBE", "*", 404),
        ("SETUP", "rtsp://h/nothing/trackID=0", 404),
        ("RECORD", "rtsp://h/cam", 501),
        ("ANNOUNCE", "rtsp://h/cam", 501),
        ("X" * 30, "rtsp://h/cam", 501),
    ],
)
def test_a_request_that_makes_no_sense_leaves_the_connection_usable(
    server: RtspServerThread, method: str, url: str, status: int
) -> None:
    with RawClient(server.port) as client:
        assert client.ask(method, url).status == status
        assert client.ask("DESCRIBE").status == 200


def test_unknown_demands_are_named(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        reply = client.ask("DESCRIBE", Require="implicit-play")
        assert (reply.status, reply.header("Unsupported")) == (551, "implicit-play")
        assert client.ask("DESCRIBE", Accept="text/html").status == 406


@pytest.mark.scaled
def test_random_bytes_never_harm(server: RtspServerThread) -> None:
    noise = random.Random(5)
    for _ in range(scaled(40)):
        with RawClient(server.port) as client:
            mixed = noise.choice([b"", b"$", b"OPTIONS ", _HEAD, b"\r\n\r\n"])
            client.sock.sendall(mixed + noise.randbytes(noise.randrange(1, 3000)))
    assert_serving(server)


def test_interleaved_noise_is_ignored(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.sock.sendall(b"$\x07\xff\xff" + bytes(65535) + b"\r\n\r\n")
        assert client.ask("OPTIONS").status == 200


def test_requests_in_one_piece_or_byte_by_byte(server: RtspServerThread) -> None:
    request = _HEAD + b"CSeq: %d\r\n\r\n"
    with RawClient(server.port) as client:
        client.sock.sendall(request % 1 + request % 2)
        assert [client.reply().header("CSeq") for _ in range(2)] == ["1", "2"]
        for byte in request % 3:
            client.sock.sendall(bytes([byte]))
        assert client.reply().header("CSeq") == "3"


def test_too_many_connections_are_turned_away(server: RtspServerThread) -> None:
    clients = [RawClient(server.port) for _ in range(8)]
    try:
        assert all(client.ask("OPTIONS").status == 200 for client in clients)
        with RawClient(server.port) as late:
            assert late.reply().status == 503
            assert late.is_closed()
        clients.pop().sock.close()
        assert_serving(server)
    finally:
        for client in clients:
            client.sock.close()


@pytest.fixture
def heavy_clip(tmp_path: Path) -> TinyClip:
    """Twelve frames a second and more than ten megabytes a second, all of them key frames."""
    return write_clip(
        tmp_path / "heavy.mp4", width=960, height=540, fps=Fraction(50), frames=4, gop=1, noise=True
    )


def test_a_viewer_that_does_not_read_is_bounded_and_then_cut_off(heavy_clip: TinyClip) -> None:
    limits = ServerLimits(viewer_buffer_bytes=1_000_000, viewer_patience_s=0.5)
    with (
        RtspServerThread([Mount("cam", heavy_clip.path)], limits=limits) as server,
        RawClient(server.port) as reader,
        RawClient(server.port, receive_buffer=65536) as sleeper,
    ):
        reader.play()
        sleeper.play()
        for _ in reader.stream(8.0):
            counters = server.counters("cam")
            if counters.viewers_dropped:
                break
        assert counters.viewers_dropped == 1
        assert counters.frames_skipped > 0
        assert reader.ask("GET_PARAMETER").status == 200
        assert server.counters("cam").viewers == 1


def test_a_viewer_that_pauses_reading_goes_on_at_a_key_frame(heavy_clip: TinyClip) -> None:
    limits = ServerLimits(viewer_buffer_bytes=1_000_000, viewer_patience_s=30.0)
    with (
        RtspServerThread([Mount("cam", heavy_clip.path)], limits=limits) as server,
        RawClient(server.port, receive_buffer=65536) as viewer,
    ):
        viewer.play()
        until_s = time.monotonic() + 10
        while not server.counters("cam").frames_skipped and time.monotonic() < until_s:
            time.sleep(0.02)
        skipped = server.counters("cam").frames_skipped
        packets = viewer.rtp(8_000)
    assert skipped > 0
    gaps = [
        later
        for earlier, later in pairwise(packets)
        if (later.sequence - earlier.sequence) % 65536 != 1
    ]
    assert gaps
    assert all(packet.payload[0] & 0x1F == 7 for packet in gaps)


def test_the_server_stops_with_stuck_and_idle_clients_connected(heavy_clip: TinyClip) -> None:
    with RtspServerThread([Mount("cam", heavy_clip.path)]) as server:
        port = server.port
        viewer, stuck, idle = (
            RawClient(port),
            RawClient(port, receive_buffer=65536),
            RawClient(port),
        )
        viewer.play()
        stuck.play()
        idle.ask("OPTIONS")
        for _ in viewer.stream():
            if server.counters("cam").frames_skipped:
                break
        stopping_s = time.monotonic()
    assert time.monotonic() - stopping_s < 5
    with viewer, stuck, idle:
        viewer.until_lost()
        assert idle.is_closed()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1.0)


def test_after_a_suspension_the_stream_goes_on_at_the_present(fast_clip: TinyClip) -> None:
    """What a stopped process or a busy machine does, old frames are not sent in a rush."""

    async def exercise() -> tuple[int, list[Rtp]]:
        async with RtspServer([Mount("cam", fast_clip.path)]) as server:
            client = await asyncio.to_thread(RawClient, server.port)
            with client:
                await asyncio.to_thread(client.play)
                before = await asyncio.to_thread(client.rtp, 5)
                block(1.2)
                after = await asyncio.to_thread(client.rtp, 40)
                return server.counters("cam").frames_late, before[-1:] + after

    block = time.sleep
    late, packets = asyncio.run(exercise())
    assert late >= 50
    leaps = [
        (after, (after.timestamp - before.timestamp) % 2**32)
        for before, after in pairwise(packets)
        if (after.timestamp - before.timestamp) % 2**32 > 1800
    ]
    # A busy machine may add shorter ones.
    resumed, leap = max(leaps, key=lambda one: one[1])
    assert leap > 90_000
    assert resumed.payload[0] & 0x1F == 7


def assert_serving(server: RtspServerThread) -> None:
    until_s = time.monotonic() + 5
    while True:
        with RawClient(server.port) as client:
            client.send("DESCRIBE")
            status = client.reply().status
        if status == 200:
            return
        assert status == 503  # connections that just ended may still be counted
        assert time.monotonic() < until_s
