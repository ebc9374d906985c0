"""What a camera cannot do to us: get a login that is not its own, our memory, or another host.

Must hold for every row: no connection outside of the allowed network, and no login anywhere but at
the configured scheme, host and port.
"""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from camera_adapters.errors import (
    CameraFault,
    StreamLostFault,
    UnauthorizedFault,
    UnreachableFault,
    UnsupportedSourceError,
)
from camera_adapters.factory import open_source
from camera_adapters.login_memory import LoginMemory
from camera_adapters.network import CameraNetwork
from camera_adapters.spec import CameraSpec, Credentials
from tests.camera_adapters.readers import camera
from tests.camera_adapters.scripted_camera import (
    BASIC,
    DIGEST,
    H264_SDP,
    Asked,
    Script,
    ScriptedCamera,
    answer,
    guarded,
    well_behaved,
)

LOGIN = Credentials("operator", "canary-password")
MIB = 1024 * 1024


def fault_of(spec: CameraSpec) -> CameraFault:
    with pytest.raises(CameraFault) as caught:
        open_source(spec)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None
    return caught.value


def redirecting(location: str, *, on: str = "DESCRIBE", first_login: bool = False) -> Script:
    def script(asked: Asked) -> bytes | None:
        if asked.method != on:
            return well_behaved(asked)
        if first_login and "authorization" not in asked.headers:
            return answer(asked, "401 Unauthorized", DIGEST)
        return answer(asked, "302 Moved Temporarily", f"Location: {location}")

    return script


ELSEWHERE = [
    "rtsp://127.0.0.1:{other}/live",
    "rtsp://127.0.0.2:{port}/live",
    "rtsp://127.1:{other}/live",
    "rtsp://0x7f000001:{other}/live",
    "rtsp://2130706433:{other}/live",
    "rtsp://localhost:{other}/live",
    "rtsp://localhost:{port}/live",
    "rtsp://[::1]:{other}/live",
    "rtsp://[::ffff:127.0.0.1]:{other}/live",
    "rtsp://operator:stolen@127.0.0.1:{port}/live",
    "rtsp://127.0.0.1:{port}@127.0.0.2:{other}/live",
    "rtsps://127.0.0.1:{port}/live",
    "http://127.0.0.1:{port}/live",
    "file:///etc/passwd",
    "//127.0.0.1:{other}/live",
    "rtsp://169.254.169.254/latest/meta-data",
    "rtsp://[fd00:ec2::254]/latest",
    "rtsp://224.0.0.1/live",
    "rtsp://127.0.0.1/live",
    "rtsp://127.0.0.1:0/live",
    "rtsp://127.0.0.1:99999/live",
    "rtsp://",
    "",
    "nonsense",
    "rtsp://127.0.0.1:{other}/\x1b[31m",
    "rtsp://evil.example:554/live",
]


@pytest.mark.parametrize("login_first", [False, True])
@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_redirection_elsewhere_is_refused_and_named(location, login_first):
    with ScriptedCamera(lambda asked: guarded(asked, BASIC)) as other, ScriptedCamera() as first:
        place = location.format(other=other.port, port=first.port)
        first.script = redirecting(place, first_login=login_first)
        fault = fault_of(camera(first.url, credentials=LOGIN))
        assert isinstance(fault, UnreachableFault)
        assert "which is not followed" in fault.reason
        assert "stolen" not in fault.reason
        assert fault.reason.isprintable()
        assert (other.connections, first.connections) == (0, 1)
        assert not [one for one in first.logins if not one.startswith("Digest ")]
        assert first.methods().count("DESCRIBE") == 1 + login_first, "not even asked for it here"
        assert "SETUP" not in first.methods()


def test_the_place_that_is_not_followed_is_named():
    with ScriptedCamera(redirecting("rtsp://evil.example:8554/a?password=x")) as first:
        reason = fault_of(camera(first.url)).reason
    assert "points to rtsp://evil.example:8554, which" in reason
    assert "password" not in reason


@pytest.mark.parametrize("method", ["SETUP", "PLAY"])
def test_later_redirections_are_refused_too(method):
    with ScriptedCamera() as other, ScriptedCamera() as first:
        first.script = redirecting(f"rtsp://127.0.0.1:{other.port}/live", on=method)
        assert "which is not followed" in fault_of(camera(first.url)).reason
        assert other.connections == 0


