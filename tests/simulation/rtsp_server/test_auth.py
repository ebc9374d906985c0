"""Logins on the wire: challenges, both Digest algorithms, stale nonces, replays, wrong answers."""

from __future__ import annotations

import base64
import re

import pytest

from simulation.rtsp_server.auth import Gate, LoginCheck
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip
from tests.simulation.rtsp_server.client import RawClient, digest_header
from tests.simulation.rtsp_server.conftest import PASSWORD

pytestmark = pytest.mark.integration


def challenges(client: RawClient) -> dict[str, str]:
    """Digest challenges by algorithm."""
    reply = client.ask("DESCRIBE")
    assert reply.status == 401
    headers = reply.all("WWW-Authenticate")
    return {header.rpartition("algorithm=")[2]: header for header in headers}


def login(client: RawClient, challenge: str, password: str = PASSWORD, count: int = 1) -> str:
    return digest_header(challenge, "DESCRIBE", client.url, "viewer", password, count=count)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_both_digest_algorithms_open(server: RtspServerThread, algorithm: str) -> None:
    with RawClient(server.port, "digest") as client:
        challenge = challenges(client)[algorithm]
        assert 'qop="auth"' in challenge
        assert client.ask("DESCRIBE", Authorization=login(client, challenge)).status == 200


def test_a_count_works_once(server: RtspServerThread) -> None:
    with RawClient(server.port, "digest") as client:
        challenge = challenges(client)["SHA-256"]
        header = login(client, challenge)
        assert client.ask("DESCRIBE", Authorization=header).status == 200
        replayed = client.ask("DESCRIBE", Authorization=header)
        assert replayed.status == 401
        assert "stale=true" in replayed.header("WWW-Authenticate")


def test_later_requests_use_the_nonce_again(server: RtspServerThread) -> None:
    with RawClient(server.port, "digest") as client:
        challenge = challenges(client)["MD5"]
        for count in (1, 2, 3):
            header = login(client, challenge, count=count)
            assert client.ask("DESCRIBE", Authorization=header).status == 200


def test_a_nonce_of_another_connection_is_stale(server: RtspServerThread) -> None:
    with RawClient(server.port, "digest") as one, RawClient(server.port, "digest") as two:
        header = login(one, challenges(one)["MD5"])
        reply = two.ask("DESCRIBE", Authorization=header)
        assert reply.status == 401
        fresh = reply.all("WWW-Authenticate")[-1].replace(", stale=true", "")
        assert two.ask("DESCRIBE", Authorization=login(two, fresh)).status == 200


def test_a_wrong_password_is_not_called_stale(server: RtspServerThread) -> None:
    with RawClient(server.port, "digest") as client:
        header = login(client, challenges(client)["MD5"], password="wrong")
        reply = client.ask("DESCRIBE", Authorization=header)
        assert reply.status == 401
        assert not any("stale" in value for value in reply.all("WWW-Authenticate"))
    assert server.counters("digest").refused_logins == 1


def test_an_old_nonce_goes_stale(tiny_clip: TinyClip) -> None:
    mount = Mount("m", tiny_clip.path, {"viewer": PASSWORD}, "digest")
    gate = Gate(nonce_lifetime_s=0.0)
    challenge = gate.challenges(mount, LoginCheck.MISSING)[1][1]
    header = digest_header(challenge, "PLAY", "rtsp://h/m", "viewer", PASSWORD)
    assert gate.check(mount, "PLAY", "rtsp://h/m", header) is LoginCheck.STALE


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"uri=\"[^\"]*\"", 'uri="rtsp://h/other"'),
        (r"realm=\"[^\"]*\"", 'realm="elsewhere"'),
        (r"algorithm=MD5", "algorithm=MD4"),
        (r"qop=auth", "qop=auth-int"),
        (r"nc=\w+", "nc=zzzzzzzz"),
        (r"cnonce=\"[^\"]*\"", 'cnonce=""'),
        (r"username=\"[^\"]*\"", 'username="nobody"'),
        (r"response=\"[^\"]*\"", 'response=""'),
        (r".*", "Digest"),
        (r".*", 'Digest username="viewer'),
        (r".*", "Basic dmlld2VyOm5vdC1mb3ItbG9ncw=="),
    ],
)
def test_a_header_that_was_tampered_with_is_refused(
    server: RtspServerThread, pattern: str, replacement: str
) -> None:
    with RawClient(server.port, "digest") as client:
        header = login(client, challenges(client)["MD5"])
        changed = re.sub(pattern, replacement, header, count=1)
        assert changed != header
        assert client.ask("DESCRIBE", Authorization=changed).status == 401


def test_a_login_is_for_one_method(server: RtspServerThread) -> None:
    with RawClient(server.port, "digest") as client:
        header = login(client, challenges(client)["MD5"])
        assert client.ask("SETUP", Transport="RTP/AVP/TCP", Authorization=header).status == 401


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (base64.b64encode(f"viewer:{PASSWORD}".encode()).decode(), 200),
        (base64.b64encode(b"viewer:wrong").decode(), 401),
        (base64.b64encode(b"viewer").decode(), 401),
        (base64.b64encode(b"\xff:\xff").decode(), 401),
        ("not base64!", 401),
        ("", 401),
    ],
)
def test_basic_logins(server: RtspServerThread, value: str, status: int) -> None:
    with RawClient(server.port, "basic") as client:
        assert client.ask("DESCRIBE", Authorization=f"Basic {value}").status == status


def test_every_step_needs_the_login(server: RtspServerThread) -> None:
    value = "Basic " + base64.b64encode(f"viewer:{PASSWORD}".encode()).decode()
    with RawClient(server.port, "basic") as client:
        assert client.setup().status == 401
        reply = client.ask("SETUP", Transport="RTP/AVP/TCP", Authorization=value)
        client.session = reply.header("Session").partition(";")[0]
        assert client.ask("PLAY").status == 401
        assert client.ask("PLAY", Authorization=value).status == 200


def test_a_mount_never_prints_its_passwords(tiny_clip: TinyClip) -> None:
    mount = Mount("m", tiny_clip.path, {"viewer": PASSWORD}, "digest")
    assert PASSWORD not in repr(mount) + str(mount)
    with pytest.raises(ValueError, match="at least one user"):
        Mount("m", tiny_clip.path, auth="digest")
