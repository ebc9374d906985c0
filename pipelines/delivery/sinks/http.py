"""Events over HTTP: CloudEvents structured mode, signed on wish; only a 2xx acknowledges.

Redirects are never followed: a receiver must not be able to send the city's events elsewhere. A
delivery is over at its deadline, however slowly the receiver answers, and of an answer no more is
read than keeps the connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, NoReturn
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator
from standardwebhooks.webhooks import Webhook
from urllib3 import HTTPConnectionPool
from urllib3 import exceptions as trouble
from urllib3.util import Retry, Timeout

from pipelines.access import WebhookSecret
from pipelines.delivery.settings import ConnectTimeout, ReadTimeout
from pipelines.delivery.sinks.deadline import Deadline, DeadlinePool, DeadlineTlsPool
from pipelines.delivery.sinks.sink import Delivery, SinkSettings
from pipelines.errors import SinkRefused, SinkUnavailable

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
STATUS_TRANSIENT = frozenset({408, 421, 425, 429})
"""Client errors that say nothing against the event itself."""
REMEDIES: Mapping[int, str] = {
    **dict.fromkeys((401, 403, 404, 405, 407), "check its URL and its token"),
    410: "its URL is not served any more, configure the new one",
    413: "it has to take bodies of 64 KiB",
}
"""What to do about an answer; for others see `ANY_REMEDY`."""
ANY_REMEDY = "its own log says why"
FAULTS: Sequence[tuple[type[Exception], str]] = (
    (trouble.NameResolutionError, "its name is not known; check the URL and the name server"),
    (trouble.ConnectTimeoutError, "it cannot be reached; check that it runs, and the URL"),
    (trouble.NewConnectionError, "it cannot be reached; check that it runs, and the URL"),
    (trouble.SSLError, "no TLS with it; check its certificate, `ca_certs` and `certificate`"),
    (trouble.ReadTimeoutError, "it does not answer in time; check that it is well"),
    (trouble.ProtocolError, "it hangs up or speaks no HTTP; check that it is well, and the URL"),
)
"""What failed, the more special first."""


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
        self.name = settings.progress_name
        self._target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        secret, token = settings.secret, settings.token
        self._signer = Webhook(secret.get_secret_value()) if secret else None
        self._headers = {"Content-Type": MEDIA_TYPE, "User-Agent": "cityeye"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        self._utc_s = utc_s
        self._deadline = Deadline()
        self._deadline_s = settings.deadline_s
        self._pool = _pool(settings, self._deadline)

    def __repr__(self) -> str:
        return f"HttpSink({self.name})"

    def deliver(self, delivery: Delivery) -> None:
        """See `Sink.deliver`."""
        headers = dict(self._headers)
        if self._signer is not None:
            headers |= self._signature(self._signer, delivery)
        self._deadline.start(self._deadline_s)
        try:
            response = self._pool.urlopen(
                "POST",
                self._target,
                body=delivery.body,
                headers=headers,
                redirect=False,
                preload_content=False,
                # What is not looked at need not be unpacked, and may be a bomb.
                decode_content=False,
            )
            # A short answer is read to its end, so that the connection can be used again.
            if len(response.read(MAX_ANSWER_BYTES)) < MAX_ANSWER_BYTES:
                response.release_conn()
            else:
                response.close()
        except trouble.HTTPError as error:
            raise SinkUnavailable(_fault(error)) from None
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
        answered = f"answered {status}"
        if status // 100 == REDIRECT:
            raise SinkUnavailable(f"{answered}: redirects are not followed, configure the new URL")
        reason = f"{answered}: {REMEDIES.get(status, ANY_REMEDY)}"
        if status // 100 == CLIENT_ERROR and status not in STATUS_TRANSIENT:
            raise SinkRefused(reason)
        raise SinkUnavailable(reason, _seconds(retry_after))


def _pool(settings: HttpSinkSettings, deadline: Deadline) -> HTTPConnectionPool:
    """One kept connection to the receiver; it is opened on first use."""
    parts = urlsplit(settings.url)
    wait = Timeout(
        total=settings.deadline_s,
        connect=settings.connect_timeout_s,
        read=settings.read_timeout_s,
    )
    host = parts.hostname or ""
    shared: dict[str, Any] = {"timeout": wait, "retries": False, "maxsize": 1}
    if parts.scheme == "http":
        return DeadlinePool(host, parts.port, deadline=deadline, **shared)
    return DeadlineTlsPool(
        host,
        parts.port,
        deadline=deadline,
        ca_certs=str(settings.ca_certs) if settings.ca_certs else None,
        cert_file=str(settings.certificate) if settings.certificate else None,
        key_file=str(settings.key) if settings.key else None,
        assert_fingerprint=settings.fingerprint,
        # The fingerprint says it all: the name may be another, and nobody known have signed.
        cert_reqs="CERT_NONE" if settings.fingerprint else "CERT_REQUIRED",
        **shared,
    )


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` in seconds: a number or an HTTP date, within bounds; None if neither."""
    try:
        return min(Retry().parse_retry_after(retry_after or ""), MAX_RETRY_AFTER_S)
    except (trouble.InvalidHeader, ValueError, OverflowError):
        return None


def _fault(error: trouble.HTTPError) -> str:
    """What went wrong, without URL: urllib3 puts paths and queries into its messages."""
    reason = getattr(error, "reason", None) or error
    kind = type(reason).__name__
    for fault, words in FAULTS:
        if isinstance(reason, fault):
            what, _, remedy = words.partition("; ")
            return f"{what} ({kind}); {remedy}"
    return f"the connection failed ({kind})"
