"""Signatures follow Standard Webhooks 1.0, checked against its published example."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from pipelines.delivery.sinks.sink import Delivery
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.outboxes import http_sink

PUBLISHED_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLISHED_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
PUBLISHED_TIME_S = 1614265330
PUBLISHED = Delivery(1, 0, PUBLISHED_ID, "gate", b'{"test": 2432232314}')
PUBLISHED_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signature(delivery: Delivery, time_s: int, secret: str) -> dict[str, str]:
    """The headers of a signed delivery, as they arrive."""
    receiver = Receiver()
    try:
        http_sink(receiver.url, lambda: time_s, secret=secret).deliver(delivery)
    finally:
        receiver.close()
    headers = receiver.deliveries[0].headers
    return {name: headers[name] for name in headers if name.startswith("webhook-")}


@pytest.mark.parametrize("secret", [PUBLISHED_SECRET, PUBLISHED_SECRET.removeprefix("whsec_")])
def test_the_published_example(secret):
    assert signature(PUBLISHED, PUBLISHED_TIME_S, secret) == {
        "webhook-id": PUBLISHED_ID,
        "webhook-timestamp": str(PUBLISHED_TIME_S),
        "webhook-signature": PUBLISHED_SIGNATURE,
    }


@pytest.mark.parametrize(
    ("delivery", "time_s", "secret"),
    [
        (replace(PUBLISHED, event="msg_other"), PUBLISHED_TIME_S, PUBLISHED_SECRET),
        (PUBLISHED, PUBLISHED_TIME_S + 1, PUBLISHED_SECRET),
        (replace(PUBLISHED, body=PUBLISHED.body + b" "), PUBLISHED_TIME_S, PUBLISHED_SECRET),
        (PUBLISHED, PUBLISHED_TIME_S, base64.b64encode(b"k" * 24).decode()),
    ],
)
def test_everything_that_matters_is_signed(delivery, time_s, secret):
    assert signature(delivery, time_s, secret)["webhook-signature"] != PUBLISHED_SIGNATURE


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_not base64!",
        base64.b64encode(b"k" * 23).decode(),
        base64.b64encode(b"k" * 65).decode(),
    ],
)
def test_a_bad_secret_is_refused_without_being_repeated(secret):
    with pytest.raises(ValueError, match="webhook secret") as caught:
        http_sink("http://hub/", secret=secret)
    assert len(secret) < 8 or secret not in str(caught.value)
