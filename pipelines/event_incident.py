"""What events say of an incident beside its life: who takes part, its peak, its case code.

A part of the contract in `pipelines.event`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from pipelines.event_evidence import Contract

Severities = Literal["low", "medium", "high", "critical"]
LEVELS: Final = {"low": 1, "medium": 2, "high": 3, "critical": 4}


class SubjectData(Contract):
    """An object that takes part. `box` is x1 y1 x2 y2 in normalised image coordinates."""

    track: int
    label: str
    score: float
    box: tuple[float, float, float, float]


class PeakData(Contract):
    """An incident when it was greatest: at the highest severity, the greatest size.

    Attributes:
        at: When the image of that moment was taken; the keyframe of role `peak` has the same time,
            and where none has it, the opening does.
        size: How much of it there was, in what the rule counts: vehicles, persons.
        detail: The numbers of the rule at that moment.
        subjects: Who took part then, in that image.
    """

    at: datetime
    severity: Severities
    size: float
    detail: dict[str, float] = Field(default_factory=dict)
    subjects: tuple[SubjectData, ...] = ()


class CaseData(Contract):
    """Under which code of which table the city files the incident; titles may be empty."""

    code: str
    table: str
    zh: str = ""
    en: str = ""
