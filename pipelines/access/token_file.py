"""`TokenFile`: the tokens of one city in a folder that only its owner can read.

The control API, the hub and the command line are different processes. All of them check against
this file and read it again when it has changed, so a revoked token is refused at once.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from pipelines.access.caller import Caller
from pipelines.access.owned_files import OWNER_ONLY, create_owned_folder, write_owned_file
from pipelines.access.scope import Scope
from pipelines.access.token import Token, new_token, split_token

log = logging.getLogger(__name__)

TOKENS = "tokens.json"
FIRST = "first-token"
LOCK = "tokens.lock"
FIRST_NAME = "first"
MAX_TOKENS = 10_000
OTHERS = 0o077
"""Permissions that nobody but the owner may have."""


class TokenFileError(Exception):
    """The tokens cannot be read or written; the text says what to do."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file holds. Programs that know no camera groups refuse version 2."""

    tokens: tuple[Token, ...] = ()
    version: Literal[1, 2] = 1


_KEPT = TypeAdapter(_Kept)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class TokenFile:
    """Tokens in `folder`; nothing is created before `prepare`."""

    def __init__(self, folder: Path, utc_now: Callable[[], datetime] = _utc_now) -> None:
        self.folder = folder
        self._path = folder / TOKENS
        self._utc_now = utc_now
        self._known: dict[str, Token] = {}
        self._stamp: tuple[int, int, int] | None = None

    def prepare(self) -> None:
        """Creates folder, file and a first token of scope `admin` where there are none.

        Raises:
            TokenFileError: They cannot be created, or others can read them.
        """
        with self._writing() as tokens:
            if not self._path.exists():
                token, text = new_token(FIRST_NAME, Scope.ADMIN, self._utc_now())
                tokens[token.id] = token
                self._write(FIRST, text.encode())

    def check(self, presented: str) -> Token | None:
        """The valid token that was presented, None for every other text.

        Raises:
            TokenFileError: The file cannot be read; nobody is let in then.
        """
        self._refresh()
        return self._valid(self._known, presented)

    def caller(self, presented: str) -> Caller | None:
        """Who presents a valid token; a session is called like the token that it was made with.

        Raises:
            TokenFileError: The file cannot be read; nobody is let in then.
        """
        token = self.check(presented)
        if token is None:
            return None
        owner = self._known.get(token.parent, token)
        return Caller(token.id, owner.name, token.scope, token.parent, token.groups)

    def first(self) -> str:
        """The text of the first token.

        Raises:
            TokenFileError: There is none, or it has been revoked.
        """
        try:
            text = self._read(FIRST).decode("ascii", errors="replace").strip()
        except FileNotFoundError:
            raise TokenFileError(
                f"{self.folder} holds no token yet; start the city or the hub once"
            ) from None
        if self.check(text) is None:
            raise TokenFileError(
                "the first token is not valid any more; make another with `cityeye token new`"
            )
        return text

    def tokens(self) -> tuple[Token, ...]:
        """All that are valid, oldest first; without those that can only be exchanged.

        Raises:
            TokenFileError: The file cannot be read.
        """
        now = self._utc_now()
        known = self._load().values()
        return tuple(token for token in known if token.is_valid_at(now) and not token.once)

    def issue(
        self,
        name: str,
        scope: Scope,
        lifetime: timedelta | None = None,
        *,
        once: bool = False,
        replace: bool = False,
        groups: tuple[str, ...] = (),
    ) -> str:
        """Makes a token and gives its text, which is kept nowhere.

        Args:
            name: What people call it.
            scope: What it is good for.
            lifetime: It expires after that; never where it is None.
            once: It can only be exchanged, see `exchange`.
            replace: Those of the same name are revoked.
            groups: Names of the camera groups that it is limited to; all cameras without any.

        Raises:
            TokenFileError: The file cannot be written, or holds too many tokens.
        """
        with self._writing() as tokens:
            for old in [one for one in tokens.values() if replace and one.name == name]:
                del tokens[old.id]
            if len(tokens) >= MAX_TOKENS:
                raise TokenFileError(f"there are {MAX_TOKENS} tokens already; revoke some")
            now = self._utc_now()
            expires_at = None if lifetime is None else now + lifetime
            token, text = new_token(name, scope, now, expires_at, once, groups=groups)
            tokens[token.id] = token
            return text

    def exchange(self, presented: str, name: str, lifetime: timedelta) -> str | None:
        """A new token for a valid one, with its scope; None for every other text.

        One that is good for a single exchange is gone after it. The new token ends with the old
        one otherwise: when it expires and when it is revoked.

        Raises:
            TokenFileError: The file cannot be read or written.
        """
        with self._writing() as tokens:
            old = self._valid(tokens, presented, exchange=True)
            if old is None:
                return None
            now = self._utc_now()
            expires_at, parent = now + lifetime, old.id
            if old.once:
                del tokens[old.id]
                parent = ""
            elif old.expires_at is not None:
                expires_at = min(expires_at, old.expires_at)
            token, text = new_token(
                name, old.scope, now, expires_at, parent=parent, groups=old.groups
            )
            tokens[token.id] = token
            return text

    def revoke(self, wanted: str) -> int:
        """Removes the tokens with an id or name, and what was made with them; gives their number.

        Raises:
            TokenFileError: The file cannot be written.
        """
        with self._writing() as tokens:
            gone = {one.id for one in tokens.values() if wanted in (one.id, one.name)}
            gone |= {one.id for one in tokens.values() if one.parent in gone}
            for token_id in gone:
                del tokens[token_id]
            return len(gone)

    def _valid(
        self, tokens: dict[str, Token], presented: str, exchange: bool = False
    ) -> Token | None:
        parts = split_token(presented)
        token = tokens.get(parts[0]) if parts else None
        if parts is None or token is None or not token.matches(parts[1]):
            return None
        now = self._utc_now()
        if not token.is_valid_at(now) or (token.once and not exchange):
            return None
        return token

    def _refresh(self) -> None:
        """Reads the file again where it has changed since it was read."""
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._known = self._load()
                self._stamp = stamp
        except FileNotFoundError:
            self._known, self._stamp = {}, None
        except TokenFileError:
            self._known, self._stamp = {}, None
            raise

    def _load(self) -> dict[str, Token]:
        try:
            kept = _KEPT.validate_json(self._read(TOKENS))
        except FileNotFoundError:
            return {}
        except ValidationError:
            raise TokenFileError(
                f"{self._path} cannot be understood; put it back from a copy, or remove the folder "
                "for new tokens"
            ) from None
        return {token.id: token for token in kept.tokens}

    def _read(self, name: str) -> bytes:
        path = self.folder / name
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & OTHERS:
                    raise TokenFileError(f"others can read {path}; run `chmod 600 {path}`")
                return file.read()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise TokenFileError(f"{path} cannot be read: {error.strerror}") from None

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Token]]:
        """The tokens as they are now, to be changed; written back where the block ends well."""
        try:
            create_owned_folder(self.folder)
            self.folder.chmod(OWNER_ONLY)
            lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise TokenFileError(f"{self.folder} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self._load()
            now = self._utc_now()
            tokens = {key: one for key, one in before.items() if one.is_valid_at(now)}
            yield tokens
            if tokens != before:
                version: Literal[1, 2] = 2 if any(one.groups for one in tokens.values()) else 1
                kept = _Kept(tuple(tokens.values()), version)
                self._write(TOKENS, _KEPT.dump_json(kept, indent=1))
        finally:
            os.close(lock)

    def _write(self, name: str, data: bytes) -> None:
        """Puts a file in its place whole, readable by its owner alone."""
        path = self.folder / name
        try:
            write_owned_file(path, data)
        except OSError as error:
            raise TokenFileError(f"{path} cannot be written: {error.strerror}") from None
