"""Keeps the Chinese catalogue in step with the code: `python -m event_hub.console.catalogue`.

New texts are added without a translation, which a test refuses; texts that are gone are removed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from event_hub.console.language import DOMAIN, LOCALE

HERE: Final = Path(__file__).parent
SOURCES: Final = [("**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS: Final = {"_": None, "N_": None, "text": None}
"""Calls whose first argument is a text for people."""

WIDTH: Final = 100
HEADER: Final = """msgid ""
msgstr ""
"Language: {}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
"""Without dates and names, so that the file differs only where a text does."""


def messages() -> set[str]:
    """Every text in the code and the templates of the console."""
    found = extract_from_dir(str(HERE), SOURCES, keywords=KEYWORDS, strip_comment_tags=False)
    return {str(message) for _, _, message, _, _ in found}


def read_catalogue(language: str = "zh") -> Catalog:
    """The translations that there are."""
    with _path(language).open("rb") as source:
        return read_po(source, locale=language, domain=DOMAIN)


def update(language: str = "zh") -> list[str]:
    """Writes the catalogue anew with the texts of the code; returns those without translation."""
    known = read_catalogue(language)
    wanted = Catalog(locale=language, domain=DOMAIN, fuzzy=False)
    for text in messages():
        entry = known.get(text)
        wanted.add(text, entry.string if entry else "")
    with _path(language).open("wb") as file:
        file.write(HEADER.format(language).encode())
        write_po(file, wanted, width=WIDTH, sort_output=True, omit_header=True)
    return [str(entry.id) for entry in wanted if entry.id and not entry.string]


def _path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"


if __name__ == "__main__":
    raise SystemExit(
        "\n".join(["without a translation:", *missing]) if (missing := update()) else 0
    )
