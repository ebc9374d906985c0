"""`case_codes:` the table of a city's case codes, in the configuration or in a file beside it.

What stands in the file takes the place of its path, so that what follows knows no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from cityeye.config.document import Document, read_document
from cityeye.config.section import Section
from pipelines import CaseCode, CaseTable
from pipelines.delivery import expand_home

KEY: Final = "case_codes"

Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._/-]{1,40}$")]
Title = Annotated[str, StringConstraints(max_length=80)]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.[a-z_]+$")]


class CaseCodeSection(Section):
    """What a city calls one kind of incident."""

    code: Code
    """the code of the city in quotes, for example `"06010"`"""
    zh: Title = ""
    """its title in Chinese, for example `暴露垃圾`"""
    en: Title = ""
    """its title in English, for example `Exposed rubbish`"""


class CaseCodesSection(Section):
    """The case codes of a city."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    """name and version of the table, for example `district list 2026-1`"""
    codes: dict[Kind, CaseCodeSection] = Field(min_length=1)
    """a code for each kind of incident, for example `littering.exposed_rubbish: {code: "06010"}`"""

    @property
    def table(self) -> CaseTable:
        """The same as events need it."""
        codes = {kind: CaseCode(one.code, one.zh, one.en) for kind, one in self.codes.items()}
        return CaseTable(self.version, codes)


def read_case_codes(document: Document, base: Path) -> None:
    """Replaces the path of a table by what stands in the file.

    Relative paths start from `base`. What cannot be read becomes a problem of the document.
    """
    given = document.data.get(KEY)
    if not isinstance(given, str):
        return
    table = read_document(base / expand_home(Path(given)), {})
    for problem in table.problems:
        what = f"the table cannot be used: line {problem.line}: {problem.what}"
        document.report((KEY,), what, "Name a YAML file with `version` and `codes`.")
    document.data[KEY] = table.data
    if table.problems:
        del document.data[KEY]


def warn_of_missing_codes(
    document: Document, section: CaseCodesSection | None, kinds: Iterable[str]
) -> None:
    """Warns of kinds of incidents in use that a given table has no code for.

    Args:
        document: The configuration.
        section: The table; None where the configuration has none, which is nothing to warn of.
        kinds: The kinds in use.
    """
    if section is None:
        return
    missing = sorted({*kinds} - section.codes.keys())
    if missing:
        what = f"the table has no code for {', '.join(missing)}"
        document.warn((KEY,), what, "Add a code for each; events of these kinds have none.")
