"""`CityControl`: how the hub reaches the control API of the city that runs it.

The hub has a token of its own for that. Who may ask the hub for what is decided by the hub alone,
before it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3
from fastapi import HTTPException, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, SecretStr
from urllib3.util import Retry, Timeout

CONNECT_S: Final = 2.0
READ_S: Final = 15.0
"""Longer than the control API waits for the first frame of a camera."""

CHANGE_S: Final = 330.0
"""Longer than the city waits for its workers."""

MOST_CONNECTIONS: Final = 8
CHUNK: Final = 64 * 1024
AWAY: Final = "the city's control API does not answer: try again"
"""Without the exception's text, which holds the address; whoever reads this knows the city."""

OWN_FAULTS: Final = frozenset({401, 403})
"""What these say is about the hub's token, and not about the caller."""

MOST_NAME: Final = 64
BEHALF: Final = "CityEye-Behalf"
"""The header that names who asked the hub."""


class ControlSettings(BaseModel):
    """Where the control API is.

    Attributes:
        url: Its address.
        token: Lets the hub in.
        city: The city whose cameras it has, as the sources of its events name it.
        fingerprint: SHA-256 of its certificate; None without TLS.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    token: SecretStr
    city: str
    fingerprint: str | None = None


class ControlAway(Exception):
    """The control API does not answer; the text says so."""


@dataclass(frozen=True, slots=True)
class ControlStream:
    """A long answer while it comes; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class ControlAnswer:
    """What the control API answered; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class CityControl:
    """One control API. Safe for use from several threads."""

    def __init__(self, settings: ControlSettings) -> None:
        """Connects to nothing yet."""
        self.city = settings.city
        self._url = settings.url.rstrip("/")
        pinned: dict[str, Any] = {}
        if settings.fingerprint:
            pinned = {"assert_fingerprint": settings.fingerprint, "cert_reqs": "CERT_NONE"}
        self._pool = urllib3.PoolManager(
            maxsize=MOST_CONNECTIONS,
            timeout=Timeout(connect=CONNECT_S, read=READ_S),
            retries=Retry(0, redirect=False),
            headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"},
            **pinned,
        )

    def get(self, steps: tuple[str, ...], query: Mapping[str, str] | None = None) -> ControlAnswer:
        """What a path answers; `steps` are those of the path, in plain text.

        Raises:
            ControlAway: It does not answer.
        """
        return self._ask("GET", steps, fields=dict(query or {}))

    @contextmanager
    def stream(self, steps: tuple[str, ...], query: Mapping[str, str]) -> Iterator[ControlStream]:
        """A long answer, read inside the block.

        Raises:
            ControlAway: It does not answer, or breaks off.
        """
        path = _path(steps)
        try:
            answer = self._pool.request(
                "GET", self._url + path, fields=dict(query), preload_content=False
            )
            try:
                yield ControlStream(answer.status, _lower(answer.headers), _as_it_comes(answer))
            finally:
                # What is left of it would keep the connection from being used again.
                answer.close()
        except urllib3.exceptions.HTTPError:
            raise ControlAway(AWAY) from None

    def change(
        self,
        method: str,
        steps: tuple[str, ...],
        body: bytes,
        behalf: str,
        *,
        media_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> ControlAnswer:
        """Sends a body; the history of what is changed names on whose `behalf`.

        Raises:
            ControlAway: It does not answer.
        """
        fit = "".join(c if c.isascii() and c.isprintable() else "?" for c in behalf)[:MOST_NAME]
        headers = {**self._pool.headers, "Content-Type": media_type, BEHALF: fit}
        timeout = Timeout(connect=CONNECT_S, read=CHANGE_S)
        asked = f"?{urlencode(query)}" if query else ""
        return self._ask(method, steps, asked, body=body, headers=headers, timeout=timeout)

    def _ask(
        self, method: str, steps: tuple[str, ...], asked: str = "", **arguments: Any
    ) -> ControlAnswer:
        try:
            answer = self._pool.request(method, self._url + _path(steps) + asked, **arguments)
        except urllib3.exceptions.HTTPError:
            raise ControlAway(AWAY) from None
        return ControlAnswer(answer.status, _lower(answer.headers), answer.data)


def _as_it_comes(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read1(CHUNK):
        yield chunk


def _path(steps: tuple[str, ...]) -> str:
    return "".join(f"/{quote(step, safe='')}" for step in steps)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def control_of(control: CityControl | None, city: str) -> CityControl:
    """The control API of a city.

    Raises:
        HTTPException: 404 where the hub has no way to it.
    """
    if control is None or city != control.city:
        raise HTTPException(404, f"this hub has no way to the cameras of the city {city!r}")
    return control


async def passed_on(ask: Callable[[], ControlAnswer]) -> Response:
    """An answer of the control API as one of the hub.

    Raises:
        HTTPException: 503 where there is none, 502 where it is about the hub and not the caller.
    """
    try:
        answer = await run_in_threadpool(ask)
    except ControlAway as error:
        raise HTTPException(503, str(error)) from None
    if answer.status in OWN_FAULTS or not answer.headers.get("content-type", "").endswith("json"):
        raise HTTPException(502, "the city's control API does not let the hub do this")
    return Response(answer.body, answer.status, media_type=answer.headers["content-type"])
