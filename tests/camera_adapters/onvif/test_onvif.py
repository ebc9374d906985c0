"""Devices are found on a network and asked with their login, and what is wrong is said."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import replace

import pytest

from camera_adapters.network import CameraNetwork
from camera_adapters.onvif import soap
from camera_adapters.onvif.device import examine_device, without_login
from camera_adapters.onvif.discovery import FoundDevice, ServiceAddress, device_at, find_devices
from camera_adapters.onvif.errors import OnvifFault
from camera_adapters.onvif.safe_xml import UnreadableXmlError, parse_xml
from camera_adapters.onvif.video_profile import StreamNeeds, VideoProfile, proposed_profile
from camera_adapters.spec import Credentials
from tests.camera_adapters.onvif.device import MAIN, MEDIA, MEDIA2, SUB, StandIn, Stream

pytestmark = pytest.mark.integration

PASSWORD = "p<&>\"' ä 1"
USERS = {"viewer": PASSWORD}
LOGIN = Credentials("viewer", PASSWORD)
LOOPBACK = "127.0.0.1"
WAIT_S = 0.8


def examined(device: StandIn, login: Credentials | None = None):
    return examine_device(device_at(device.place), login)


def found_on_loopback(*devices: StandIn) -> list[FoundDevice]:
    """Others may be tested beside these at the same time."""
    ours = {one.identity for one in devices}
    return [one for one in find_devices(WAIT_S, LOOPBACK).devices if one.identity in ours]


def test_a_probe_finds_every_device_once():
    with StandIn() as one, StandIn(name="") as other:
        found = found_on_loopback(one, other)
        assert {device.identity for device in found} == {one.identity, other.identity}
        assert {device.service.port for device in found} == {one.port, other.port}
        assert {device.name for device in found} == {"Gate north", ""}
        # The probe is repeated, as datagrams get lost.
        assert one.probes >= 2


def test_without_an_interface_all_networks_are_asked():
    with StandIn() as device:
        probe = find_devices(WAIT_S)
    assert device.identity in {one.identity for one in probe.devices} or "lo" in probe.unreachable


@pytest.mark.parametrize("raw", [b"hello", b"<a>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_who_answers_a_probe_with_nonsense_is_named(raw):
    with StandIn(raw=raw):
        assert LOOPBACK in find_devices(WAIT_S, LOOPBACK).unreadable


@pytest.mark.parametrize("services", [(MEDIA,), (MEDIA2,), (MEDIA2, MEDIA)])
def test_both_media_services_give_profiles_and_addresses(services):
    with StandIn(services=services) as device:
        found = examined(device)
    assert [(one.token, str(one), one.source) for one in found.profiles] == [
        ("main", "H264 1920x1080, 25/s", "lens-1"),
        ("sub", "H264 640x360, 15/s", "lens-1"),
    ]
    assert [one.address for one in found.profiles] == [MAIN.address, SUB.address]
    assert (found.maker, found.model, found.firmware, found.serial) == (
        "Acme",
        "Eye-4",
        "5.7.1",
        "A17",
    )


def test_old_firmware_without_a_list_of_services_is_asked_for_capabilities():
    with StandIn(get_services=False, services=(MEDIA,)) as device:
        assert len(examined(device).profiles) == 2
    assert "GetCapabilities" in device.calls()


def test_the_older_service_is_asked_where_the_newer_one_is_only_named():
    class HalfMade(StandIn):
        def _content(self, namespace, action, call):
            unfinished = namespace == MEDIA2 and action == "GetProfiles"
            return None if unfinished else super()._content(namespace, action, call)

    with HalfMade() as device:
        assert len(examined(device).profiles) == 2


@pytest.mark.parametrize("http_digest", [False, True])
@pytest.mark.parametrize("ahead_s", [0.0, 86_400.0, -4000.0])
def test_a_login_holds_at_devices_whose_clock_is_wrong(http_digest, ahead_s):
    with StandIn(users=USERS, clock_ahead_s=ahead_s, http_digest=http_digest) as device:
        found = examined(device, LOGIN)
        assert len(found.profiles) == 2
        assert abs(found.clock_ahead_s - ahead_s) < 3


@pytest.mark.parametrize("http_digest", [False, True])
def test_a_password_is_never_sent(http_digest):
    with StandIn(users=USERS, http_digest=http_digest) as device:
        with pytest.raises(OnvifFault):
            examined(device, Credentials("viewer", "canary-7431"))
        assert device.asked
        assert "canary" not in "".join(device.asked)


@pytest.mark.parametrize(("http_digest", "tries"), [(False, 1), (True, 2)])
def test_a_wrong_login_is_tried_no_more_often_than_needed(http_digest, tries):
    with StandIn(users=USERS, http_digest=http_digest) as device:
        with pytest.raises(OnvifFault, match="refuses the login") as refusal:
            examined(device, Credentials("viewer", "wrong"))
        assert device.calls().count("GetDeviceInformation") == tries
    assert refusal.value.address == LOOPBACK
    assert "user name and password" in refusal.value.remedy


@pytest.mark.parametrize("http_digest", [False, True])
def test_a_device_that_asks_for_a_login_is_not_tried_without_one(http_digest):
    with (
        StandIn(users=USERS, http_digest=http_digest) as device,
        pytest.raises(OnvifFault, match="asks for a login"),
    ):
        examined(device)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"<html>", "no SOAP"),
        (b"", "no SOAP"),
        (b"<Envelope/>", "no SOAP"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><Envelope>&b;</Envelope>", "no SOAP"),
        (b"x" * 4_000_001, "without an end"),
    ],
)
def test_nonsense_is_said_with_the_address(raw, reason):
    with StandIn(raw=raw) as device, pytest.raises(OnvifFault, match=reason) as fault:
        examined(device)
    assert str(fault.value).startswith(f"{LOOPBACK}: ")


def test_a_device_that_does_not_answer_is_left_after_some_seconds(monkeypatch):
    monkeypatch.setattr(soap, "CALL_S", 0.3)
    with StandIn(delay_s=1.0) as device:
        began_s = time.monotonic()
        with pytest.raises(OnvifFault, match=r"no answer within 0\.3 s"):
            examined(device)
        assert time.monotonic() - began_s < 0.9


def test_a_port_at_which_nobody_listens_is_named():
    found = FoundDevice(LOOPBACK, ServiceAddress(port=1))
    with pytest.raises(OnvifFault, match=r"port 1 does not answer \(connection refused\)"):
        examine_device(found, None)


def test_the_host_that_a_device_names_is_not_dialled():
    """What answers a probe must not send a login elsewhere."""
    with StandIn(users=USERS, host="192.0.2.1") as device:
        (found,) = found_on_loopback(device)
        assert found.address == LOOPBACK
        assert len(examine_device(found, LOGIN).profiles) == 2


def test_a_device_outside_the_allowed_networks_is_not_asked():
    elsewhere = CameraNetwork((ipaddress.ip_network("10.0.0.0/8"),))
    with StandIn() as device:
        with pytest.raises(OnvifFault, match="not in an allowed network"):
            examine_device(device_at(device.place), None, elsewhere)
        assert not device.asked


def test_a_device_without_video_says_so():
    with StandIn(streams=()) as device, pytest.raises(OnvifFault, match="offers no video"):
        examined(device)


def test_stream_addresses_that_name_another_host_are_reported():
    elsewhere = Stream("main", "H264", 640, 360, 10, "rtsp://10.9.9.9/main")
    with StandIn(streams=(elsewhere,)) as device:
        assert examined(device).foreign_hosts == ("10.9.9.9",)


def profiles(*given: tuple[str, int, int, float]) -> list[VideoProfile]:
    return [
        VideoProfile(str(at), str(at), "1", encoding, width, height, fps, f"rtsp://h/{at}")
        for at, (encoding, width, height, fps) in enumerate(given)
    ]


@pytest.mark.parametrize(
    ("given", "token", "enough"),
    [
        # The smallest that is large enough.
        ([("H264", 1920, 1080, 25), ("H264", 704, 576, 25), ("H264", 640, 360, 25)], "2", True),
        # Too small, or too slow, is not enough.
        ([("H264", 1920, 1080, 25), ("H264", 352, 288, 25)], "0", True),
        ([("H264", 1920, 1080, 25), ("H264", 640, 360, 2)], "0", True),
        # A rate that is not said is taken for enough.
        ([("H264", 1920, 1080, 25), ("H264", 640, 360, 0)], "1", True),
        # Of one size, what costs less.
        ([("H265", 640, 360, 25), ("H264", 640, 360, 25), ("H264", 640, 360, 10)], "2", True),
        # What cannot be read is no choice.
        ([("H264", 1920, 1080, 25), ("MPEG4", 640, 360, 25)], "0", True),
        # None is enough: the largest.
        ([("H264", 352, 288, 25), ("H264", 640, 360, 1)], "1", False),
    ],
)
def test_the_smallest_sufficient_stream_is_proposed(given, token, enough):
    found, is_enough = proposed_profile(profiles(*given), StreamNeeds())
    assert found is not None
    assert (found.token, is_enough) == (token, enough)


def test_nothing_is_proposed_where_nothing_can_be_read():
    assert proposed_profile(profiles(("MPEG4", 640, 360, 25)), StreamNeeds()) == (None, False)
    without = [replace(one, address="") for one in profiles(("H264", 640, 360, 25))]
    assert proposed_profile(without, StreamNeeds()) == (None, False)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("rtsp://u:p@10.0.0.1:554/a?b=c", "rtsp://10.0.0.1:554/a?b=c"),
        ("rtsp://10.0.0.1/a", "rtsp://10.0.0.1/a"),
        ("http://10.0.0.1/a", ""),
        ("rtsp://10.0.0.1:99999/", ""),
        ("rtsp:///a", ""),
        ("", ""),
    ],
)
def test_a_login_is_taken_out_of_a_stream_address(given, left):
    assert without_login(given) == left


@pytest.mark.parametrize(
    "data",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode(
            "utf-16"
        ),
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>&b;</a>",
        b"<a></b>",
        b"",
        b'<?xml version="1.0" encoding="no-such-code"?><a/>',
    ],
)
def test_what_is_no_plain_xml_is_refused(data):
    with pytest.raises(UnreadableXmlError):
        parse_xml(data)


def test_names_keep_their_namespace():
    root = parse_xml(b"<p:a xmlns:p='urn:x' p:c='1' d='2'><b xmlns='urn:y'>t</b></p:a>")
    assert root.tag == "{urn:x}a"
    assert root.attrib == {"{urn:x}c": "1", "d": "2"}
    assert root.findtext("{urn:y}b") == "t"
