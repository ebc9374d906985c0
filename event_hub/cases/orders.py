"""What people send to change a case. Each names the revision that they saw."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from event_hub.cases.states import FalseAlarmReason

TEXT_CHARS: Final = 2000
NAME_CHARS: Final = 120
REVISION_MAX: Final = 2**31 - 1


def _readable(text: str) -> str:
    if not all(one.isprintable() or one == "\n" for one in text):
        raise ValueError("holds a control character")
    return text


Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=TEXT_CHARS),
    AfterValidator(_readable),
]
Assignee = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARS),
    AfterValidator(_readable),
]


class CaseOrder(BaseModel):
    """What to do with a case that was seen at a revision; 0 is a case that nobody has touched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: int = Field(ge=0, le=REVISION_MAX)
    text: Words = ""

    @property
    def why(self) -> str:
        """The reason from a list, where there is one."""
        return ""

    @property
    def assignee(self) -> str:
        """To whom it goes, where it goes to somebody."""
        return ""


class FalseAlarmOrder(CaseOrder):
    """Says that there was no such incident; `other` needs a text."""

    reason: FalseAlarmReason

    @property
    def why(self) -> str:
        """The reason."""
        return self.reason

    @model_validator(mode="after")
    def _said(self) -> FalseAlarmOrder:
        if self.reason == "other" and not self.text:
            raise ValueError("the reason 'other' needs a text that says which")
        return self


class DispatchOrder(CaseOrder):
    """Sends somebody: a person, a team, an office."""

    to: Assignee

    @property
    def assignee(self) -> str:
        """To whom."""
        return self.to


class JoinOrder(CaseOrder):
    """Makes another incident a part of the case; `other_revision` is that of the other's case."""

    incident: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    other_revision: int = Field(default=0, ge=0, le=REVISION_MAX)


class NoteOrder(CaseOrder):
    """Adds words and changes nothing else."""

    text: Annotated[Words, Field(min_length=1)]
