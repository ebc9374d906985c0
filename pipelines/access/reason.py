"""`ReasonedRequest`: what somebody who wants to see what is restricted has to say."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from pipelines.access.audit import LEAST_REASON_CHARS, REASON_CHARS

Reason = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=LEAST_REASON_CHARS, max_length=REASON_CHARS
    ),
]


class ReasonedRequest(BaseModel):
    """Why somebody wants to see it, for the audit trail."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
