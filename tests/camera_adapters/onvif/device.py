"""An ONVIF device of our own: answers probes by UDP and calls by HTTP, and checks logins.

It is strict where real ones are: a digest of another time than its clock's, or one that was used
before, is refused. What it was sent is kept, so that a test sees whether a password was in it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from xml.etree import ElementTree

GROUP = ("239.255.255.250", 3702)
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
OPEN = {"GetSystemDateAndTime"}
TOLERANCE_S = 5.0
REALM, NONCE = "onvif", "5f1e"


@dataclass(frozen=True)
class Stream:
    """A profile: token, encoding, size, rate and the address of its stream."""

    token: str
    encoding: str
    width: int
    height: int
    fps: int
    address: str
    source: str = "lens-1"
    name: str = ""


MAIN = Stream("main", "H264", 1920, 1080, 25, "rtsp://127.0.0.1:8554/main")
SUB = Stream("sub", "H264", 640, 360, 15, "rtsp://127.0.0.1:8554/sub")


@dataclass
class StandIn:
    """One device on 127.0.0.1 while its `with` block runs.

    Attributes:
        users: Passwords by name; nobody logs in without any.
        clock_ahead_s: How wrong its clock is.
        http_digest: Whether it asks for HTTP Digest and knows no WS-UsernameToken.
        services: Which media services it has.
        raw: An answer to every call and probe, in place of a right one.
        delay_s: How long it thinks about every call.
        host: The host that it names in its addresses.
        asked: Every call that it got, with headers.
    """

    streams: tuple[Stream, ...] = (MAIN, SUB)
    users: dict[str, str] = field(default_factory=dict)
    clock_ahead_s: float = 0.0
    http_digest: bool = False
    services: tuple[str, ...] = (MEDIA2, MEDIA)
    get_services: bool = True
    raw: bytes | None = None
    delay_s: float = 0.0
    host: str = "127.0.0.1"
    name: str = "Gate%20north"
    asked: list[str] = field(default_factory=list)
    probes: int = 0

    def __post_init__(self) -> None:
        self.identity = f"urn:uuid:{uuid.uuid4()}"
        self._used: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._udp.bind(GROUP)
        group = struct.pack("4s4s", socket.inet_aton(GROUP[0]), socket.inet_aton("127.0.0.1"))
        self._udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        self._udp.settimeout(0.1)
        self._closing = False

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def calls(self) -> list[str]:
        return re.findall(r"<(Get\w+) xmlns=", "\n".join(self.asked))

    def __enter__(self) -> Self:
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=self._answer_probes, daemon=True),
        ]
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._server.shutdown()
        self._server.server_close()
        for one in self._threads:
            one.join(5)
        self._udp.close()

    def _answer_probes(self) -> None:
        while not self._closing:
            try:
                data, sender = self._udp.recvfrom(65_535)
            except TimeoutError:
                continue
            probe = ElementTree.fromstring(data)
            kind = probe.findtext(".//{*}Types") or ""
            if kind.endswith(":NetworkVideoTransmitter"):
                self.probes += 1
                self._udp.sendto(self._probe_match(probe), sender)

    def _probe_match(self, probe: ElementTree.Element) -> bytes:
        if self.raw is not None:
            return self.raw
        return f"""<?xml version="1.0"?>
<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"
 xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><env:Header>
