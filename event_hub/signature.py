"""Checks Standard Webhooks signatures, so that only who holds a secret can file events.

A delivery is accepted when one of its `v1` signatures is right under one of the secrets and its
timestamp is within five minutes, so that a recorded one ages out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from event_hub.errors import SignatureError


def verify(secrets: Sequence[SecretStr], headers: Mapping[str, str], body: bytes) -> None:
    """Accept a delivery or say in one sentence why not.

    Args:
        secrets: Every secret that is valid now.
        headers: Request headers.
        body: The bytes as received.

    Raises:
        SignatureError: A header is missing, the timestamp is off, or no signature matches.
    """
    reason = ""
    for secret in secrets:
        try:
            Webhook(secret.get_secret_value()).verify(body, dict(headers), json_parse=False)
        except WebhookVerificationError as error:
            reason = str(error)
        except ValueError:
            # The library does not expect headers that are no signatures, or a body that is no text.
            reason = "the signature cannot be read"
        else:
            return
    raise SignatureError(
        f"the delivery is not accepted: {reason}; check the secret and the clocks of both ends"
    )
