"""`CaseTable`: under which code a city files each kind of incident.

Codes differ from city to city and from year to year, so the program knows none: the table comes
from the configuration, and every event names its version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaseCode:
    """What a city calls one kind of incident.

    Attributes:
        code: Its code, as the city writes it.
        zh: Its title in Chinese; empty where the table has none.
        en: Its title in English; empty where the table has none.
    """

    code: str
    zh: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True)
class CaseTable:
    """The codes of a city.

    Attributes:
        version: Name and version of the table, as events repeat it.
        codes: The code by kind of incident.
    """

    version: str
    codes: Mapping[str, CaseCode]
