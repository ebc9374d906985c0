"""`Passwords`: Argon2id hashes, few at a time, and the same work for a name that nobody has."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from event_hub.people.errors import LoginBusyError, UnfitValueError

LEAST_CHARS: Final = 10
MOST_CHARS: Final = 128
LEAST_DIFFERENT: Final = 5
AT_ONCE: Final = 2
"""Each takes 64 MiB for a twentieth of a second."""
WAIT_S: Final = 5.0


class Passwords:
    """Makes and checks hashes with the parameters of RFC 9106 for little memory (argon2-cffi)."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    def hash(self, password: str, name: str) -> str:
        """The hash to keep for a password of a user.

        Raises:
            UnfitValueError: It is too short, too long or too simple.
            LoginBusyError: Too many are being checked.
        """
        text = _normal(password)
        if not LEAST_CHARS <= len(text) <= MOST_CHARS:
            raise UnfitValueError(
                f"a password has {LEAST_CHARS} to {MOST_CHARS} characters; choose another"
            )
        if name in text.casefold() or len(set(text)) < LEAST_DIFFERENT:
            raise UnfitValueError(
                f"a password has {LEAST_DIFFERENT} different characters and not the user's name in"
                " it; choose another"
            )
        with self._turn():
            return self._hasher.hash(text)

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one of a hash; takes as long where there is no hash.

        Raises:
            LoginBusyError: Too many are being checked.
        """
        text = _normal(password[: 2 * MOST_CHARS])
        with self._turn():
            try:
                self._hasher.verify(kept or self._nobody, text)
            except (VerifyMismatchError, InvalidHashError):
                return False
        return bool(kept)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._free.acquire(timeout=WAIT_S):
            raise LoginBusyError("too many passwords are being checked at once: try again")
        try:
            yield
        finally:
            self._free.release()


def _normal(password: str) -> str:
    """One form for what keyboards spell in several (RFC 8265)."""
    return unicodedata.normalize("NFC", password)