def test_a_redirection_within_the_camera_is_followed_once():
    with ScriptedCamera() as first:
        wanted = f"rtsp://127.0.0.1:{first.port}/other"

        def script(asked: Asked) -> bytes | None:
            if asked.method == "DESCRIBE" and not asked.url.endswith("/other"):
                return answer(asked, "302 Moved Temporarily", f"Location: {wanted}")
            return guarded(asked, DIGEST)

        first.script = script
        open_source(camera(first.url, credentials=LOGIN)).close()
        assert first.asked[-2].url == wanted
        first.script = redirecting(wanted)
        assert "which is not followed" in fault_of(camera(first.url)).reason


ADDRESSES = [
    ("rtsp://169.254.169.254/live", {}),
    ("rtsp://[fe80::1]/live", {}),
    ("rtsp://[::ffff:169.254.169.254]/live", {}),
    ("rtsp://0.0.0.0:{port}/live", {}),
    ("rtsp://224.0.0.1/live", {}),
    ("rtsp://127.0.0.1:{port}/live", {"allow": (ipaddress.ip_network("10.0.0.0/8"),)}),
    ("rtsp://127.1:{port}/live", {"allow": (ipaddress.ip_network("10.0.0.0/8"),)}),
    ("rtsp://0x7f000001:{port}/live", {"allow": (ipaddress.ip_network("10.0.0.0/8"),)}),
    ("rtsp://localhost:{port}/live", {"allow": (ipaddress.ip_network("10.0.0.0/8"),)}),
    ("rtsp://127.0.0.1:{port}/live", {"ports": (554,)}),
]


@pytest.mark.parametrize(("source", "network"), ADDRESSES)
def test_what_is_not_allowed_is_not_dialled(source, network):
    with ScriptedCamera() as somebody:
        spec = CameraSpec(
            "gate-1", source.format(port=somebody.port), network=CameraNetwork(**network)
        )
        fault = fault_of(spec)
        assert isinstance(fault, UnsupportedSourceError)
        assert "must not be dialled" in fault.reason
        assert somebody.connections == 0


def test_no_basic_where_digest_was_offered_before(tmp_path: Path):
    with ScriptedCamera(lambda asked: guarded(asked, DIGEST)) as first:
        for memory in (LoginMemory(), LoginMemory(tmp_path)):
            spec = CameraSpec("gate-1", first.url, credentials=LOGIN, logins=memory)
            first.script = lambda asked: guarded(asked, DIGEST)
            open_source(spec).close()
            seen = len(first.logins)
            first.script = lambda asked: guarded(asked, BASIC)
            fault = fault_of(spec)
            assert isinstance(fault, UnauthorizedFault)
            assert "Basic" in fault.reason
            assert len(first.logins) == seen
    assert all(one.startswith("Digest ") for one in first.logins)


def test_no_basic_within_one_connection_after_digest():
    def script(asked: Asked) -> bytes | None:
        challenge = BASIC if "authorization" in asked.headers else DIGEST
        return (
            well_behaved(asked)
            if asked.method == "OPTIONS"
            else answer(asked, "401 Unauthorized", challenge)
        )

    with ScriptedCamera(script) as first:
        fault_of(camera(first.url, credentials=LOGIN))
    assert [one.split()[0] for one in first.logins] == ["Digest"]


def test_digest_is_taken_where_both_are_offered():
    both = f"{BASIC}\r\n{DIGEST}"
    with ScriptedCamera(lambda asked: guarded(asked, both)) as first:
        open_source(camera(first.url, credentials=LOGIN)).close()
    assert {one.split()[0] for one in first.logins} == {"Digest"}


def test_a_wrong_password_is_tried_three_times_over_restarts(tmp_path: Path):
    def refuse(asked: Asked) -> bytes | None:
        return (
            well_behaved(asked)
            if asked.method == "OPTIONS"
            else answer(asked, "401 Unauthorized", DIGEST)
        )

    with ScriptedCamera(refuse) as first:
        for _ in range(8):
            spec = CameraSpec("gate-1", first.url, credentials=LOGIN, logins=LoginMemory(tmp_path))
            assert isinstance(fault_of(spec), UnauthorizedFault)
        assert len(first.logins) == 3
        before = first.connections
        assert "refused the login 3 times" in fault_of(spec).reason
        assert first.connections == before, "not even a connection"
        first.script = lambda asked: guarded(asked, DIGEST)
        better = Credentials("operator", "another canary")
        started_s = time.monotonic()
        open_source(
            CameraSpec("gate-1", first.url, credentials=better, logins=LoginMemory(tmp_path))
        ).close()
        assert time.monotonic() - started_s < 5


