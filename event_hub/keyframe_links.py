"""`KeyframeLinks`: addresses that show one masked keyframe for some minutes, without a token.

For pages, reports and the messages of robots, where nobody can send a header. The address holds the
time at which it ends and an HMAC-SHA256 over that, the key and the digest of the image; it is good
for this image and nothing else. The secret is a file beside the tokens.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pipelines.access import create_owned_folder, write_owned_file

FILE: Final = "link-key"
SECRET_BYTES: Final = 32
LINKS: Final = "/api/links"
MOST_MINUTES: Final = 24 * 60
USUAL_MINUTES: Final = 15


class KeyframeLinks:
    """Makes and checks the addresses of one hub."""

    def __init__(
        self, folder: Path, utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Reads the secret in `folder`, and makes one where there is none.

        Raises:
            OSError: It cannot be read or made.
        """
        self._utc_now = utc_now
        self._secret = _secret(folder)

    def path_to(self, key: str, sha256: str, minutes: int = USUAL_MINUTES) -> tuple[str, datetime]:
        """The path of the address of a keyframe, and when it ends.

        Args:
            key: Of a masked keyframe that the caller of this may see.
            sha256: Of the image.
            minutes: How long it works, a day at most.
        """
        lasts = timedelta(minutes=min(max(minutes, 1), MOST_MINUTES))
        until = (self._utc_now() + lasts).replace(microsecond=0)
        seconds = int(until.timestamp())
        return f"{LINKS}/{seconds}/{self._sign(key, sha256, seconds)}/{quote(key)}", until

    def opens(self, key: str, sha256: str, until: int, signature: str) -> bool:
        """Whether an address was made here for this image and has not ended."""
        right = hmac.compare_digest(self._sign(key, sha256, until).encode(), signature.encode())
        return right and self._utc_now().timestamp() < until

    def _sign(self, key: str, sha256: str, until: int) -> str:
        said = f"{until}\n{sha256}\n{key}".encode()
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()


def _secret(folder: Path) -> bytes:
    path = folder / FILE
    if not path.exists():
        create_owned_folder(folder)
        own = folder / f"{FILE}-{secrets.token_hex(8)}"
        write_owned_file(own, secrets.token_hex(SECRET_BYTES).encode())
        try:
            # Two hubs that start at once end up with one secret.
            os.link(own, path)
        except FileExistsError:
            pass
        finally:
            own.unlink()
    return path.read_bytes()
