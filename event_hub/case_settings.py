"""The settings of case work: how soon somebody has to decide, and who is warned else."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MINUTE_US: Final = 60_000_000
MOST_MINUTES: Final = 366 * 24 * 60

_Minutes = Annotated[float, Field(gt=0, le=MOST_MINUTES)]
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class CaseLimit(BaseModel):
    """How long the cases of one severity may take; None is without end.

    Attributes:
        decide_minutes: From the opening of an incident to the first decision, as long as it is
            going on.
        resolve_minutes: From there until it is resolved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decide_minutes: _Minutes | None = None
    resolve_minutes: _Minutes | None = None


class CaseLimits(BaseModel):
    """The limits by severity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: CaseLimit = CaseLimit()
    medium: CaseLimit = CaseLimit()
    high: CaseLimit = CaseLimit()
    critical: CaseLimit = CaseLimit()


class CaseSettings(BaseModel):
    """How cases are worked on.

    Attributes:
        limits: By severity; nobody is warned without any.
        escalate_to: Who is warned when a limit has passed: the first one at once, the next one when
            it has passed by its own length again, and so on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: CaseLimits = CaseLimits()
    escalate_to: tuple[_Name, ...] = ()
