"""`Problem`: one mistake in a configuration, with its key, its line and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cityeye.errors import CityEyeError

Key = tuple[str | int, ...]
"""Where a value stands in the document: `("cameras", 0, "tasks")`."""

SECRET_KEYS = frozenset(
    {
        "access_key",
        "database",
        "password",
        "secret",
        "secret_key",
        "source",
        "token",
        "url",
        "username",
    }
)
"""Keys whose values may be or hold a secret; no message quotes one."""

FILE_SUFFIX = "_file"
"""`password_file` names the file that holds the value of `password`."""

FILED_KEYS = SECRET_KEYS - {"source", "url"}
"""Keys whose value may be in a file of its own."""


def dotted(key: Key) -> str:
    """A key as people write it: `cameras[0].tasks`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def listing(known: Iterable[str]) -> str:
    """Known words for the end of a sentence: `a, b`, or `none` where there are none."""
    return ", ".join(sorted(known)) or "none"


def sentence(clause: str) -> str:
    """A clause with a capital and a full stop."""
    return f"{clause[:1].upper()}{clause[1:]}."


def choice(word: str, known: Iterable[str], noun: str) -> str:
    """The remedy for a word that is not among `known`."""
    names = sorted(known)
    guesses = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    hint = f"Did you mean `{guesses[0]}`? " if guesses else ""
    return f"{hint}Known {noun}: {listing(names)}."


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake.

    Attributes:
        line: Line of the file, counted from 1.
        key: Dotted key, empty where the file as a whole is meant.
        what: What is wrong, a clause without a full stop.
        remedy: What to do, a sentence.
    """

    line: int
    key: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """One printable line, whatever was written into the file."""
        subject = f"{self.key}: " if self.key else ""
        text = f"{subject}{self.what}. {self.remedy}"
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class ConfigurationError(CityEyeError):
    """A configuration file cannot be used; the message has one line for each mistake.

    Attributes:
        path: The file.
        problems: Its mistakes, sorted by line, at most one per key and line.
    """

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        first: dict[tuple[int, str], Problem] = {}
        for problem in problems:
            first.setdefault((problem.line, problem.key or problem.what), problem)
        self.path = path
        self.problems = tuple(sorted(first.values()))
        super().__init__(
            "\n".join(f"{path}:{problem.line}: {problem}" for problem in self.problems)
        )
