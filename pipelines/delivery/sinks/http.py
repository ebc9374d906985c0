"""Events over HTTP: CloudEvents structured mode, signed on wish; only a 2xx acknowledges.

Redirects are never followed: a receiver must not be able to send the city's events elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, ClassVar, NoReturn
from urllib.parse import urlsplit

import urllib3
from pydantic import AfterValidator, Field, SecretStr, field_validator
from standardwebhooks.webhooks import Webhook
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry, Timeout

from pipelines.access import WebhookSecret
from pipelines.delivery.settings import CaCerts, ConnectTimeout, ReadTimeout
from pipelines.delivery.sinks.sink import Delivery, SinkSettings
from pipelines.errors import SinkGone, SinkRefused, SinkUnavailable

MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"
MAX_ANSWER_BYTES = 64 * 1024
"""What is read of an answer to keep the connection; a longer one is cut off."""
MAX_RETRY_AFTER_S = 3600.0

SUCCESS, REDIRECT, CLIENT_ERROR = 2, 3, 4
"""Hundreds of a status."""
Fingerprint = Annotated[
    str | None,
    Field(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the receiver's certificate, instead of authorities",
        examples=["9f86d081884c7d65..."],
    ),
]
STATUS_GONE = 410
STATUS_TRANSIENT = frozenset({408, 421, 425, 429})
"""Client errors that say nothing against the event itself."""
STATUS_NOT_AUTHORISED = frozenset({401, 403, 404, 407})
"""Wrong credentials or URL: a person will correct it, and the events must still be there then."""


def _fits_a_header(token: SecretStr) -> SecretStr:
    # The client would refuse it at every event, in words that repeat it.
    text = token.get_secret_value()
    if not text or not all("!" <= character <= "~" for character in text):
        raise ValueError(
            "the token holds what no header can carry; give letters, digits and signs of ASCII, "
            "without a space"
        )
    return token


HeaderToken = Annotated[SecretStr, AfterValidator(_fits_a_header)]


class HttpSinkSettings(SinkSettings):
    """How to reach an HTTP sink. Its `repr` shows neither secret nor token."""

    schemes: ClassVar[tuple[str, ...]] = ("http", "https")

    secret: WebhookSecret | None = Field(
        default=None, description="the secret that signs deliveries", examples=["${HUB_SECRET}"]
    )
    token: HeaderToken | None = Field(
        default=None, description="a token for `Authorization: Bearer`", examples=["${HUB_TOKEN}"]
    )
    ca_certs: CaCerts = None
    fingerprint: Fingerprint = None
    connect_timeout_s: ConnectTimeout = 5.0
    read_timeout_s: ReadTimeout = 15.0

    @field_validator("url")
    @classmethod
    def _has_host_and_no_login(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            parts, usable = urlsplit(""), False
        if parts.scheme not in cls.schemes or not usable or any(c.isspace() for c in url):
            raise ValueError(
                "the address is not an HTTP one; write http://HOST/PATH or https://..."
            )
        if "@" in parts.netloc:
            raise ValueError("the address holds a login; use `token:` or `secret:` instead")
        return url

    def open(self) -> HttpSink:
        """See `SinkSettings`."""
        return HttpSink(self)


class HttpSink:
    """A `Sink` that posts each event to a URL. Its `repr` shows neither secret nor token."""

    def __init__(self, settings: HttpSinkSettings, utc_s: Callable[[], float] = time.time) -> None:
        """Prepares the connection pool; connects on first use.

        Args:
            settings: How to reach the receiver.
            utc_s: Seconds since 1970 UTC, for signatures.
        """
        parts = urlsplit(settings.url)
        self.name = settings.name or f"{parts.netloc}{parts.path}"
        self._url = settings.url
        secret, token = settings.secret, settings.token
        self._signer = Webhook(secret.get_secret_value()) if secret else None
        self._headers = {"Content-Type": MEDIA_TYPE, "User-Agent": "cityeye"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        self._utc_s = utc_s
        self._pool = urllib3.PoolManager(
            timeout=Timeout(connect=settings.connect_timeout_s, read=settings.read_timeout_s),
            retries=False,
            maxsize=1,
            ca_certs=str(settings.ca_certs) if settings.ca_certs else None,
            assert_fingerprint=settings.fingerprint,
            # The fingerprint says it all: the name may be another, and nobody known have signed.
            cert_reqs="CERT_NONE" if settings.fingerprint else "CERT_REQUIRED",
        )

    def __repr__(self) -> str:
        return f"HttpSink({self.name})"

    def deliver(self, delivery: Delivery) -> None:
        """See `Sink.deliver`."""
        headers = dict(self._headers)
        if self._signer is not None:
            headers |= self._signature(self._signer, delivery)
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=delivery.body,
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            # A short answer is read to its end, so that the connection can be used again.
            if len(response.read(MAX_ANSWER_BYTES)) < MAX_ANSWER_BYTES:
                response.release_conn()
            else:
                response.close()
        except urllib3.exceptions.HTTPError as error:
            raise SinkUnavailable(f"{self.name}: {_summary(error)}") from None
        if response.status // 100 != SUCCESS:
            self._raise_for_status(response.status, response.headers.get("Retry-After"))

    def _signature(self, signer: Webhook, delivery: Delivery) -> dict[str, str]:
        now = datetime.fromtimestamp(int(self._utc_s()), UTC)
        return {
            "webhook-id": delivery.event,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signer.sign(delivery.event, now, delivery.body.decode()),
        }

    def _raise_for_status(self, status: int, retry_after: str | None) -> NoReturn:
        answered = f"{self.name} answered {status}"
        if status // 100 == REDIRECT:
            raise SinkUnavailable(f"{answered}: redirects are not followed, configure the new URL")
        if status == STATUS_GONE:
            raise SinkGone(f"{answered}: it is switched off until it is configured anew")
        if status in STATUS_NOT_AUTHORISED:
            raise SinkUnavailable(f"{answered}: check its URL and its token")
        if status // 100 == CLIENT_ERROR and status not in STATUS_TRANSIENT:
            raise SinkRefused(answered)
        raise SinkUnavailable(answered, _seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` in seconds: a number or an HTTP date, within bounds; None if neither."""
    try:
        return min(Retry().parse_retry_after(retry_after or ""), MAX_RETRY_AFTER_S)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _summary(error: urllib3.exceptions.HTTPError) -> str:
    """What went wrong, without URL: urllib3 puts paths and queries into its messages."""
    reason = getattr(error, "reason", None) or error
    return type(reason).__name__
