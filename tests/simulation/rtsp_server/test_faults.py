"""Each fault does to a viewer what its description says, and goes away when it is taken away."""

from __future__ import annotations

import socket
import time
from itertools import islice, pairwise

import av
import pytest

from simulation.rtsp_server.clip import load_clip
from simulation.rtsp_server.errors import UnknownMountError
from simulation.rtsp_server.faults import GARBAGE, Fault, FaultKind
from simulation.rtsp_server.packetiser import payloads
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip, read_number
from tests.simulation.rtsp_server.client import RawClient
from tests.simulation.rtsp_server.conftest import PASSWORD
from tests.simulation.rtsp_server.test_foreign_clients import watch

pytestmark = pytest.mark.integration

_SILENCE_S = 0.25
"""Twelve frames of the fast clip: long enough that missing media is no accident."""


def chunks_within(client: RawClient, seconds: float) -> list[tuple[int, bytes]]:
    """Everything that arrives in a while."""
    taken: list[tuple[int, bytes]] = []
    client.sock.settimeout(seconds)
    try:
        taken.extend(client.stream(seconds))
    except TimeoutError:
        pass
    finally:
        client.sock.settimeout(5.0)
    return taken


def read_all(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, av.error.HTTPUnauthorizedError),
        (404, av.error.HTTPNotFoundError),
        (503, av.error.HTTPServerError),
    ],
)
def test_a_refusal_reaches_the_player(
    server: RtspServerThread, status: int, error: type[Exception]
) -> None:
    server.set_fault("cam", Fault(FaultKind.REFUSE, status=status))
    with pytest.raises(error):
        watch(server.url("cam"))
    assert server.counters("cam").descriptions >= 1
    server.set_fault("cam", None)
    with watch(server.url("cam")) as camera:
        assert next(iter(camera.decode(video=0)))


def test_a_refusal_ignores_a_right_password(server: RtspServerThread) -> None:
    server.set_fault("digest", Fault(FaultKind.REFUSE, status=401))
    url = server.url("digest").replace("rtsp://", f"rtsp://viewer:{PASSWORD}@")
    with pytest.raises(av.error.HTTPUnauthorizedError):
        watch(url)


def test_a_redirection_is_followed(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.REDIRECT, text=server.url("basic")))
    with RawClient(server.port) as client:
        reply = client.ask("DESCRIBE")
    assert reply.status == 302
    assert reply.header("Location") == server.url("basic")
    with pytest.raises(av.error.HTTPUnauthorizedError):  # it got there, without a login
        watch(server.url("cam"))


def test_a_mute_camera_accepts_and_says_nothing(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.MUTE))
    with RawClient(server.port) as client:
        client.send("OPTIONS")
        client.sock.settimeout(_SILENCE_S)
        with pytest.raises(TimeoutError):
            client.reply()
    with pytest.raises((av.error.FFmpegError, TimeoutError)):
        av.open(server.url("cam"), options={"rtsp_transport": "tcp"}, timeout=(0.3, 0.3))


def test_falling_mute_silences_a_viewer(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        client.rtp(2)
        server.set_fault("cam", Fault(FaultKind.MUTE))
        chunks_within(client, 0.1)
        assert chunks_within(client, _SILENCE_S) == []


def test_a_stall_keeps_reports_and_answers(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.STALL))
    with RawClient(server.port) as client:
        assert client.play().status == 200
        channels = {channel for channel, _ in chunks_within(client, _SILENCE_S)}
        assert channels == {1}
        assert client.ask("GET_PARAMETER").status == 200
        server.set_fault("cam", None)
        assert client.rtp(1)[0].payload[0] & 0x1F == 7


def test_a_stall_in_mid_stream_times_the_player_out(server: RtspServerThread) -> None:
    options = {"rtsp_transport": "tcp", "analyzeduration": "100000"}
    with av.open(server.url("cam"), options=options, timeout=(5.0, 0.3)) as camera:
        frames = camera.decode(video=0)
        next(frames)
        server.set_fault("cam", Fault(FaultKind.STALL))
        with pytest.raises(av.error.FFmpegError):
            for _ in frames:
                pass


def test_no_rtp_means_nothing_after_play(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.NO_RTP))
    with RawClient(server.port) as client:
        assert client.play().status == 200
        assert chunks_within(client, _SILENCE_S) == []
        assert client.ask("GET_PARAMETER").status == 200


def test_corruption_damages_payloads_and_nothing_else(
    server: RtspServerThread, fast_clip: TinyClip
) -> None:
    clip = load_clip(fast_clip.path)
    nals = [*clip.parameter_sets, *(nal for unit in clip.units for nal in unit.nals)]
    clean = {payload for nal in nals for payload in payloads(clip.codec, nal)}
    server.set_fault("cam", Fault(FaultKind.CORRUPT, every=3))
    with RawClient(server.port) as client:
        client.play()
        packets = client.rtp(60)
    sequences = [packet.sequence for packet in packets]
    assert sequences == [(sequences[0] + n) % 65536 for n in range(60)]
    damaged = [packet.payload not in clean for packet in packets]
    assert damaged == [n % 3 == 2 for n in range(60)]
    shapes = {(payload[:2], len(payload)) for payload in clean}
    assert {(packet.payload[:2], len(packet.payload)) for packet in packets} <= shapes


def test_a_player_lives_through_corruption(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.CORRUPT, every=5))
    with watch(server.url("cam")) as camera:
        assert len(list(islice(camera.decode(video=0), 10))) == 10


