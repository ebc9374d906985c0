"""`ConfigEditor`: changes the configuration file of a running city, and the city with it.

A change is checked as a whole before anything is written. It is written into the file, with every
other byte as it was, and the city takes it at once. Two who change something at the same time never
overwrite each other: a change names the revision of the file that it is about. What a person has
changed by hand and the city has not taken is never taken along.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from cityeye.config import (
    Changes,
    Config,
    ConfigurationError,
    NotEditableError,
    Problem,
    YamlText,
    changes_between,
)
from cityeye.config_history import ConfigHistory, ConfigVersion, digest_of
from cityeye.errors import CommandError
from cityeye.reconfiguration import ChangeOutcome
from pipelines.access import write_owned_file

log = logging.getLogger(__name__)

EditResult = Literal["done", "refused", "conflict", "invalid", "not_taken"]
TextChange = Callable[[YamlText], None]
"""Changes the text of a configuration; raises `CommandError` or `NotEditableError` otherwise."""

APPLY: Final = "`cityeye apply` takes it; then try again"


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """What came of an edit.

    Attributes:
        result: `done`; `refused` or `invalid`, where nothing was changed; `conflict`, where
            somebody else has changed the file; `not_taken`, where the file was changed and the city
            has not taken all of it.
        lines: For people, without values.
        revision: Of the file now.
        problems: Why it is `invalid`.
    """

    result: EditResult
    lines: tuple[str, ...]
    revision: str
    problems: tuple[Problem, ...] = ()


class EditedCity(Protocol):
    """A city whose configuration is edited, see `Reconfiguration`."""

    @property
    def config(self) -> Config:
        """What it runs."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else changes anything for as long as the context lasts."""
        ...

    def refusal(self, wanted: Config) -> str:
        """Why it would not take a configuration; empty where it would."""
        ...

    def take(self, wanted: Config, changes: Changes) -> ChangeOutcome:
        """Has it take a configuration that is in the file."""
        ...


