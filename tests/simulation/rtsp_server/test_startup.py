"""Starting and stopping: mounts, addresses, the thread, the command line."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.rtsp_server.__main__ import main, mounts_for, read_logins
from simulation.rtsp_server.errors import ClipError, UnknownMountError
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.server import RtspServer
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip
from tests.simulation.rtsp_server.client import RawClient

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("path", ["", "/", "/a", "a/", "a//b", "../a", "a/..", "a b", "a?b", "ä"])
def test_paths_that_no_url_could_name_are_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mount path"):
        Mount(path, tmp_path)


def test_two_mounts_cannot_share_a_path(tiny_clip: TinyClip) -> None:
    with pytest.raises(ValueError, match="share the path 'a'"):
        RtspServer([Mount("a", tiny_clip.path), Mount("a", tiny_clip.path)])


def test_a_host_name_is_no_address(tiny_clip: TinyClip) -> None:
    with pytest.raises(ValueError, match="localhost"):
        RtspServer([Mount("a", tiny_clip.path)], host="localhost")


def test_a_clip_is_loaded_when_the_server_is_made(tmp_path: Path) -> None:
    with pytest.raises(ClipError):
        RtspServer([Mount("a", tmp_path / "absent.mp4")])


def test_the_server_on_an_event_loop(tiny_clip: TinyClip) -> None:
    async def exercise() -> bytes:
        async with RtspServer([Mount("north/gate-1", tiny_clip.path)]) as server:
            assert server.url("north/gate-1") == f"rtsp://127.0.0.1:{server.port}/north/gate-1"
            with pytest.raises(UnknownMountError):
                server.url("gate-1")
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                f"DESCRIBE {server.url('north/gate-1')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()
            )
            answer = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
            return answer

    assert asyncio.run(exercise()) == b"RTSP/1.0 200 OK\r\n"


def test_a_port_that_is_taken_is_said_so(tiny_clip: TinyClip) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(OSError, match="in use"),
            RtspServerThread([Mount("a", tiny_clip.path)], port=port),
        ):
            pass


def test_it_serves_ipv6(tiny_clip: TinyClip) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with RtspServerThread([Mount("a", tiny_clip.path)], host="::1") as server:
        assert server.url("a") == f"rtsp://[::1]:{server.port}/a"
        with socket.create_connection(("::1", server.port), 5) as sock:
            sock.sendall(f"DESCRIBE {server.url('a')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            assert b"c=IN IP6 ::" in sock.recv(4096)


def test_equal_file_names_get_numbers(tmp_path: Path) -> None:
    clips = [tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4", tmp_path / "y.mp4"]
    assert [mount.path for mount in mounts_for(clips, {}, "none")] == ["x", "x-2", "y"]


def test_logins_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "logins"
    path.write_text("viewer:a:b\n\nother:c\n")
    assert read_logins(path) == {"viewer": "a:b", "other": "c"}
    path.write_text("viewer\n")
    with pytest.raises(ValueError, match="line 1"):
        read_logins(path)


def test_the_command_line_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "absent.mp4")]) == 1
    assert "cannot be served" in capsys.readouterr().err


def test_the_command_line_serves_until_it_is_told_to_stop(tiny_clip: TinyClip) -> None:
    command = [sys.executable, "-m", "simulation.rtsp_server", str(tiny_clip.path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with RawClient(int(url.rpartition(":")[2].partition("/")[0]), "tiny") as client:
                assert client.url == url
                assert client.play().status == 200
                client.rtp(1)
                os.kill(process.pid, signal.SIGTERM)
                client.until_lost()
            _, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 0
    assert errors == ""
