"""How users and camera groups may be called."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from event_hub.people.errors import UnfitValueError

MOST_CHARS: Final = 64
_NAME: Final = re.compile(r"\w(?:[\w.@ -]*\w)?")


def user_name(text: str) -> str:
    """The name of a user: one form for all spellings, in small letters.

    Raises:
        UnfitValueError: It is no name.
    """
    return _checked(unicodedata.normalize("NFKC", text).casefold().strip())


def group_name(text: str) -> str:
    """The name of a camera group.

    Raises:
        UnfitValueError: It is no name.
    """
    return _checked(unicodedata.normalize("NFKC", text).strip())


def _checked(name: str) -> str:
    if len(name) > MOST_CHARS or not _NAME.fullmatch(name):
        raise UnfitValueError(
            f"a name has letters and digits, between them also . @ - _ and spaces, and {MOST_CHARS}"
            " characters at most"
        )
    return name
