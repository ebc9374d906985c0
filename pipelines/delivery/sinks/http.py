"""Events over HTTP: CloudEvents structured mode, signed on wish; only a 2xx acknowledges.

Redirects are never followed: a receiver must not be able to send the city's events elsewhere.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Timeout

from pipelines.delivery.signature import decode_secret, signature_headers
from pipelines.errors import SinkGone, SinkRefused, SinkUnavailable

MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"
MAX_ANSWER_BYTES = 64 * 1024
"""What is read of an answer to keep the connection; a longer one is cut off."""
MAX_RETRY_AFTER_S = 3600.0

STATUS_SUCCESS = range(200, 300)
STATUS_REDIRECT = range(300, 400)
STATUS_CLIENT_ERROR = range(400, 500)
STATUS_GONE = 410
STATUS_TRANSIENT = frozenset({408, 421, 425, 429})
"""Client errors that say nothing against the event itself."""
STATUS_NOT_AUTHORISED = frozenset({401, 403, 404, 407})
"""Wrong credentials or URL: a person will put it right, and the events must still be there then."""


@dataclass(frozen=True, slots=True)
class HttpSinkSettings:
    """How to reach an HTTP sink. Its `repr` shows neither secret nor token.

    Attributes:
        url: Where to post to, `http` or `https`, without credentials.
        secret: Standard Webhooks secret; deliveries are signed when given.
        name: Progress is kept under it; host, port and path of the URL when empty.
        token: Sent as `Authorization: Bearer`.
        ca_certs: File of certificate authorities, instead of the system's.
        connect_timeout_s: Seconds.
        read_timeout_s: Seconds without a byte of the answer.
    """

    url: str
    secret: str | None = field(default=None, repr=False)
    name: str = ""
    token: str | None = field(default=None, repr=False)
    ca_certs: str | None = None
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 15.0


class HttpSink:
    """A `Sink` that posts each event to a URL. Its `repr` shows neither secret nor token."""

    def __init__(
        self,
        url: str,
        secret: str | None = None,
        *,
        name: str = "",
        token: str | None = None,
        ca_certs: str | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 15.0,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        """Prepares the connection pool; connects on first use.

        Args:
            url: As in `HttpSinkSettings`, like all that follows.
            secret: See there.
            name: See there.
            token: See there.
            ca_certs: See there.
            connect_timeout_s: See there.
            read_timeout_s: See there.
            utc_s: Seconds since the epoch, for signatures and `Retry-After`.

        Raises:
            ValueError: The URL or the secret cannot be used.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("a sink needs an http or https URL with a host")
        if "@" in parts.netloc:
            raise ValueError("a sink's URL must not carry credentials: give a token")
        self.name = name or f"{parts.netloc}{parts.path}"
        self._url = url
        self._key = decode_secret(secret) if secret is not None else None
        self._headers = {"Content-Type": MEDIA_TYPE, "User-Agent": "cityeye"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._utc_s = utc_s
        self._pool = urllib3.PoolManager(
            timeout=Timeout(connect=connect_timeout_s, read=read_timeout_s),
            retries=False,
            maxsize=1,
            ca_certs=ca_certs,
        )

    @classmethod
    def from_settings(cls, settings: HttpSinkSettings) -> HttpSink:
        """A sink as configured.

        Raises:
            ValueError: The URL or the secret cannot be used.
        """
        return cls(
            settings.url,
            settings.secret,
            name=settings.name,
            token=settings.token,
            ca_certs=settings.ca_certs,
            connect_timeout_s=settings.connect_timeout_s,
            read_timeout_s=settings.read_timeout_s,
        )

    def __repr__(self) -> str:
        return f"HttpSink({self.name})"

    def deliver(self, body: bytes, event_id: str) -> None:
        """See `Sink.deliver`."""
        headers = dict(self._headers)
        if self._key is not None:
            headers |= signature_headers(self._key, event_id, int(self._utc_s()), body)
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            self._finish(response)
        except urllib3.exceptions.HTTPError as error:
            raise SinkUnavailable(f"{self.name}: {_summary(error)}") from None
        self._judge(response.status, response.headers.get("Retry-After"))

    def _finish(self, response: urllib3.BaseHTTPResponse) -> None:
        # A short answer is read to its end, so that the connection can be used again.
        answer = response.read(MAX_ANSWER_BYTES)
        if len(answer) < MAX_ANSWER_BYTES:
            response.release_conn()
        else:
            response.close()

    def _judge(self, status: int, retry_after: str | None) -> None:
        answered = f"{self.name} answered {status}"
        if status in STATUS_SUCCESS:
            return
        if status in STATUS_REDIRECT:
            raise SinkUnavailable(f"{answered}: redirects are not followed, configure the new URL")
        if status == STATUS_GONE:
            raise SinkGone(f"{answered}: it is switched off until it is configured anew")
        if status in STATUS_NOT_AUTHORISED:
            raise SinkUnavailable(f"{answered}: check its URL and its token")
        if status in STATUS_CLIENT_ERROR and status not in STATUS_TRANSIENT:
            raise SinkRefused(answered)
        raise SinkUnavailable(answered, self._seconds(retry_after))

    def _seconds(self, retry_after: str | None) -> float | None:
        """`Retry-After` in seconds: a number or an HTTP date, within bounds; None if neither."""
        if retry_after is None:
            return None
        try:
            seconds = float(retry_after)
        except ValueError:
            try:
                at = email.utils.parsedate_to_datetime(retry_after)
            except ValueError:
                return None
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            seconds = (at - datetime.fromtimestamp(self._utc_s(), UTC)).total_seconds()
        return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None  # noqa: PLR0124


def _summary(error: urllib3.exceptions.HTTPError) -> str:
    """What went wrong, without URL: urllib3 puts paths and queries into its messages."""
    reason = getattr(error, "reason", None) or error
    return type(reason).__name__