def test_one_damaged_answer_is_no_wrong_password():
    damaged = iter([True])

    def script(asked: Asked) -> bytes | None:
        reply = guarded(asked, DIGEST)
        if "authorization" in asked.headers and next(damaged, False):
            return answer(asked, "401 Unauthorized", DIGEST.replace("cam", "c\x41m"))
        return reply

    with ScriptedCamera(script) as first:
        spec = camera(first.url, credentials=LOGIN)
        assert not isinstance(fault_of(spec), UnauthorizedFault)
        open_source(spec).close()


@pytest.mark.parametrize(
    "reply",
    [
        b"RTSP/1.0 4\x931 Unauthorized\r\nCSeq: 2\r\n\r\n",
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\n\r\n",
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: D\x01gest realm=\r\n\r\n",
        b"\x00\x01\x02\x03" * 100,
    ],
)
def test_an_answer_that_is_not_understood_is_no_wrong_password(reply):
    with ScriptedCamera(
        lambda asked: well_behaved(asked) if asked.method == "OPTIONS" else reply
    ) as first:
        fault = fault_of(camera(first.url, credentials=LOGIN, open_timeout_s=0.5))
    assert not fault.slow
    assert first.logins == []


def endless(head: Callable[[Asked], bytes], more: bytes) -> Script:
    def script(asked: Asked) -> bytes | None:
        return well_behaved(asked) if asked.method != "DESCRIBE" else head(asked) + more

    return script


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            endless(
                lambda asked: answer(asked, "200 OK", "Content-Length: 2147483647"),
                b"a=x\r\n" * (4 * MIB),
            ),
            "more than 64 KiB",
        ),
        (endless(lambda asked: answer(asked)[:-2], b"X: y\r\n" * (4 * MIB)), "more than 64 KiB"),
        (endless(lambda _: b"", b"\xff" * (16 * MIB)), "neither RTSP nor video"),
        (
            endless(lambda asked: answer(asked, body=H264_SDP + "a=x:y\r\n" * 20_000), b""),
            "more than 64 KiB",
        ),
    ],
)
def test_no_answer_costs_memory(script, reason):
    with ScriptedCamera(script) as first:
        said, grown_bytes = opened_apart(first.url)
    assert reason in said
    assert grown_bytes < 8 * MIB


