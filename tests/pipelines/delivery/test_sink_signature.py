"""Signatures follow Standard Webhooks 1.0, checked against its published example."""

from __future__ import annotations

import base64

import pytest

from pipelines.delivery.signature import decode_secret, signature_headers

PUBLISHED_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLISHED_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
PUBLISHED_TIME_S = 1614265330
PUBLISHED_BODY = b'{"test": 2432232314}'
PUBLISHED_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [PUBLISHED_SECRET, PUBLISHED_SECRET.removeprefix("whsec_")])
def test_the_published_example(secret):
    key = decode_secret(secret)
    assert signature_headers(key, PUBLISHED_ID, PUBLISHED_TIME_S, PUBLISHED_BODY) == {
        "webhook-id": PUBLISHED_ID,
        "webhook-timestamp": str(PUBLISHED_TIME_S),
        "webhook-signature": PUBLISHED_SIGNATURE,
    }


@pytest.mark.parametrize(
    ("event_id", "timestamp_s", "body", "secret"),
    [
        ("msg_other", PUBLISHED_TIME_S, PUBLISHED_BODY, PUBLISHED_SECRET),
        (PUBLISHED_ID, PUBLISHED_TIME_S + 1, PUBLISHED_BODY, PUBLISHED_SECRET),
        (PUBLISHED_ID, PUBLISHED_TIME_S, PUBLISHED_BODY + b" ", PUBLISHED_SECRET),
        (PUBLISHED_ID, PUBLISHED_TIME_S, PUBLISHED_BODY, base64.b64encode(b"k" * 24).decode()),
    ],
)
def test_everything_that_matters_is_signed(event_id, timestamp_s, body, secret):
    headers = signature_headers(decode_secret(secret), event_id, timestamp_s, body)
    assert headers["webhook-signature"] != PUBLISHED_SIGNATURE


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
        decode_secret(secret)
    assert len(secret) < 8 or secret not in str(caught.value)
