"""`WebhookSecret`: what signs deliveries to a hub, beside the token that lets their sender in."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the published prefix, not a secret
SECRET_MIN_BYTES: Final = 24
SECRET_MAX_BYTES: Final = 64


def _check_secret(secret: SecretStr) -> SecretStr:
    # The error's text never holds the secret.
    try:
        text = secret.get_secret_value().removeprefix(SECRET_PREFIX)
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not SECRET_MIN_BYTES <= size <= SECRET_MAX_BYTES:
        raise ValueError(
            f"a webhook secret is base64 of {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} bytes, with or"
            f' without {SECRET_PREFIX} before it; make one: echo "whsec_$(openssl rand -base64 32)"'
        )
    return secret


WebhookSecret = Annotated[SecretStr, AfterValidator(_check_secret)]
"""A secret that signs deliveries as Standard Webhooks 1.0 says, see
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""
