"""Camera kinds: schemes lead to adapters, and an address that can never work says why."""

from __future__ import annotations

import subprocess
import sys

import pytest

from camera_adapters.errors import UnsupportedSourceError
from camera_adapters.factory import KINDS, kind_of, open_source, scheme_of
from camera_adapters.spec import Credentials
from tests.camera_adapters.readers import camera


@pytest.mark.parametrize(
    ("source", "scheme"),
    [
        ("rtsp://10.0.0.5/live", "rtsp"),
        ("RTSPS://10.0.0.5/live", "rtsps"),
        ("file:///data/clip.mp4", "file"),
        ("clips/clip.mp4", "file"),
        ("/data/clip.mp4", "file"),
    ],
)
def test_schemes(source, scheme):
    assert scheme_of(source) == scheme
    assert scheme in kind_of(camera(source)).schemes


def test_an_unknown_scheme_names_the_camera_the_scheme_and_what_is_supported():
    with pytest.raises(UnsupportedSourceError) as caught:
        open_source(camera("https://10.0.0.5/video.m3u8"))
    text = str(caught.value)
    assert "gate-1" in text
    assert "`https`" in text
    assert all(kind.address in text for kind in KINDS)


@pytest.mark.parametrize(
    ("source", "transport", "reason"),
    [
        ("rtsp:///live", "tcp", "no valid host"),
        ("rtsp://cam:99999/live", "tcp", "no valid host"),
        ("rtsp://cam:0/live", "tcp", "no valid host"),
        ("rtsp://cam/l\r\nive", "tcp", "no valid host"),
        ("rtsp://cam/live", "smoke", "'smoke' is unknown"),
        ("file://host/clip.mp4", "tcp", "no absolute path"),
        ("file:///clip.mp4?speed=2", "tcp", "unknown setting speed=2"),
        ("file:///clip.mp4?loop=maybe", "tcp", "unknown setting loop=maybe"),
    ],
)
def test_an_address_that_can_never_work_says_why(source, transport, reason):
    with pytest.raises(UnsupportedSourceError, match=reason):
        open_source(camera(source, transport=transport))


@pytest.mark.parametrize(
    ("username", "password"),
    [("operator", "ä" * 200), ("o" * 300, "x"), ("operator\r\nCSeq: 9", "x"), ("operator", "\0")],
)
def test_a_login_that_no_request_can_hold_is_refused(username, password):
    spec = camera("rtsp://127.0.0.1:9/live", credentials=Credentials(username, password))
    with pytest.raises(UnsupportedSourceError, match="too long") as caught:
        open_source(spec)
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://admin:12/34secret@10.0.0.5/live",
        "rtsp://admin:1/@10.0.0.5:8554/live",
        "rtsp://admin:/secret@cam/live",
    ],
)
def test_a_login_that_looks_like_host_and_path_is_never_repeated(source):
    with pytest.raises(UnsupportedSourceError, match="holds an @") as caught:
        open_source(camera(source))
    assert "admin" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_ffmpeg_is_loaded_only_when_a_camera_is_opened():
    code = "import camera_adapters.reader, sys; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_every_kind_has_schemes_of_its_own_and_an_adapter_that_checks_and_opens():
    schemes = [scheme for kind in KINDS for scheme in kind.schemes]
    assert len(set(schemes)) == len(schemes)
    for kind in KINDS:
        assert callable(kind.adapter.check)
        assert callable(kind.adapter.open_source)


def test_an_address_with_a_space_is_refused_before_it_is_opened():
    with pytest.raises(UnsupportedSourceError, match="cannot be read"):
        open_source(camera("rtsp://cam/live 1"))
