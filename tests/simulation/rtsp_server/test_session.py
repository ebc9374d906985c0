"""The protocol on the wire: methods, session states, transports, reports, keep-alive."""

from __future__ import annotations

import base64
import re
import socket
import time
from contextlib import suppress

import av
import pytest

from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip
from tests.simulation.rtsp_server.client import RawClient, Rtp, SenderReport

pytestmark = pytest.mark.integration


def test_options_lists_the_methods(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        for url in (client.url, "*", client.url + "/nothing"):
            public = client.ask("OPTIONS", url).header("Public").split(", ")
            assert {"DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN"} <= set(public)
            assert {"GET_PARAMETER", "SET_PARAMETER"} <= set(public)


def test_describe_tells_what_the_encoder_wrote(
    server: RtspServerThread, fast_clip: TinyClip
) -> None:
    with RawClient(server.port) as client:
        reply = client.ask("DESCRIBE", Accept="application/sdp")
    sdp = reply.body.decode().split("\r\n")
    assert reply.header("Content-Type") == "application/sdp"
    assert reply.header("Content-Base") == f"{server.url('cam')}/"
    assert {"a=control:*", "a=range:npt=now-", "a=framerate:50", "a=control:trackID=0"} <= set(sdp)
    assert "a=rtpmap:96 H264/90000" in sdp
    fmtp = next(line for line in sdp if line.startswith("a=fmtp:96 "))
    fields = dict(item.split("=", 1) for item in fmtp.removeprefix("a=fmtp:96 ").split(";"))
    sps, pps = (base64.b64decode(item) for item in fields["sprop-parameter-sets"].split(","))
    with av.open(str(fast_clip.path)) as container:
        extradata = container.streams.video[0].codec_context.extradata
    assert extradata is not None
    assert sps in extradata
    assert pps in extradata
    assert bytes.fromhex(fields["profile-level-id"]) == sps[1:4] == extradata[1:4]
    assert fields["packetization-mode"] == "1"


def test_the_description_repeats_the_clients_own_address_without_its_login(
    server: RtspServerThread,
) -> None:
    with RawClient(server.port) as client:
        reply = client.ask("DESCRIBE", "rtsp://name:secret@camera.example:8554/cam?channel=1")
    assert reply.header("Content-Base") == "rtsp://camera.example:8554/cam/"


def test_play_announces_the_first_frame(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        transport = client.setup("RTP/AVP/TCP;unicast;interleaved=4-5").header("Transport")
        info = client.ask("PLAY").header("RTP-Info")
        channel, packet = next(item for item in client.stream() if item[0] == 4)
        first = Rtp.parse(packet)
    assert channel == 4
    assert "interleaved=4-5" in transport
    assert re.search(r"ssrc=([0-9A-F]{8})", transport)[1] == f"{first.ssrc:08X}"  # type: ignore[index]
    assert f"rtptime={first.timestamp}" in info
    assert f"url={server.url('cam')}/trackID=0" in info


def test_rtp_is_gapless_and_parameter_sets_precede_each_key_frame(
    server: RtspServerThread, fast_clip: TinyClip
) -> None:
    with RawClient(server.port) as client:
        client.play()
        packets = client.rtp(90)
    sequences = [packet.sequence for packet in packets]
    assert sequences == [(sequences[0] + n) % 65536 for n in range(90)]
    assert {packet.payload_type for packet in packets} == {96}
    kinds = [packet.payload[0] & 0x1F for packet in packets]
    keys = [n for n, kind in enumerate(kinds) if kind == 5 and kinds[n - 1] != 5]
    assert len(keys) >= 2
    for key in keys:
        frame = [
            k for k, p in zip(kinds, packets, strict=True) if p.timestamp == packets[key].timestamp
        ]
        assert frame[:2] == [7, 8]
    ends = [n for n, packet in enumerate(packets[:-1]) if packet.marker]
    for end in ends:
        assert packets[end + 1].timestamp - packets[end].timestamp == round(90_000 / fast_clip.fps)


def test_two_viewers_get_the_same_packets(server: RtspServerThread) -> None:
    with RawClient(server.port) as one, RawClient(server.port) as two:
        one.play()
        two.play()
        theirs = two.rtp(10)
        ours = {packet.sequence: packet for packet in one.rtp(60)}
    assert all(ours[packet.sequence] == packet for packet in theirs)


def test_sender_reports_tie_rtp_time_to_the_wall_clock(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        report = client.sender_report()
        first = client.rtp(1)[0]
        received_s = time.time()
    taken_s = report.wall_s + (first.timestamp - report.timestamp) / 90_000
    assert report.ssrc == first.ssrc
    assert taken_s <= received_s
    assert received_s - taken_s < 2.0


def test_udp_media_comes_from_the_ports_announced(server: RtspServerThread) -> None:
    rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with rtp, rtcp, RawClient(server.port) as client:
        for sock in (rtp, rtcp):
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(5)
        ports = rtp.getsockname()[1], rtcp.getsockname()[1]
        reply = client.setup(f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]}")
        theirs = re.search(r"server_port=(\d+)-(\d+)", reply.header("Transport"))
        assert theirs is not None
        client.ask("PLAY")
        packet, rtp_sender = rtp.recvfrom(2048)
        report, rtcp_sender = rtcp.recvfrom(2048)
        assert rtp_sender == ("127.0.0.1", int(theirs[1]))
        assert rtcp_sender == ("127.0.0.1", int(theirs[2]))
        assert int(theirs[1]) % 2 == 0
        assert Rtp.parse(packet).ssrc == SenderReport.parse(report).ssrc


def test_reports_come_in_time_and_those_of_a_viewer_keep_its_session_alive(
    impatient: RtspServerThread,
) -> None:
    """Over UDP; without receiver reports, this server ends a session after a second."""
    rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    reports: list[SenderReport] = []
    with rtp, rtcp, RawClient(impatient.port) as client:
        for sock in (rtp, rtcp):
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(0.3)
        ports = rtp.getsockname()[1], rtcp.getsockname()[1]
        client.setup(f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]}")
        client.ask("PLAY")
        until_s = time.monotonic() + 10
        while len(reports) < 4 and time.monotonic() < until_s:
            with suppress(TimeoutError):
                packet, server_address = rtcp.recvfrom(2048)
                reports.append(SenderReport.parse(packet))
            rtcp.sendto(b"\x80\xc9\x00\x01\x00\x00\x00\x07", server_address)
        assert client.ask("GET_PARAMETER").status == 200
    first, last = reports[0], reports[-1]
    elapsed_s = last.wall_s - first.wall_s
    assert len(reports) == 4
    assert 1.1 < elapsed_s < 8.0
    assert last.timestamp - first.timestamp == pytest.approx(elapsed_s * 90_000, abs=900)
    assert (first.packets, first.octets) == (0, 0)
    assert last.packets >= elapsed_s * 10
    assert last.octets > last.packets


def test_silent_clients_are_hung_up_on(impatient: RtspServerThread) -> None:
    with RawClient(impatient.port) as without_session, RawClient(impatient.port) as with_session:
        with_session.setup()
        assert with_session.session
        assert with_session.is_closed()
        assert without_session.is_closed()


def test_interleaved_receiver_reports_keep_a_session_alive(impatient: RtspServerThread) -> None:
    with RawClient(impatient.port) as client:
        client.play()
        for number, (channel, _) in enumerate(client.stream(1.2)):
            if channel == 0 and number % 30 == 0:
                client.sock.sendall(b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x07")
        assert client.ask("GET_PARAMETER").status == 200


def test_pause_stops_and_play_resumes_at_a_key_frame(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        client.rtp(3)
        assert client.ask("PAUSE").status == 200
        assert server.counters("cam").viewers == 0
        client.chunks.clear()
        assert client.ask("PLAY").status == 200
        assert client.rtp(1)[0].payload[0] & 0x1F == 7


def test_teardown_ends_the_session_and_keeps_the_connection(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        assert client.ask("TEARDOWN").status == 200
        assert server.counters("cam").viewers == 0
        assert client.ask("PLAY").status == 454
        client.session = ""
        client.chunks.clear()
        assert client.play().status == 200
        client.rtp(1)
        assert server.counters("cam").viewers == 1


def test_a_client_that_leaves_stops_the_stream(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        client.play()
        client.rtp(1)
    deadline_s = time.monotonic() + 5
    while server.counters("cam").viewers and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert server.counters("cam").viewers == 0


def test_sessions_and_states_are_checked(server: RtspServerThread) -> None:
    with RawClient(server.port) as client:
        assert client.ask("PLAY").status == 454
        assert client.ask("PAUSE", Session="0123").status == 454
        assert client.ask("SETUP", Session="0123", Transport="RTP/AVP/TCP").status == 454
        assert client.play().status == 200
        assert client.ask("SETUP", Transport="RTP/AVP/TCP").status == 455
        other = client.url.replace("/cam", "/basic")
        assert client.ask("PLAY", other).status == 401
        assert client.ask("GET_PARAMETER", body=b"packets_received\r\n").status == 451
        assert client.ask("SET_PARAMETER").status == 200


@pytest.mark.parametrize(
    ("transport", "status"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", 200),
        ("RTP/AVP/TCP", 200),
        ("RTP/SAVP;unicast, RTP/AVP;multicast, RTP/AVP/TCP;interleaved=2-3", 200),
        ("RTP/AVP;unicast;client_port=5000", 200),
        ("RTP/AVP;multicast", 461),
        ("RTP/AVP;unicast", 461),
        ("RTP/AVP;unicast;client_port=0-1", 461),
        ("RTP/AVP;unicast;client_port=70000-70001", 461),
        ("RTP/AVP/TCP;unicast;interleaved=255-256", 461),
        ("RTP/AVP/TCP;unicast;interleaved=3-3", 461),
        ("RTP/AVP/TCP;unicast;interleaved=0-1;mode=record", 461),
        ("", 461),
    ],
)
def test_transports(server: RtspServerThread, transport: str, status: int) -> None:
    with RawClient(server.port) as client:
        assert client.setup(transport).status == status


def test_a_destination_is_not_obeyed(server: RtspServerThread) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine,
        RawClient(server.port) as client,
    ):
        mine.bind(("127.0.0.1", 0))
        mine.settimeout(5)
        port = mine.getsockname()[1]
        client.setup(f"RTP/AVP;unicast;destination=192.0.2.1;client_port={port}-{port + 1}")
        client.ask("PLAY")
        assert Rtp.parse(mine.recv(2048)).payload_type == 96
