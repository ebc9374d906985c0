"""`ProblemDetails`: the one shape in which both HTTP APIs refuse a request, that of RFC 9457."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
UNTYPED: Final = "about:blank"
"""The `type` of a problem that its status explains, see RFC 9457, section 4.2.1."""


class ProblemDetails(BaseModel):
    """Why a request was refused, and what to do about it.

    Attributes:
        type: A URI for the kind of problem; `about:blank` where the status says all.
        title: The phrase of the status.
        status: The HTTP status.
        detail: What happened, for people.
        parameter: The parameter of path or query that is wrong, if it is one.
        attribute: Where in the body it is wrong, steps joined by dots, if it is there.
    """

    model_config = ConfigDict(frozen=True)

    type: str = UNTYPED
    title: str = Field(examples=["Not Found"])
    status: int = Field(ge=400, le=599, examples=[404])
    detail: str = Field(examples=["no such incident"])
    parameter: str | None = None
    attribute: str | None = None

    @classmethod
    def of(
        cls, status: int, detail: str, parameter: str | None = None, attribute: str | None = None
    ) -> Self:
        """A problem of a status, with its phrase as the title."""
        known = {one.value: one.phrase for one in HTTPStatus}
        return cls(
            title=known.get(status, "Error"),
            status=status,
            detail=detail,
            parameter=parameter,
            attribute=attribute,
        )

    def as_json(self) -> bytes:
        """The body of the answer; what is not said is left out."""
        return self.model_dump_json(exclude_none=True).encode()
