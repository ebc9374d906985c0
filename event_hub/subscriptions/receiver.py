"""Posts to a receiver: to a checked address, once, without redirects, and with an end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import urllib3
from pydantic import IPvAnyNetwork
from urllib3.util import Retry, Timeout

from event_hub.subscriptions.outcome import OutgoingRequest, ReceivedAnswer
from event_hub.subscriptions.receiver_address import PORTS, checked_address

CONNECT_S: Final = 5.0
READ_S: Final = 10.0
ANSWER_S: Final = 10.0
ANSWER_BYTES: Final = 8192
MOST_WAIT_S: Final = 3600.0


class ReceiverDownError(Exception):
    """Nobody answers as HTTP says; the text says what was tried, and no secret."""


def post(url: str, request: OutgoingRequest, networks: Sequence[IPvAnyNetwork]) -> ReceivedAnswer:
    """Posts a request to the host of a URL.

    Args:
        url: Of the receiver; its path does not count.
        request: What to post.
        networks: As in `checked_address`.

    Raises:
        ReceiverForbiddenError: The hub may not go there.
        ReceiverDownError: No answer.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        address = checked_address(url, networks)
    except (OSError, UnicodeError):
        raise ReceiverDownError(f"the name {host} is not known") from None
    with _pool(parts.scheme, address, parts.port, host) as pool:
        try:
            answer = pool.urlopen(
                "POST",
                request.target,
                body=request.body,
                headers={"User-Agent": "cityeye", **request.headers, "Host": parts.netloc},
                redirect=False,
                retries=Retry(0, redirect=False),
                preload_content=False,
                assert_same_host=False,
            )
            return ReceivedAnswer(answer.status, _wait_s(answer), _beginning(answer))
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise ReceiverDownError(f"no answer from {host} ({type(reason).__name__})") from None


def _pool(scheme: str, address: str, port: int | None, host: str) -> urllib3.HTTPConnectionPool:
    """A connection to an address; the certificate must be that of the host."""
    timeout = Timeout(connect=CONNECT_S, read=READ_S)
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port or PORTS[scheme], timeout=timeout)
    return urllib3.HTTPSConnectionPool(
        address,
        port or PORTS[scheme],
        timeout=timeout,
        cert_reqs="CERT_REQUIRED",
        server_hostname=host,
        assert_hostname=host,
    )


def _beginning(answer: urllib3.BaseHTTPResponse) -> bytes:
    """The first bytes of an answer, as far as they come in time."""
    end_s, body = time.monotonic() + ANSWER_S, b""
    while len(body) < ANSWER_BYTES and time.monotonic() < end_s:
        piece = answer.read1(ANSWER_BYTES - len(body))
        if not piece:
            break
        body += piece
    answer.close()
    return body


def _wait_s(answer: urllib3.BaseHTTPResponse) -> float:
    """`Retry-After` in seconds; the form with a date counts as none."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), MOST_WAIT_S) if text.isascii() and text.isdigit() else 0.0
