"""Redaction: what is shown of an address is fit to be shown, and logins survive the encoding."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.errors import CameraFault
from camera_adapters.redaction import shown_address, url_with_login
from camera_adapters.spec import CameraSpec, Credentials
from tests.levels import scaled


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://10.0.0.5/stream", "rtsp://10.0.0.5"),
        ("rtsp://10.0.0.5:8554/a/b?c=d", "rtsp://10.0.0.5:8554"),
        ("rtsp://cam.local/user=admin&password=secret&channel=1", "rtsp://cam.local"),
        ("rtsp://cam.local/live?token=secret", "rtsp://cam.local"),
        ("rtsp://admin:secret@cam.local/live", "rtsp://cam.local"),
        ("rtsp://[fe80::1]:554/live", "rtsp://[fe80::1]:554"),
        ("rtsp://cam.local:99999/secret", "an address that cannot be parsed"),
    ],
)
def test_only_scheme_host_and_port_are_shown(source, shown):
    assert shown_address(source) == shown


@settings(max_examples=scaled(60), deadline=None)
@given(
    user=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    password=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_any_login_survives_the_encoding(user: str, password: str):
    spec = CameraSpec("gate-1", "rtsp://cam:554/live?x=1", credentials=Credentials(user, password))
    parts = urlsplit(url_with_login(spec))
    assert (parts.hostname, parts.port, parts.path, parts.query) == ("cam", 554, "/live", "x=1")
    assert unquote(parts.username or "") == user
    assert unquote(parts.password or "") == password


def test_without_a_login_the_address_stays_as_it_is():
    assert url_with_login(CameraSpec("gate-1", "rtsp://cam/live")) == "rtsp://cam/live"


def test_a_fault_survives_pickling():
    """It crosses process borders between workers."""
    import pickle

    fault = CameraFault("gate-1", "connection refused", "check the port")
    again = pickle.loads(pickle.dumps(fault))
    assert str(again) == str(fault) == "camera gate-1: connection refused; check the port"