def opened_apart(url: str) -> tuple[str, int]:
    """What opening a camera came to in a process of its own, and by how much its peak grew."""
    code = """
import resource, sys
from camera_adapters import CameraFault, CameraSpec, open_source
import camera_adapters.rtsp
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
try:
    open_source(CameraSpec("gate-1", sys.argv[1], open_timeout_s=5.0)).close()
except CameraFault as fault:
    print(fault.reason)
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, url], capture_output=True, text=True, timeout=60, check=True
    )
    *said, grown = done.stdout.splitlines()
    return " ".join(said), int(grown)


def test_video_before_the_answer_to_play_is_bounded():
    frame = b"$\x00\xff\xff\x80\x60\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07\x41\x9a" + bytes(65521)

    def script(asked: Asked) -> bytes | None:
        return well_behaved(asked) if asked.method != "PLAY" else video(frame, 900)

    with ScriptedCamera(script) as first:
        said, grown_bytes = opened_apart(first.url)
    assert "does not answer" in said
    assert grown_bytes < 96 * MIB


def video(frame: bytes, count: int) -> bytes:
    """So many packets without a gap, each an image."""
    parts = []
    for number in range(count):
        part = bytearray(frame)
        part[5] |= 0x80
        part[6:8] = number.to_bytes(2, "big")
        part[8:12] = number.to_bytes(4, "big")
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("codec", ["AV1", "VP8", "VP9", "MPEG4-GENERIC", "MP2T"])
def test_only_known_codecs_are_set_up(codec):
    sdp = H264_SDP.replace("H264", codec)
    with ScriptedCamera(lambda asked: well_behaved(asked, sdp)) as first:
        fault = fault_of(camera(first.url))
        assert "set the camera to H.264 or H.265" in str(fault)
        assert "SETUP" not in first.methods()


def test_only_the_video_track_is_set_up():
    sdp = "m=audio 0 RTP/AVP 8\r\na=control:track0\r\n".join(H264_SDP.partition("m=video")[::2])
    sdp = sdp.replace("track0\r\n", "track0\r\nm=video")
    with ScriptedCamera(lambda asked: well_behaved(asked, sdp)) as first:
        open_source(camera(first.url)).close()
        (setup,) = [one for one in first.asked if one.method == "SETUP"]
    assert setup.url.endswith("/track1")


def test_a_session_is_kept_and_ended():
    with ScriptedCamera(lambda asked: well_behaved(asked, timeout_s=1)) as first:
        source = open_source(camera(first.url, read_timeout_s=1.4))
        with pytest.raises(StreamLostFault, match=r"no data for 1\.4 s"):
            for _ in source.arrivals():
                pass
        source.close()
        deadline_s = time.monotonic() + 5
        while "TEARDOWN" not in first.methods() and time.monotonic() < deadline_s:
            time.sleep(0.01)
    assert first.methods().count("GET_PARAMETER") in (1, 2)
    assert first.methods()[-1] == "TEARDOWN"
    assert {one.headers.get("session") for one in first.asked[4:]} == {"77"}


def test_keep_alive_changes_to_what_the_camera_knows():
    def script(asked: Asked) -> bytes | None:
        if asked.method == "GET_PARAMETER":
            return answer(asked, "501 Not Implemented")
        return well_behaved(asked, timeout_s=1)

    with ScriptedCamera(script) as first:
        source = open_source(camera(first.url, read_timeout_s=2.5))
        with pytest.raises(StreamLostFault):
            for _ in source.arrivals():
                pass
        source.close()
        assert first.methods().count("GET_PARAMETER") == 1
        assert first.methods().count("OPTIONS") >= 2


def test_a_session_that_the_camera_forgot_is_over():
    def script(asked: Asked) -> bytes | None:
        if asked.method == "GET_PARAMETER":
            return answer(asked, "454 Session Not Found")
        return well_behaved(asked, timeout_s=1)

    with ScriptedCamera(script) as first:
        source = open_source(camera(first.url, read_timeout_s=10.0))
        with pytest.raises(StreamLostFault, match="the stream ended"):
            for _ in source.arrivals():
                pass
        source.close()


def test_a_camera_that_says_yes_to_the_wrong_transport():
    def script(asked: Asked) -> bytes | None:
        if asked.method == "SETUP":
            return answer(asked, "200 OK", "Transport: RTP/AVP;unicast;client_port=0-1")
        return well_behaved(asked)

    with ScriptedCamera(script) as first:
        assert "over TCP" in fault_of(camera(first.url)).reason
    with ScriptedCamera() as first:
        assert "over TCP only" in fault_of(camera(first.url, transport="udp")).reason


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "camera.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(file), "-out", f"{file}.crt", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    file.write_bytes(file.read_bytes() + Path(f"{file}.crt").read_bytes())
    return file


class TlsCamera(ScriptedCamera):
    """The same behind TLS."""

    certificate: Path

    def _serve(self, sock) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        try:
            secured = context.wrap_socket(sock, server_side=True)
        except OSError:
            return
        super()._serve(secured)


def test_tls_is_verified_unless_that_is_switched_off(certificate):
    with TlsCamera(lambda asked: guarded(asked, DIGEST)) as first:
        first.certificate = certificate
        url = first.url.replace("rtsp://", "rtsps://")
        fault = fault_of(CameraSpec("gate-1", url, credentials=LOGIN))
        assert "is not trusted" in fault.reason
        assert "verify_tls: false" in fault.remedy
        assert first.asked == []
        spec = CameraSpec("gate-1", url, credentials=LOGIN, verify_tls=False)
        open_source(spec).close()
        assert first.logins


def test_a_camera_without_tls_says_so():
    with ScriptedCamera(lambda _: None) as first:

        def answer_in_plain() -> None:
            while not first.connections:
                time.sleep(0.01)
            first.say(b"RTSP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer_in_plain)
        thread.start()
        url = first.url.replace("rtsp://", "rtsps://")
        assert "does not speak TLS" in fault_of(camera(url)).reason
        thread.join()
