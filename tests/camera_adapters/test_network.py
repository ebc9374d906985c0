"""Where a camera's address may lead: private networks by default, and what is named."""

from __future__ import annotations

import ipaddress
import pickle
import socket
import time

import pytest

from camera_adapters.dialling import ForbiddenAddressError, dial, resolve
from camera_adapters.network import CameraNetwork

ALLOWED = ["10.0.0.5", "172.16.3.4", "192.168.1.9", "127.0.0.1", "8.8.8.8", "::1", "fd12::9"]
ALLOWED += ["2001:db8::1", "100.64.1.1", "::ffff:10.0.0.5"]
FORBIDDEN = ["169.254.169.254", "169.254.0.1", "0.0.0.0", "224.0.0.1", "239.255.255.250"]
FORBIDDEN += ["255.255.255.255", "240.0.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192"]
FORBIDDEN += ["::", "fe80::1", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254"]
FORBIDDEN += ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::a9fe:a9fe", "fec0::1"]
WAIT_S = 20.0


def refusal(address: str, port: int = 554, **network) -> str:
    return CameraNetwork(**network).refusal(ipaddress.ip_address(address), port)


@pytest.mark.parametrize("address", ALLOWED)
def test_where_cameras_stand_is_allowed(address):
    assert refusal(address) == ""


@pytest.mark.parametrize("address", FORBIDDEN)
def test_where_no_camera_stands_is_not(address):
    assert "not in an allowed network" in refusal(address)


def test_what_is_named_is_allowed_and_nothing_else():
    network = {"allow": (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fe80::/64"))}
    assert refusal("10.1.2.3", **network) == ""
    assert refusal("fe80::7", **network) == ""
    assert refusal("::ffff:10.1.2.3", **network) == ""
    for other in ("10.2.0.1", "127.0.0.1", "169.254.169.254", "fe80:0:0:1::7"):
        assert refusal(other, **network), other


def test_ports_are_a_list_too():
    assert refusal("10.0.0.5", 8554, ports=(554, 8554)) == ""
    assert "port 22" in refusal("10.0.0.5", 22, ports=(554, 8554))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost"])
def test_every_spelling_of_an_address_is_checked(host):
    network = CameraNetwork(allow=(ipaddress.ip_network("10.0.0.0/8"),))
    with pytest.raises(ForbiddenAddressError):
        resolve(host, 554, network, deadline_s=time.monotonic() + WAIT_S)


def test_one_bad_address_of_a_name_is_enough(monkeypatch):
    found = [(socket.AF_INET, 0, 0, "", (one, 554)) for one in ("10.0.0.5", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ForbiddenAddressError, match=r"169\.254\.169\.254"):
        resolve("two-faced.example", 554, CameraNetwork(), deadline_s=time.monotonic() + WAIT_S)


def test_a_name_that_changes_its_address_is_checked_again(monkeypatch):
    """And the connection goes to what was checked: the name is asked for once only."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answers = iter(["127.0.0.1", "169.254.169.254"])

        def getaddrinfo(*_, **__):
            return [(socket.AF_INET, 0, 0, "", (next(answers), port))]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        dialled = dial("cam", port, CameraNetwork(), deadline_s=time.monotonic() + 5)
        assert dialled.peer == "127.0.0.1"
        dialled.sock.close()
        with pytest.raises(ForbiddenAddressError):
            dial("cam", port, CameraNetwork(), deadline_s=time.monotonic() + 5)


def test_it_travels_to_other_processes():
    network = CameraNetwork(allow=(ipaddress.ip_network("10.0.0.0/8"),), ports=(554,))
    assert pickle.loads(pickle.dumps(network)) == network
