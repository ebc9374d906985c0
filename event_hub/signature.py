"""Checks Standard-Webhooks 1.0 signatures, so that only who holds a secret can file events.

A delivery is accepted when one of its `v1` signatures is HMAC-SHA256 over `id.timestamp.body`
under one of the secrets and its timestamp is within five minutes, so a recorded one ages out.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from event_hub.errors import SignatureError

TOLERANCE_S = 300
SECRET_PREFIX = "whsec_"  # noqa: S105 - the published prefix, not a secret
SECRET_MIN_BYTES = 24
SECRET_MAX_BYTES = 64


def decode_secret(secret: str) -> bytes:
    """Key bytes of a `whsec_`-prefixed base64 secret.

    Raises:
        ValueError: It is not base64, or shorter than 24 or longer than 64 bytes. The text of the
            error never holds the secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a webhook secret is base64, with or without the whsec_ prefix") from None
    if not SECRET_MIN_BYTES <= len(key) <= SECRET_MAX_BYTES:
        raise ValueError("a webhook secret has 24 to 64 bytes")
    return key


def sign(key: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The `webhook-signature` value for a delivery."""
    content = f"{message_id}.{timestamp_s}.".encode() + body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def verify(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now_s: float) -> None:
    """Accept a delivery or say in one sentence why not.

    Args:
        keys: Every key that is valid now.
        headers: Request headers, looked up in lower case.
        body: The bytes as received.
        now_s: Seconds since the epoch.

    Raises:
        SignatureError: A header is missing, the timestamp is off, or no signature matches.
    """
    message_id = headers.get("webhook-id", "")
    signatures = headers.get("webhook-signature", "")
    if not message_id or not signatures:
        raise SignatureError("the delivery needs webhook-id, -timestamp and -signature headers")
    try:
        timestamp_s = int(headers.get("webhook-timestamp", ""))
    except ValueError:
        raise SignatureError("webhook-timestamp is not a number of seconds") from None
    if abs(now_s - timestamp_s) > TOLERANCE_S:
        raise SignatureError("webhook-timestamp is more than five minutes off: check the clocks")
    expected = [sign(key, message_id, timestamp_s, body).encode() for key in keys]
    given = [part.encode() for part in signatures.split(" ")]
    matches = [hmac.compare_digest(a, b) for a in expected for b in given]
    if not any(matches):
        raise SignatureError("no signature matches: check the secret on both ends")
