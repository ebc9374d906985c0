"""`CityClient`: asks a running city or hub over HTTP; every fault becomes one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3
from urllib3.util import Retry, Timeout

from cityeye.access import TOKEN, note_about, token_for
from cityeye.errors import CommandError
from cityeye.ports import API_PORT, HUB_PORT

DEFAULT_API: Final = f"http://127.0.0.1:{API_PORT}"
DEFAULT_HUB: Final = f"http://127.0.0.1:{HUB_PORT}"
CHANGE_TIMEOUT_S: Final = 320.0
"""Longer than the API waits for a change, so that its own sentence arrives."""
STATUS_OK: Final = range(200, 300)
STATUS_UNKNOWN: Final = 401
STATUS_MISSING: Final = 404


@dataclass(frozen=True, slots=True)
class AskedServer:
    """What messages call a server, and how somebody says where it is and starts it."""

    name: str
    option: str
    start: str


CONTROL_API: Final = AskedServer("control API", "--api", "start the city with `cityeye run`")
EVENT_HUB: Final = AskedServer("event hub", "--hub", "start `cityeye run` or `cityeye hub`")


class CityClient:
    """One server. Nothing is tried twice: a change that was heard must not be made again.

    `token` says who asks. With a `fingerprint`, the certificate must have this SHA-256, whoever
    signed it. `server` and `option` name it in errors, and what says where it is.
    """

    def __init__(
        self,
        url: str,
        token: str,
        fingerprint: str | None = None,
        server: AskedServer = CONTROL_API,
    ) -> None:
        self._url = url.rstrip("/")
        self._server = server
        pinned: dict[str, Any] = {"assert_fingerprint": fingerprint, "cert_reqs": "CERT_NONE"}
        self._pool = urllib3.PoolManager(
            timeout=Timeout(connect=5.0, read=CHANGE_TIMEOUT_S),
            retries=Retry(0),
            headers={"Authorization": f"Bearer {token}"},
            **(pinned if fingerprint else {}),
        )

    @classmethod
    def of(
        cls,
        url: str,
        token_file: Path | None,
        environment: Mapping[str, str],
        server: AskedServer = CONTROL_API,
    ) -> CityClient:
        """A client with the token that is found for it.

        Raises:
            CommandError: There is none.
        """
        note = note_about(url, environment)
        token = token_for(url, token_file, environment)
        return cls(url, token, note.fingerprint if note else None, server)

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON that a path answers.

        Raises:
            CommandError: Nobody answers, or the API refuses; the text is its reason.
        """
        return json.loads(self._checked(self._answer("GET", path, fields=query)))

    def find_image(self, path: str) -> bytes | None:
        """The bytes that a path answers, None where there is nothing.

        Raises:
            CommandError: As for `get`.
        """
        answer = self._answer("GET", path)
        return None if answer.status == STATUS_MISSING else self._checked(answer)

    def post(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Sends JSON; gives the JSON of the answer.

        Raises:
            CommandError: As for `get`.
        """
        return self.change("POST", path, body)

    def change(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """As `post`, with another method; None where the answer is empty.

        Raises:
            CommandError: As for `get`.
        """
        content: dict[str, Any] = {}
        if body is not None:
            headers = {**self._pool.headers, "Content-Type": "application/json"}
            content = {"body": json.dumps(body), "headers": headers}
        answer = self._checked(self._answer(method, path, **content))
        return json.loads(answer) if answer else None

    def _answer(self, method: str, path: str, **arguments: Any) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(method, self._url + path, **arguments)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise CommandError(
                f"no {self._server.name} answers at {self._url} ({type(reason).__name__}); "
                f"{self._server.start}, or say where it is with {self._server.option}"
            ) from None

    def _checked(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        """The body of an answer, or what the server says is wrong as a `CommandError`."""
        if answer.status in STATUS_OK:
            return answer.data
        if answer.status == STATUS_UNKNOWN:
            raise CommandError(
                f"the {self._server.name} does not know this token; give --token-file or {TOKEN} "
                "one from `cityeye token new` on its machine"
            )
        try:
            detail = json.loads(answer.data)["detail"]
        except (ValueError, KeyError, TypeError):
            detail = f"the {self._server.name} answered {answer.status} without a reason"
        raise CommandError(str(detail))
