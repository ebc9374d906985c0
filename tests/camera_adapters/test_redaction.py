"""Redaction: what is shown of an address is fit to be shown."""

from __future__ import annotations

import pytest

from camera_adapters.errors import CameraFault
from camera_adapters.redaction import shown_address


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


def test_a_fault_survives_pickling():
    """It crosses process borders between workers."""
    import pickle

    fault = CameraFault("gate-1", "connection refused", "check the port")
    again = pickle.loads(pickle.dumps(fault))
    assert str(again) == str(fault) == "camera gate-1: connection refused; check the port"