class CityAtRest:
    """A city that does not run: it takes every valid change when it starts."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def alone(self) -> AbstractContextManager[None]:
        """See `EditedCity`; there is nobody else."""
        return nullcontext()

    def refusal(self, _: Config) -> str:
        """See `EditedCity`; how much room there is, is known when it runs."""
        return ""

    def take(self, wanted: Config, changes: Changes) -> ChangeOutcome:
        """See `EditedCity`."""
        self.config = wanted
        return ChangeOutcome(True, tuple(map(str, changes.cameras)), given=True)


class ConfigEditor:
    """The editor of one city. Safe from any thread."""

    def __init__(self, changes: EditedCity) -> None:
        """Edits the file of what `changes` runs."""
        self._changes = changes
        self._history = ConfigHistory(changes.config.settings.state)

    @property
    def config(self) -> Config:
        """What the city runs; its digest is the revision that edits name."""
        return self._changes.config

    def versions(self) -> tuple[ConfigVersion, ...]:
        """The changes that were made here, the oldest first."""
        return self._history.versions()

    def text(self) -> YamlText:
        """The file, for reading.

        Raises:
            CommandError: It cannot be read, or was changed and the city has not taken that.
        """
        content, refusal = self._read(None)
        if refusal is not None:
            raise CommandError(" ".join(refusal.lines))
        return YamlText(content.decode())

    def edit(
        self, change: TextChange, who: str, revision: str | None, *, only_check: bool = False
    ) -> EditOutcome:
        """Makes a change, in the file and in the city.

        Args:
            change: Changes the text.
            who: Who asked for it, for the history.
            revision: The revision that the change is about; None for whatever there is.
            only_check: Say what would be done, and do nothing.
        """
        with self._changes.alone():
            before, refusal = self._read(revision)
            if refusal is not None:
                return refusal
            try:
                text = YamlText(before.decode())
                change(text)
                after = text.text.encode()
                wanted = self.config.reread(after)
            except ConfigurationError as error:
                return self._outcome("invalid", (), error.problems)
            except (CommandError, NotEditableError, UnicodeDecodeError) as error:
                return self._outcome("refused", (str(error),))
            return self._bring(before, after, wanted, only_check=only_check, who=who)

    def undo(self, who: str, revision: str | None) -> EditOutcome:
        """Takes the newest change back that is not taken back yet."""
        with self._changes.alone():
            before, refusal = self._read(revision)
            if refusal is not None:
                return refusal
            try:
                version, after = self._history.newest(digest_of(before))
                wanted = self.config.reread(after)
            except ConfigurationError as error:
                return self._outcome("invalid", (), error.problems)
            except CommandError as error:
                return self._outcome("refused", (str(error),))
            return self._bring(before, after, wanted, who=who, undone=version)

    def _read(self, revision: str | None) -> tuple[bytes, EditOutcome | None]:
        """What the file holds, or why it must not be changed now."""
        path = self.config.path
        try:
            content = path.read_bytes()
        except OSError as error:
            reason = (error.strerror or "it cannot be opened").lower()
            return b"", self._outcome("refused", (f"{path} cannot be read: {reason}",))
        if digest_of(content) != self.config.digest:
            line = f"{path} was changed, and the city has not taken that; {APPLY}"
            return b"", self._outcome("conflict", (line,))
        if revision is not None and revision != self.config.digest:
            line = f"{path} was changed since you read it; read it again, then change it"
            return b"", self._outcome("conflict", (line,))
        return content, None

    def _bring(
        self,
        before: bytes,
        after: bytes,
        wanted: Config,
        *,
        who: str,
        only_check: bool = False,
        undone: ConfigVersion | None = None,
    ) -> EditOutcome:
        """Writes what was checked and has the city take it."""
        found = changes_between(self.config, wanted)
        if found.restart:
            return self._outcome("invalid", (), found.restart)
        lines = tuple(str(one) for one in found.cameras)
        if only_check:
            refusal = self._changes.refusal(wanted) if lines else ""
            return self._outcome("refused", (refusal,)) if refusal else self._outcome("done", lines)
        if not lines:
            return self._outcome("done", ("nothing has changed",))
        try:
            if undone is None:
                self._history.note(who, lines, before, after)
            else:
                self._history.undone(undone, who)
        except CommandError as error:
            return self._outcome("refused", (str(error),))
        log.info("configuration_edited", extra={"who": who, "changes": list(lines)})
        return self._write(before, after, wanted, found, undone)

    def _write(
        self,
        before: bytes,
        after: bytes,
        wanted: Config,
        found: Changes,
        undone: ConfigVersion | None,
    ) -> EditOutcome:
        """The file first, then the city; the file is as it was where the city refuses."""
        try:
            replace_content(wanted.path, after)
        except OSError as error:
            reason = (error.strerror or "it is no usable file").lower()
            self._forget(undone)
            line = f"{wanted.path} cannot be written: {reason}; nothing was changed"
            return self._outcome("refused", (line,))
        outcome = self._changes.take(wanted, found)
        if not outcome.given:
            with suppress(OSError):
                replace_content(wanted.path, before)
            self._forget(undone)
            return self._outcome("refused", outcome.lines)
        if outcome.done:
            return self._outcome("done", outcome.lines)
        trying = f"{wanted.path} has the change; `cityeye apply` tries again"
        return self._outcome("not_taken", (*outcome.lines, trying))

    def _forget(self, undone: ConfigVersion | None) -> None:
        """Takes out of the history what was not done after all."""
        with suppress(CommandError):
            if undone is None:
                self._history.drop()
            else:
                self._history.restored(undone)

    def _outcome(
        self, result: EditResult, lines: tuple[str, ...], problems: tuple[Problem, ...] = ()
    ) -> EditOutcome:
        return EditOutcome(result, lines, self.config.digest, problems)


def replace_content(path: Path, content: bytes) -> None:
    """Gives a file other content, whole or not at all; its rights stay, and so does a link to it.

    Raises:
        OSError: It cannot be written; what was there is there.
    """
    path = path.resolve()
    write_owned_file(path, content, mode=stat.S_IMODE(path.stat().st_mode))
