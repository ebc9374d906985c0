"""The HTTP sink against a real server: what counts as acknowledged, and what never happens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import pytest
from pydantic import SecretStr

from cityeye.access import fingerprint_of
from event_hub.api import verify_signature as verify
from pipelines.delivery.sinks.http import MAX_RETRY_AFTER_S, HttpSinkSettings
from pipelines.delivery.sinks.sink import Delivery
from pipelines.errors import SinkRefused, SinkUnavailable
from tests.certificates import self_signed
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.outboxes import http_sink

BODY = '{"id": "e-1", "subject": "Öffnung"}'.encode()
DELIVERY = Delivery(1, 0, "e-1", "gate", BODY)
KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW_S = 1_780_000_000.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_a_delivery_is_a_structured_cloud_event(receiver):
    http_sink(receiver.url).deliver(DELIVERY)
    (delivery,) = receiver.deliveries
    assert delivery.path == "/events"
    assert delivery.body == BODY
    assert delivery.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert "webhook-signature" not in delivery.headers
    assert "authorization" not in delivery.headers


def test_a_delivery_is_signed_over_id_time_and_body(receiver):
    http_sink(receiver.url, secret=SECRET, utc_s=lambda: NOW_S).deliver(DELIVERY)
    (delivery,) = receiver.deliveries
    assert delivery.headers["webhook-id"] == "e-1"
    assert delivery.headers["webhook-timestamp"] == "1780000000"
    digest = hmac.new(KEY, b"e-1.1780000000." + BODY, hashlib.sha256).digest()
    assert delivery.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_the_hub_accepts_what_is_signed_here(receiver):
    http_sink(receiver.url, secret=SECRET).deliver(DELIVERY)
    (delivery,) = receiver.deliveries
    verify([SecretStr(SECRET)], delivery.headers, delivery.body)


def test_a_token_goes_along(receiver):
    http_sink(receiver.url, token="let-me-in").deliver(DELIVERY)
    assert receiver.deliveries[0].headers["authorization"] == "Bearer let-me-in"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_an_acknowledgement(receiver, status):
    receiver.status = status
    http_sink(receiver.url).deliver(DELIVERY)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_a_passing_trouble_is_unavailable(receiver, status):
    receiver.status = status
    with pytest.raises(SinkUnavailable, match=str(status)):
        http_sink(receiver.url).deliver(DELIVERY)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
def test_an_answer_that_may_be_about_the_event_is_a_refusal(receiver, status):
    receiver.status = status
    with pytest.raises(SinkRefused, match=rf"answered {status}: \w"):
        http_sink(receiver.url).deliver(DELIVERY)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_token_or_address_is_called_so(receiver, status):
    receiver.status = status
    with pytest.raises(SinkRefused, match="check its URL and its token"):
        http_sink(receiver.url).deliver(DELIVERY)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_nobody_else_gets_the_event(receiver, status):
    elsewhere = Receiver()
    try:
        receiver.status = status
        receiver.answer_headers = {"Location": elsewhere.url}
        with pytest.raises(SinkUnavailable, match="redirects are not followed"):
            http_sink(receiver.url, secret=SECRET, token="let-me-in").deliver(DELIVERY)
        assert elsewhere.deliveries == []
        assert len(receiver.deliveries) == 1
    finally:
        elsewhere.close()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", None),
        ("86400", MAX_RETRY_AFTER_S),
        # A fixed name: parallel test processes must collect the same tests.
        pytest.param(
            format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True),
            MAX_RETRY_AFTER_S,
            id="tomorrow",
        ),
        ("Thu, 28 May 2020 20:26:50 GMT", 0.0),
        ("soon", None),
        ("nan", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_is_asked_for_is_passed_on(receiver, status, said, seconds):
    receiver.status = status
    receiver.answer_headers = {"Retry-After": said}
    with pytest.raises(SinkUnavailable) as caught:
        http_sink(receiver.url).deliver(DELIVERY)
    assert caught.value.retry_after_s == seconds


def test_a_closed_port_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SinkUnavailable, match="NewConnectionError"):
        http_sink(f"http://127.0.0.1:{port}/").deliver(DELIVERY)


def test_a_server_that_never_answers_is_given_up(receiver):
    receiver.delay = threading.Event()
    sink = http_sink(receiver.url, connect_timeout_s=0.2, read_timeout_s=0.2)
    with pytest.raises(SinkUnavailable, match="ReadTimeout"):
        sink.deliver(DELIVERY)


def test_a_server_that_hangs_up_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(SinkUnavailable, match="ProtocolError"):
            http_sink(f"http://127.0.0.1:{server.getsockname()[1]}/").deliver(DELIVERY)
        thread.join()


def trickle(first: bytes, byte: bytes):
    """Answers that begin, and then go on with a byte now and then for longer than anybody waits."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(first)
        for _ in range(400):
            request.wfile.write(byte)
            request.wfile.flush()
            time.sleep(0.05)

    return answer


