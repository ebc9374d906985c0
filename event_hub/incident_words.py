"""What free text finds: names, codes and numbers of an incident, in one form of writing."""

from __future__ import annotations

import unicodedata
from typing import Final

from pipelines.event import IncidentData

WORDS_CHARS: Final = 400
"""More is not searched; it is an index entry, and databases bound those."""


def plain(text: str) -> str:
    """The same text in the form in which it is compared: no case, no width, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words_of(incident: IncidentData) -> str:
    """What free text is searched in."""
    case = incident.case
    parts = (
        incident.zone,
        incident.camera.id,
        incident.camera.name,
        *((case.code, case.zh, case.en) if case else ()),
        incident.kind,
        *(f"{name} {value:g}" for name, value in incident.detail.items()),
    )
    return plain(" ".join(parts))[:WORDS_CHARS]
