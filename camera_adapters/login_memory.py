"""`LoginMemory`: what is remembered of a camera's logins, so that no account gets locked.

Cameras lock an account after five to seven wrong passwords, for half an hour. A login is tried no
more than three times in that time, also over restarts and by all cameras of one address together
where a folder is given: without one, the memory lives as long as the camera's `CameraSpec`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

MAX_TRIES = 3
PERIOD_S = 30 * 60.0

PENDING_S = 20.0
"""A try whose outcome is not known after this long counts as refused."""

RECHECK_S = 1.0
"""How long to wait while others try the same login."""

KEPT_LINES = 64
ROUNDS = 20_000

TRIED, REFUSED, ACCEPTED, DIGEST = "tried", "refused", "accepted", "digest"


@dataclass(frozen=True)
class LoginKey:
    """A login at an address; its `repr` shows neither.

    Attributes:
        address: Scheme, host and port.
        username, password: As they are sent.
    """

    address: str
    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def file(self) -> str:
        """The name of the file for the address."""
        return f"{hashlib.sha256(self.address.encode()).hexdigest()[:32]}.txt"

    @cached_property
    def digest(self) -> str:
        """Differs between logins; too short and too slow to guess a password by."""
        salt = f"{self.address}\n{self.username}".encode()
        return hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, ROUNDS, 2).hex()


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line: what happened to which login (empty for all of the address) and when, UTC."""

    kind: str
    login: str
    at_s: float

    @classmethod
    def parse(cls, line: str) -> _Entry | None:
        kind, _, rest = line.partition(" ")
        login, _, at = rest.partition(" ")
        try:
            return cls(kind, login.strip("-"), float(at))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.kind} {self.login or '-'} {self.at_s:.1f}"


class LoginMemory:
    """Counts tries of logins. Safe for several processes with one folder, not for threads."""

    def __init__(self, folder: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Remembers in a folder, which is made when needed, or in this object alone.

        The clock is that of the wall, as the memory outlives a restart of the machine.
        """
        self._folder = folder
        self._clock = clock
        self._own: list[_Entry] = []

    def twin(self) -> LoginMemory:
        """Another memory of the same folder, for another thread that uses the same logins."""
        return LoginMemory(self._folder, self._clock)

    def blocked_s(self, key: LoginKey) -> float:
        """Seconds until a login may be tried again after too many refusals, 0 where it may."""
        with self._entries(key) as entries:
            return self._blocked_s(entries, key) if self._may_block(entries) else 0.0

    def claim(self, key: LoginKey) -> float:
        """Asks to try a login now: 0 where it may be, and is counted; else seconds to wait.

        Whoever was given 0 says afterwards what came of it.
        """
        with self._entries(key) as entries:
            blocked_s = self._blocked_s(entries, key)
            if blocked_s > 0:
                return blocked_s
            recent = self._since_accepted(entries, key)
            if len(recent) >= MAX_TRIES and not self._is_known_good(entries, key):
                return RECHECK_S
            entries.append(_Entry(TRIED, key.digest, self._clock()))
            return 0.0

    def refused(self, key: LoginKey) -> bool:
        """The login was refused; whether it is wrong beyond doubt.

        A login that the camera took before may have met a damaged answer, once.
        """
        with self._entries(key) as entries:
            known_good = self._is_known_good(entries, key)
            self._resolve(entries, key, REFUSED)
            return not known_good

    def accepted(self, key: LoginKey) -> None:
        """The login was taken."""
        with self._entries(key) as entries:
            self._resolve(entries, key, ACCEPTED)

    def digest_was_offered(self, key: LoginKey) -> bool:
        """Whether the address ever offered Digest."""
        with self._entries(key) as entries:
            return any(one.kind == DIGEST for one in entries)

    def note_digest(self, key: LoginKey) -> None:
        """The address offers Digest; a later wish for Basic comes from somebody else."""
        with self._entries(key) as entries:
            if not any(one.kind == DIGEST for one in entries):
                entries.append(_Entry(DIGEST, "", self._clock()))

    def _blocked_s(self, entries: list[_Entry], key: LoginKey) -> float:
        now_s = self._clock()
        recent = self._since_accepted(entries, key)
        refused = [
            min(one.at_s, now_s)
            for one in recent
            if one.kind == REFUSED or now_s - one.at_s > PENDING_S
        ]
        # Of a login that is known to be good, an answer that never came says nothing.
        if len(refused) < MAX_TRIES or self._is_known_good(entries, key):
            return 0.0
        return max(0.0, sorted(refused)[-MAX_TRIES] + PERIOD_S - now_s)

    @staticmethod
    def _may_block(entries: list[_Entry]) -> bool:
        """Spares the slow hash where nothing was ever refused."""
        return sum(one.kind in (TRIED, REFUSED) for one in entries) >= MAX_TRIES

    def _since_accepted(self, entries: list[_Entry], key: LoginKey) -> list[_Entry]:
        """Tries of the login in the period, as far as none was taken since."""
        now_s, login = self._clock(), key.digest
        recent: list[_Entry] = []
        for one in entries:
            if one.login != login or now_s - one.at_s > PERIOD_S:
                continue
            recent = [] if one.kind == ACCEPTED else [*recent, one]
        return recent

    def _is_known_good(self, entries: list[_Entry], key: LoginKey) -> bool:
        """Whether the login was taken before and never refused since."""
        login = key.digest
        accepted = any(one.kind == ACCEPTED and one.login == login for one in entries)
        recent = self._since_accepted(entries, key)
        return accepted and not any(one.kind == REFUSED for one in recent)

    def _resolve(self, entries: list[_Entry], key: LoginKey, kind: str) -> None:
        login = key.digest
        for index, one in enumerate(entries):
            if one.kind == TRIED and one.login == login:
                del entries[index]
                break
        if kind == ACCEPTED:
            entries[:] = [one for one in entries if one.login != login]
        entries.append(_Entry(kind, login, self._clock()))

    @contextmanager
    def _entries(self, key: LoginKey) -> Iterator[list[_Entry]]:
        """What is known of the address; changes are kept."""
        if self._folder is None:
            yield self._own
            self._own = self._worth_keeping(self._own)
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder / key.file, os.O_RDWR | os.O_CREAT, 0o600)
            file = os.fdopen(descriptor, "r+", encoding="ascii", errors="replace")
        except OSError:
            # A full or read-only disk must not blind a camera; this process still counts.
            yield self._own
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lines = file.read(KEPT_LINES * 100).splitlines()
            entries = [one for line in lines if (one := _Entry.parse(line)) is not None]
            if self._own:
                # What a full disk did not take still counts.
                entries += [one for one in self._own if one not in entries]
                entries.sort(key=lambda one: one.at_s)
            before = list(entries)
            yield entries
            if entries != before or self._own:
                kept = self._worth_keeping(entries)
                self._own = [] if self._write(file.fileno(), kept) else kept

    def _write(self, file: int, entries: list[_Entry]) -> bool:
        """Writes entries over those before; False where the disk does not take them."""
        data = "".join(f"{one}\n" for one in entries).encode("ascii")
        try:
            whole = os.pwrite(file, data, 0) == len(data)
            os.ftruncate(file, len(data))
        except OSError:
            return False
        return whole

    def _worth_keeping(self, entries: list[_Entry]) -> list[_Entry]:
        now_s = self._clock()
        lasting = [one for one in entries if one.kind in (ACCEPTED, DIGEST)]
        passing = [one for one in entries if one not in lasting and now_s - one.at_s <= PERIOD_S]
        return (lasting + passing)[-KEPT_LINES:]