TRICKLES = {
    "status line": trickle(b"HTTP/1.1 20", b"0"),
    "headers": trickle(b"HTTP/1.1 200 OK\r\n", b"X"),
    "many headers": trickle(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "body": trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"x"),
    "body without an end": trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "chunks": trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "please continue": trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


ANSWER = b"HTTP/1.1 200 OK\r\nServer: somebody\r\n\r\n"


@pytest.mark.parametrize("length", range(len(ANSWER)))
def test_an_answer_that_is_cut_off_before_its_headers_end_acknowledges_nothing(receiver, length):
    receiver.answers = lambda request: request.wfile.write(ANSWER[:length])
    sink = http_sink(receiver.url)
    with pytest.raises(SinkUnavailable):
        sink.deliver(DELIVERY)


@pytest.mark.parametrize("answer", [ANSWER, ANSWER + b"x", ANSWER.replace(b"\r\n", b"\n")])
def test_an_answer_that_ends_with_its_connection_is_whole(receiver, answer):
    receiver.answers = lambda request: request.wfile.write(answer)
    http_sink(receiver.url).deliver(DELIVERY)


@pytest.mark.parametrize("part", TRICKLES)
def test_an_answer_that_trickles_ends_at_the_deadline(receiver, part):
    receiver.answers = TRICKLES[part]
    # Every byte comes well within the read timeout, so only the deadline can end this.
    sink = http_sink(receiver.url, deadline_s=0.5, read_timeout_s=20.0)
    with pytest.raises(SinkUnavailable):
        sink.deliver(DELIVERY)
    receiver.answers = None
    sink.deliver(DELIVERY)
    assert [one.status for one in receiver.deliveries] == [0, 204]


def test_an_answer_that_trickles_over_tls_ends_at_the_deadline(tmp_path):
    chain, key = self_signed(tmp_path)
    receiver = Receiver(tls=(chain, key))
    try:
        receiver.answers = TRICKLES["headers"]
        pinned = fingerprint_of(chain)
        sink = http_sink(receiver.url, deadline_s=0.5, read_timeout_s=20.0, fingerprint=pinned)
        with pytest.raises(SinkUnavailable):
            sink.deliver(DELIVERY)
        receiver.answers = None
        sink.deliver(DELIVERY)
        assert len(receiver.accepted) == 1
    finally:
        receiver.close()


@pytest.mark.parametrize(
    "garbage", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\xff" * 40, b"HTTP/1.1 abc\r\n\r\n", b"\r\n"]
)
def test_an_answer_that_is_no_http_is_unavailable(receiver, garbage):
    receiver.answers = lambda request: request.wfile.write(garbage)
    with pytest.raises(SinkUnavailable, match="no HTTP"):
        http_sink(receiver.url).deliver(DELIVERY)


def test_a_packed_answer_is_not_unpacked(receiver):
    receiver.status, receiver.answer = 200, b"no gzip at all"
    receiver.answer_headers = {"Content-Encoding": "gzip"}
    http_sink(receiver.url).deliver(DELIVERY)


def test_both_sides_prove_who_they_are(tmp_path):
    (tmp_path / "city").mkdir()
    chain, key = self_signed(tmp_path, "127.0.0.1")
    own, own_key = self_signed(tmp_path / "city")
    receiver = Receiver(tls=(chain, key), client_ca=own)
    try:
        anonymous = http_sink(receiver.url, ca_certs=chain)
        with pytest.raises(SinkUnavailable):
            anonymous.deliver(DELIVERY)
        http_sink(receiver.url, ca_certs=chain, certificate=own, key=own_key).deliver(DELIVERY)
        (delivery,) = receiver.accepted
        assert delivery.certificate
        strangers = http_sink(receiver.url, ca_certs=own, certificate=own, key=own_key)
        with pytest.raises(SinkUnavailable, match=r"no TLS with it .*`ca_certs`"):
            strangers.deliver(DELIVERY)
    finally:
        receiver.close()


@pytest.mark.parametrize("answer", [b"", b'{"stored": true}'])
def test_the_connection_is_used_again(receiver, answer):
    receiver.status, receiver.answer = 200, answer
    sink = http_sink(receiver.url)
    for number in range(3):
        sink.deliver(replace(DELIVERY, event=f"e-{number}"))
    assert len({delivery.peer for delivery in receiver.deliveries}) == 1


def test_an_endless_answer_is_cut_off(receiver):
    receiver.status, receiver.answer = 200, b"x" * 2_000_000
    sink = http_sink(receiver.url)
    sink.deliver(DELIVERY)
    sink.deliver(DELIVERY)
    assert len(receiver.deliveries) == 2


@pytest.mark.parametrize("url", ["ftp://hub/", "hub.local/events", "http://", "http://u:p@hub/"])
def test_a_url_that_cannot_work_is_refused_at_once(url):
    with pytest.raises(ValueError, match="url"):
        http_sink(url)


def test_the_secrets_are_nowhere_to_be_read():
    url = "http://127.0.0.1:9/events?key=k-1"
    sink = http_sink(url, secret=SECRET, token="let-me-in")
    settings = HttpSinkSettings(url=url, secret=SECRET, token="let-me-in")
    with pytest.raises(SinkUnavailable) as caught:
        sink.deliver(DELIVERY)
    shown = f"{settings!r} {sink!r} {sink.name} {caught.value!r}"
    assert SECRET not in shown
    assert "let-me-in" not in shown
    assert "k-1" not in f"{sink!r} {sink.name} {caught.value!r}"


def test_settings_reach_the_wire(receiver):
    sink = http_sink(receiver.url, secret=SECRET, name="the-city", token="let-me-in")
    sink.deliver(DELIVERY)
    assert sink.name == "the-city"
    assert receiver.deliveries[0].headers["authorization"] == "Bearer let-me-in"
    assert "webhook-signature" in receiver.deliveries[0].headers