<wsa:RelatesTo>{probe.findtext(".//{*}MessageID")}</wsa:RelatesTo></env:Header><env:Body>
<d:ProbeMatches><d:ProbeMatch>
<wsa:EndpointReference><wsa:Address>{self.identity}</wsa:Address></wsa:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter</d:Types>
<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/{self.name}</d:Scopes>
<d:XAddrs>http://{self.host}:{self.port}/onvif/device_service</d:XAddrs>
</d:ProbeMatch></d:ProbeMatches></env:Body></env:Envelope>""".encode()

    def answer(self, body: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a call."""
        self.asked.append(f"{authorization}\n{body}")
        time.sleep(self.delay_s)
        if self.raw is not None:
            return 200, {}, self.raw
        request = ElementTree.fromstring(body)
        body_element = request.find("{*}Body")
        assert body_element is not None
        (call,) = body_element
        action = call.tag.rpartition("}")[2]
        if self.users and action not in OPEN:
            if self.http_digest and not self._digest_is_right(authorization):
                challenge = f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth"'
                return 401, {"WWW-Authenticate": challenge}, b"<html>who is there?</html>"
            if not self.http_digest and not self._token_is_right(request):
                return 400, {}, fault("ter:NotAuthorized", "Sender not authorized")
        namespace = call.tag[1:].partition("}")[0]
        content = self._content(namespace, action, call)
        if content is None:
            return 500, {}, fault("ter:ActionNotSupported", f"{action} is not implemented")
        return 200, {}, envelope(content)

    def _content(  # noqa: PLR0911 - one for each call
        self, namespace: str, action: str, call: ElementTree.Element
    ) -> str | None:
        base = f"http://{self.host}:{self.port}/onvif"
        if action == "GetSystemDateAndTime":
            now = datetime.now(UTC) + timedelta(seconds=self.clock_ahead_s)
            return (
                f"<r xmlns:tt='s'><tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour>"
                f"<tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second></tt:Time>"
                f"<tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month>"
                f"<tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime></r>"
            )
        if action == "GetDeviceInformation":
            return (
                "<r><Manufacturer>Acme</Manufacturer><Model>Eye-4</Model>"
                "<FirmwareVersion>5.7.1</FirmwareVersion><SerialNumber>A17</SerialNumber></r>"
            )
        if action == "GetServices" and self.get_services:
            return "".join(
                f"<Service><Namespace>{one}</Namespace><XAddr>{base}/{at}</XAddr></Service>"
                for at, one in enumerate((DEVICE, *self.services))
            )
        if action == "GetCapabilities":
            return f"<r><Media><XAddr>{base}/media</XAddr></Media></r>"
        if action == "GetProfiles" and namespace in self.services:
            return "".join(profile(one, new=namespace == MEDIA2) for one in self.streams)
        if action == "GetStreamUri" and namespace in self.services:
            token = call.findtext("{*}ProfileToken")
            (found,) = (one for one in self.streams if one.token == token)
            address = found.address.replace("&", "&amp;")
            uri = f"<Uri>{address}</Uri>"
            return uri if namespace == MEDIA2 else f"<MediaUri>{uri}</MediaUri>"
        return None

    def _token_is_right(self, request: ElementTree.Element) -> bool:
        token = request.find(".//{*}UsernameToken")
        if token is None:
            return False
        name, given, nonce, created = (
            token.findtext(f"{{*}}{one}") or ""
            for one in ("Username", "Password", "Nonce", "Created")
        )
        now = datetime.now(UTC) + timedelta(seconds=self.clock_ahead_s)
        age_s = abs((now - datetime.fromisoformat(created)).total_seconds())
        if name not in self.users or nonce in self._used or age_s > TOLERANCE_S:
            return False
        self._used.add(nonce)
        text = base64.b64decode(nonce) + created.encode() + self.users[name].encode()
        return given == base64.b64encode(hashlib.sha1(text).digest()).decode()

    def _digest_is_right(self, header: str) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]+)', header))
        password = self.users.get(given.get("username", ""))
        if not header.startswith("Digest") or password is None:
            return False
        secret = _md5(f"{given['username']}:{REALM}:{password}")
        middle = f"{NONCE}:{given['nc']}:{given['cnonce']}:auth"
        return given["response"] == _md5(f"{secret}:{middle}:{_md5('POST:' + given['uri'])}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _handler(device: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, headers, answer = device.answer(body, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def envelope(content: str) -> bytes:
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><Response>'
        f"{content}</Response></s:Body></s:Envelope>"
    ).encode()


def fault(code: str, text: str) -> bytes:
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code>'
        f"<s:Value>s:Sender</s:Value><s:Subcode><s:Value>{code}</s:Value></s:Subcode></s:Code>"
        f"<s:Reason><s:Text>{text}</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"
    ).encode()


def profile(stream: Stream, *, new: bool) -> str:
    """A profile as the newer or the older media service has it."""
    encoder = (
        f"<Encoding>{stream.encoding}</Encoding><Resolution><Width>{stream.width}</Width>"
        f"<Height>{stream.height}</Height></Resolution>"
        f"<RateControl><FrameRateLimit>{stream.fps}</FrameRateLimit></RateControl>"
    )
    source = f"<SourceToken>{stream.source}</SourceToken>"
    if new:
        inside = (
            f"<Configurations><VideoSource>{source}</VideoSource>"
            f"<VideoEncoder>{encoder}</VideoEncoder></Configurations>"
        )
    else:
        inside = (
            f"<VideoSourceConfiguration>{source}</VideoSourceConfiguration>"
            "<AudioSourceConfiguration><SourceToken>microphone</SourceToken>"
            "</AudioSourceConfiguration>"
            f"<VideoEncoderConfiguration>{encoder}</VideoEncoderConfiguration>"
        )
    name = f"<Name>{stream.name or stream.token}</Name>"
    return f"<Profiles token='{stream.token}'>{name}{inside}</Profiles>"
