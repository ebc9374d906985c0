"""Standard Webhooks 1.0: proves to a receiver that a delivery comes from who holds the secret.

HMAC-SHA256 over `id.timestamp.body`; see the specification at
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

SECRET_PREFIX = "whsec_"  # noqa: S105 - the published prefix, not a secret
SECRET_MIN_BYTES = 24
SECRET_MAX_BYTES = 64


def decode_secret(secret: str) -> bytes:
    """Key bytes of a base64 secret with or without the `whsec_` prefix.

    Raises:
        ValueError: It is not base64 of 24 to 64 bytes; the text never holds the secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a webhook secret is base64, with or without whsec_ before it") from None
    if not SECRET_MIN_BYTES <= len(key) <= SECRET_MAX_BYTES:
        raise ValueError(
            f"a webhook secret has {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} bytes, not {len(key)}"
        )
    return key


def signature_headers(key: bytes, event_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed delivery.

    Args:
        key: Decoded secret.
        event_id: The same over all attempts.
        timestamp_s: Time of this attempt, seconds since the epoch.
        body: The bytes as sent.
    """
    content = f"{event_id}.{timestamp_s}.".encode() + body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
