"""A city that can be reached on more than its own addresses does not go on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from serving import exposure
from serving.errors import ClusterError
from serving.exposure import check_exposure, listeners

LISTEN = (
    "import socket, sys; one = socket.create_server((sys.argv[1], 0)); "
    "print(one.getsockname()[1], flush=True); sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def token_auth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "is_token_auth_enabled", lambda: True)


@pytest.fixture
def exposed_port() -> Iterator[int]:
    """A child of this process that listens on every interface."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, "0.0.0.0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        yield int(child.stdout.readline())
        assert child.stdin is not None
        child.stdin.close()


def test_loopback_is_fine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        assert ("127.0.0.1", port) in {address for _, address in listeners(os.getpid())}
        check_exposure([])


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_loopback_of_ipv6_is_fine() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as one:
        assert ("::1", one.getsockname()[1]) in {at for _, at in listeners(os.getpid())}
        check_exposure([])


def test_a_child_that_can_be_reached_is_named(exposed_port: int) -> None:
    with pytest.raises(ClusterError, match=rf"listens on 0\.0\.0\.0:{exposed_port}"):
        check_exposure([("127.0.0.1", exposed_port), ("0.0.0.0", exposed_port + 1)])


def test_what_was_configured_may_be_reached(exposed_port: int) -> None:
    check_exposure([("0.0.0.0", exposed_port)])
    check_exposure([("0.0.0.0", 0)])


def test_a_name_stands_for_its_addresses(
    exposed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("0.0.0.0", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    check_exposure([("eye.city.example", exposed_port)])


def test_ray_without_its_tokens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "is_token_auth_enabled", lambda: False)
    with pytest.raises(ClusterError, match="RAY_AUTH_MODE"):
        check_exposure([])
