"""`CityClient`: asks a running city or hub over HTTP; every fault becomes one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import urllib3
from urllib3.util import Retry, Timeout

from cityeye.access import TOKEN, note_about, token_for
from cityeye.errors import CommandError
from cityeye.ports import API_PORT, HUB_PORT

DEFAULT_API: Final = f"http://127.0.0.1:{API_PORT}"
DEFAULT_HUB: Final = f"http://127.0.0.1:{HUB_PORT}"
CHANGE_TIMEOUT_S: Final = 320.0
"""Longer than the API waits for a change, so that its own sentence arrives."""
UPLOAD_TIMEOUT_S: Final = 1020.0
"""Longer than the control API gives an upload and the examination of its network."""
CHUNK_BYTES: Final = 256 * 1024
STATUS_OK: Final = range(200, 300)
STATUS_UNKNOWN: Final = 401
STATUS_MISSING: Final = 404


OnTransfer = Callable[[int, int | None], None]
"""Called with how many bytes have passed, and of how many where that is known."""


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

    def download(self, path: str, file: IO[bytes], on_bytes: OnTransfer, **query: str) -> None:
        """Writes what a path answers into a file, piece by piece.

        Raises:
            CommandError: As for `get`, or the answer broke off.
        """
        answer = self._answer("GET", path, fields=query, preload_content=False)
        if answer.status not in STATUS_OK:
            self._checked(answer)
        length = answer.headers.get("Content-Length", "")
        total, received = int(length) if length.isdecimal() else None, 0
        try:
            for chunk in answer.stream(CHUNK_BYTES):
                file.write(chunk)
                received += len(chunk)
                on_bytes(received, total)
        except urllib3.exceptions.HTTPError as error:
            raise CommandError(
                f"the answer of the {self._server.name} at {self._url} broke off after {received} "
                f"bytes ({type(error).__name__}); try again"
            ) from None

    def upload(self, path: str, file: IO[bytes], on_bytes: OnTransfer) -> Any:  # noqa: ANN401 - JSON
        """Sends a file as it is; gives the JSON of the answer.

        Raises:
            CommandError: As for `get`.
        """
        counted = _CountedFile(file, on_bytes)
        headers = {
            **self._pool.headers,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(counted.total),
        }
        patience = Timeout(connect=5.0, read=UPLOAD_TIMEOUT_S)
        answer = self._answer("POST", path, body=counted, headers=headers, timeout=patience)
        return json.loads(self._checked(answer))

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


class _CountedFile:
    """A file that says how much of it was read; `total` is its size in bytes."""

    def __init__(self, file: IO[bytes], on_bytes: OnTransfer) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self.total = os.fstat(file.fileno()).st_size

    def read(self, size: int = -1) -> bytes:
        """See `io.RawIOBase`."""
        chunk = self._file.read(size)
        self._on_bytes(self._file.tell(), self.total)
        return chunk
