"""The RTSP adapter against a server that is not ours: GStreamer's, as Debian packages it.

Our own server and our own client could share a misunderstanding; two makers rarely do. The packages
are listed in `.ci/apt-packages.txt`; where they are missing these tests are skipped, unless
CITYEYE_REQUIRE_FOREIGN_SERVERS=1 says that they must run.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from camera_adapters.geometry import Size
from camera_adapters.spec import Credentials
from camera_adapters.state import CameraState
from tests.camera_adapters.readers import camera, watching

pytestmark = pytest.mark.integration

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("gst_server.py")
START_S = 20.0
LOGIN = Credentials("operator", "p:@/?#%& 'x'+")


def missing() -> str:
    """Why the foreign server cannot run here, empty where it can."""
    check = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "assert all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay', 'videotestsrc')))"
    )
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", check], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return f"GStreamer's RTSP server is not installed ({type(error).__name__})"
    return ""


@pytest.fixture(scope="module", autouse=True)
def require_packages() -> None:
    reason = missing()
    if reason and os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1":
        pytest.fail(f"{reason}; install .ci/apt-packages.txt")
    if reason:
        pytest.skip(reason)


@contextmanager
def gst_server(auth: str = "none") -> Iterator[tuple[str, Callable[[], None]]]:
    """Runs the server; gives its URL without a path, and what kills it."""
    command = [SYSTEM_PYTHON, str(SCRIPT), "--auth", auth]
    command += ["--user", LOGIN.username, "--password", LOGIN.password]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], START_S)
            assert ready, "the server did not start in time"
            yield f"rtsp://127.0.0.1:{int(process.stdout.readline())}", process.kill
        finally:
            process.kill()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_images_come_also_where_the_camera_has_sound(transport):
    with gst_server() as (url, _), watching(camera(f"{url}/both", transport=transport)) as watched:
        frames = [watched.frame() for _ in range(5)]
        assert frames[0].full.size == Size(320, 240)
        # A white ball on black: neither empty nor grey.
        assert frames[0].full.rgb().max() > 200
        assert frames[0].full.rgb().min() < 50
        assert [frame.index for frame in frames] == sorted(frame.index for frame in frames)


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_logins(auth):
    with gst_server(auth) as (url, _):
        with watching(camera(f"{url}/video", credentials=LOGIN)) as watched:
            watched.wait_for(CameraState.ONLINE)
        wrong = Credentials(LOGIN.username, "wrong")
        with watching(camera(f"{url}/video", credentials=wrong)) as watched:
            assert "refused the login" in watched.wait_for(CameraState.UNAUTHORIZED).reason
        with watching(camera(f"{url}/video")) as watched:
            assert "none is configured" in watched.wait_for(CameraState.UNAUTHORIZED).reason


def test_paths_without_video():
    with gst_server() as (url, _):
        for path, reason in (("nowhere", "no such stream"), ("audio", "offers no video")):
            with watching(camera(f"{url}/{path}")) as watched:
                assert reason in watched.wait_for(CameraState.OFFLINE).reason


def test_a_killed_server_is_noticed():
    """The end of a process ends the stream without a word, and without an exception."""
    with gst_server() as (url, kill), watching(camera(f"{url}/video")) as watched:
        watched.wait_for(CameraState.ONLINE)
        kill()
        assert watched.wait_for(CameraState.OFFLINE).reason
        watched.wait_until(lambda: "refused the connection" in watched.reader.reason)
