"""Downloads a file of the catalogue: bounded in size and time, taken up again where it broke off.

Nothing that is downloaded has its final name before its content was checked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

from model_tools.catalogue.entry import CatalogueEntry
from models import DownloadError

CONNECT_S: Final = 10.0
SILENT_S: Final = 30.0
ATTEMPTS: Final = 4
WAIT_S: Final = 1.0
MOST_REDIRECTS: Final = 5
_BLOCK: Final = 1 << 16
_OK, _PARTIAL, _RANGE = 200, 206, 416
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PERMANENT: Final = frozenset({400, 401, 403, 404, 405, 410, 451})

OnBytes = Callable[[int], object]
"""Is told how many bytes there are, of `CatalogueEntry.most_bytes` at most."""


class Download:
    """One file on its way. To be used by one thread."""

    def __init__(
        self,
        entry: CatalogueEntry,
        folder: Path,
        on_bytes: OnBytes = lambda _: None,
        *,
        silent_s: float = SILENT_S,
        wait_s: float = WAIT_S,
    ) -> None:
        """Prepares.

        Args:
            entry: What is wanted.
            folder: Where it is kept; made if it is missing.
            on_bytes: Is told about the progress.
            silent_s: How long the other side may send nothing, seconds.
            wait_s: The wait before the second attempt; it doubles.
        """
        self._entry = entry
        self._folder = folder
        self._part = folder / f"{entry.file}.part"
        self._on_bytes = on_bytes
        self._wait_s = wait_s
        wait = urllib3.Timeout(connect=CONNECT_S, read=silent_s)
        scheme, host = urlsplit(entry.address).scheme, urlsplit(entry.address).hostname or ""
        proxy = None if proxy_bypass(host) else getproxies().get(scheme)
        self._pool: urllib3.PoolManager = (
            urllib3.ProxyManager(proxy, timeout=wait, retries=False)
            if proxy
            else urllib3.PoolManager(timeout=wait, retries=False)
        )

    def file(self) -> Path:
        """The checked file; downloads what is missing of it.

        Raises:
            DownloadError: It cannot be had, or is not the one that is meant; the text says why.
        """
        target = self._folder / self._entry.file
        if target.is_file():
            try:
                self._entry.check(target)
            except DownloadError:
                target.unlink()  # Half a disk, or an older catalogue: fetched anew.
            else:
                return target
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._fetch()
        except OSError as error:
            raise self._failed(f"{self._folder} cannot be written: {error.strerror}") from None
        try:
            self._entry.check(self._part)
        except DownloadError:
            # What is wrong would be wrong again after the next attempt.
            self._part.unlink()
            raise
        self._part.replace(target)
        return target

    def _fetch(self) -> None:
        wait_s, problem = self._wait_s, ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(wait_s)
                wait_s *= 2
            problem = self._attempt()
            if not problem:
                return
        raise self._failed(f"{problem}, {ATTEMPTS} times")

    def _attempt(self) -> str:
        """Downloads what is missing; what was wrong where another attempt may help."""
        have = self._part.stat().st_size if self._part.is_file() else 0
        if have and have == self._entry.size:
            return ""
        try:
            response = self._answer(have)
        except HTTPError as error:
            return _words(error)
        try:
            return self._read(response, have)
        except HTTPError as error:
            return _words(error)
        finally:
            response.close()

    def _answer(self, have: int) -> urllib3.BaseHTTPResponse:
        address = self._entry.address
        headers = {"User-Agent": "cityeye", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        for _ in range(MOST_REDIRECTS + 1):
            response = self._pool.request(
                "GET", address, headers=headers, preload_content=False, redirect=False
            )
            if response.status not in _REDIRECTS:
                return response
            response.close()
            following = urljoin(address, response.headers.get("Location", ""))
            schemes = urlsplit(address).scheme, urlsplit(following).scheme
            if schemes[1] not in {"https", schemes[0]} or not urlsplit(following).hostname:
                raise self._failed(f"it is redirected to {following}, which is not taken")
            address = following
        raise self._failed(f"it is redirected more than {MOST_REDIRECTS} times")

    def _read(self, response: urllib3.BaseHTTPResponse, have: int) -> str:
        status = response.status
        if status == _RANGE:
            self._part.unlink()
            return "what was there of it is of another file"
        if status in _PERMANENT:
            raise self._failed(f"it answers {status}")
        if status not in {_OK, _PARTIAL}:
            return f"it answers {status}"
        resumed = status == _PARTIAL and have > 0
        count = have if resumed else 0
        with self._part.open("ab" if resumed else "wb") as file:
            # Whatever has come is kept, also where no more does.
            while block := response.read1(_BLOCK):
                count += len(block)
                if count > self._entry.most_bytes:
                    break
                file.write(block)
                self._on_bytes(count)
        if count > self._entry.most_bytes:
            self._part.unlink()
            raise self._failed(f"it is longer than {self._entry.most_bytes} bytes")
        if self._entry.size is not None and count < self._entry.size:
            return f"it ended after {count} of {self._entry.size} bytes"
        return ""

    def _failed(self, problem: str) -> DownloadError:
        return DownloadError(
            self._entry.name,
            f"{self._entry.address}: {problem}; try again later, or bring {self._entry.file} here "
            "by other means and name its folder with --from",
        )


def _words(error: HTTPError) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "the host name is not known; is there a way to the internet?"
    if isinstance(reason, urllib3.exceptions.ReadTimeoutError):
        return "the server falls silent"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return "the server refuses the connection"
    if isinstance(reason, urllib3.exceptions.ConnectTimeoutError):
        return "the server does not answer"
    if isinstance(reason, urllib3.exceptions.IncompleteRead | urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    return f"the connection failed ({type(reason).__name__})"
