"""Some sections of a configuration, whatever is wrong with the rest of the file.

Who runs a hub alone, makes a backup, or restores one on another machine, need not know the logins
of the cameras.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cityeye.config.document import Document, read_document
from cityeye.config.mistakes import report_mistakes
from cityeye.config.problem import ConfigurationError, Problem
from cityeye.config.secret_files import read_secret_files
from cityeye.config.section import Section

SectionsT = TypeVar("SectionsT", bound=Section)


def read_sections(path: Path, environment: Mapping[str, str], keys: Collection[str]) -> Document:
    """A file with the problems and warnings at or below some keys alone.

    Args:
        path: The file.
        environment: What `${NAME}` stands for.
        keys: For example `hub.oidc`.

    Raises:
        ConfigurationError: The file cannot be read at all.
    """
    document = read_document(path, environment)
    if not document.data:
        raise ConfigurationError(path, document.problems)
    read_secret_files(document, path.absolute().parent)
    for found in (document.problems, document.warnings):
        found[:] = [one for one in found if _is_at(one, keys)]
    return document


def checked_sections(
    document: Document, path: Path, sections: type[SectionsT], data: Mapping[str, Any]
) -> SectionsT:
    """The sections as the schema has them.

    Args:
        document: Of `read_sections`.
        path: Its file.
        sections: What to make of them.
        data: What it is made of.

    Raises:
        ConfigurationError: With every mistake in them, sorted by line.
    """
    try:
        found = sections.model_validate(data, context={"base": path.absolute().parent})
    except ValidationError as error:
        report_mistakes(document, error, sections)
        raise ConfigurationError(path, document.problems) from None
    if document.problems:
        raise ConfigurationError(path, document.problems)
    return found


def _is_at(problem: Problem, keys: Collection[str]) -> bool:
    return any(problem.key == key or problem.key.startswith((f"{key}.", f"{key}[")) for key in keys)
