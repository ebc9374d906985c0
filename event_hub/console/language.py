"""The languages of the console: gettext catalogues, and which of them a browser gets.

The texts in the code are English; `locale/zh/LC_MESSAGES/console.po` has them in simplified
Chinese. The catalogue is read as it is, so that a changed text needs no build step.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from babel.core import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LanguageCode = Literal["en", "zh"]
TagCode = Literal["en-US", "zh-CN"]

COOKIE: Final = "cityeye_language"
LOCALE: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "console"


def N_(text: str) -> str:
    """Marks a text for the catalogues; it is translated where it is used."""
    return text


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """One language of the console.

    Attributes:
        code: As in the cookie.
        tag: As BCP 47 and HTML have it.
        name: In the language itself.
    """

    code: LanguageCode
    tag: TagCode
    name: str
    locale: Locale
    catalogue: gettext.NullTranslations

    def text(self, message: str, **values: object) -> str:
        """A message in this language, `%(name)s` replaced by the values."""
        translated = self.catalogue.gettext(message)
        return translated % values if values else translated


def _load(code: str) -> gettext.NullTranslations:
    with (LOCALE / code / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as source:
        catalogue = read_po(source, locale=code, domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def languages() -> Mapping[LanguageCode, Language]:
    """Every language, by code."""
    return {
        "en": Language("en", "en-US", "English", Locale.parse("en_US"), gettext.NullTranslations()),
        "zh": Language("zh", "zh-CN", "中文", Locale.parse("zh_Hans_CN"), _load("zh")),
    }


def chosen_language(accepted: str, cookie: str = "") -> Language:
    """The language for a browser: what its cookie says, else the first that it accepts.

    Args:
        accepted: Its `Accept-Language` header.
        cookie: Its cookie `cityeye_language`; anything else than a known code is ignored.

    Returns:
        English where it accepts neither.
    """
    known = languages()
    for code, language in known.items():
        if code == cookie:
            return language
    for tag in _preferred(accepted):
        for code, language in known.items():
            if tag.partition("-")[0].lower() == code:
                return language
    return known["en"]


def _preferred(header: str) -> list[str]:
    """`en;q=0.5, zh-CN` → `["zh-CN", "en"]`: RFC 9110, 12.5.4."""
    weighted = []
    for part in header.split(","):
        tag, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            weighted.append((weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda one: -one[0])]