def test_dropped_packets_leave_gaps(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.DROP, every=4))
    with RawClient(server.port) as client:
        client.play()
        sequences = [packet.sequence for packet in client.rtp(31)]
    steps = [(later - earlier) % 65536 for earlier, later in pairwise(sequences)]
    assert steps == [2 if n % 3 == 2 else 1 for n in range(30)]


def test_garbage_comes_between_whole_packets(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.GARBAGE))
    with RawClient(server.port) as client:
        client.play()
        received = b""
        while received.count(GARBAGE) < 3:
            received += client.sock.recv(65536)
    parts = received.split(GARBAGE)
    assert all(part.startswith(b"$") for part in parts[1:-1])


def test_a_cut_ends_within_a_frame(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        client.rtp(1)
        server.set_fault("cam", Fault(FaultKind.CUT))
        with pytest.raises(ConnectionResetError):
            read_all(client.sock)


def test_a_huge_answer_promises_more_than_it_has(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.HUGE))
    with RawClient(server.port) as client:
        client.send("DESCRIBE")
        received = b""
        while len(received) < 1_000_000:
            received += client.sock.recv(65536)
    assert received.count(b"Content-Length") == 1
    assert b"Content-Length: 2147483647\r\n" in received


def test_basic_is_asked_for_in_place_of_digest(server: RtspServerThread) -> None:
    server.set_fault("digest", Fault(FaultKind.BASIC))
    with RawClient(server.port, "digest") as client:
        (challenge,) = client.ask("DESCRIBE").all("WWW-Authenticate")
        assert challenge.startswith("Basic ")


def test_a_kill_resets_the_connection(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        client.rtp(1)
        server.set_fault("cam", Fault(FaultKind.KILL))
        server.set_fault("cam", None)
        with pytest.raises(ConnectionResetError):
            read_all(client.sock)
        assert server.counters("cam").viewers == 0
    with watch(server.url("cam")) as camera:
        assert read_number(next(iter(camera.decode(video=0))).to_ndarray(format="rgb24")) == 0


def test_a_kill_that_stays_resets_every_new_viewer(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.KILL))
    with RawClient(server.port) as client:
        client.setup()
        client.send("PLAY")
        with pytest.raises(ConnectionResetError):
            read_all(client.sock)


def test_the_end_says_goodbye_and_closes(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        client.rtp(1)
        server.set_fault("cam", Fault(FaultKind.END))
        last_channel, last_packet = client.until_lost()[-1]
    assert last_channel == 1
    assert b"\x81\xcb\x00\x01" in last_packet


def test_the_end_ends_a_players_file(server: RtspServerThread) -> None:
    with watch(server.url("cam")) as camera:
        frames = camera.decode(video=0)
        next(frames)
        server.set_fault("cam", Fault(FaultKind.END))
        assert len(list(frames)) < 20


def test_a_frozen_camera_repeats_its_image_in_time(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.FREEZE))
    with watch(server.url("cam")) as camera:
        frames = list(islice(camera.decode(video=0), 15))
    assert {read_number(frame.to_ndarray(format="rgb24")) for frame in frames} == {0}
    stamps = [frame.pts for frame in frames[1:] if frame.pts is not None]
    assert {later - earlier for earlier, later in pairwise(stamps)} == {1800}


def test_a_leap_of_time_stamps(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        before = client.rtp(1)[0].timestamp
        server.set_fault("cam", Fault(FaultKind.JUMP, offset_s=-3600.0))
        leaps = ((packet.timestamp - before) % 2**32 for packet in client.rtp(40))
        assert any(2**32 - leap > 3590 * 90_000 for leap in leaps if leap > 2**31)


def test_a_wrong_clock_shows_in_reports(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.WRONG_CLOCK, offset_s=3600.0))
    with RawClient(server.port) as client:
        client.play()
        assert client.sender_report().wall_s - time.time() == pytest.approx(3600, abs=5)


def test_a_false_description(server: RtspServerThread) -> None:
    server.set_fault("cam", Fault(FaultKind.DESCRIPTION, text="v=0\r\ns=nothing\r\n"))
    with RawClient(server.port) as client:
        assert client.ask("DESCRIBE").body == b"v=0\r\ns=nothing\r\n"


def test_a_fault_stays_on_its_mount(server: RtspServerThread) -> None:
    server.set_fault("basic", Fault(FaultKind.REFUSE, status=503))
    with watch(server.url("cam")) as camera:
        assert next(iter(camera.decode(video=0)))


def test_udp_viewers_are_killed_too(server: RtspServerThread) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine, RawClient(server.port) as client:
        mine.bind(("127.0.0.1", 0))
        mine.settimeout(5)
        port = mine.getsockname()[1]
        client.setup(f"RTP/AVP;unicast;client_port={port}-{port + 1}")
        client.ask("PLAY")
        mine.recv(2048)
        server.set_fault("cam", Fault(FaultKind.KILL))
        with pytest.raises(ConnectionResetError):
            client.sock.recv(1)


@pytest.mark.parametrize(
    "make", [lambda: Fault(FaultKind.REFUSE, status=200), lambda: Fault(FaultKind.DROP, every=0)]
)
def test_senseless_faults_are_refused(make) -> None:
    with pytest.raises(ValueError, match="needs a"):
        make()


def test_a_fault_needs_a_mount(server: RtspServerThread) -> None:
    with pytest.raises(UnknownMountError, match="nowhere"):
        server.set_fault("nowhere", Fault(FaultKind.STALL))
