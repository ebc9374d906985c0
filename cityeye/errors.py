"""What the command line tells a person in one sentence, with exit status 1.

CityEyeError
├── ConfigurationError   a configuration file has mistakes; it carries all of them
└── CommandError         a command cannot do what was asked, and says what to change
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cityeye.config.problem import Problem


class CityEyeError(Exception):
    """A failure whose message is made for the person at the command line."""


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


class CommandError(CityEyeError):
    """A command cannot do what was asked."""
