"""What came of trying to deliver something: accepted, refused, or the receiver is down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

AcceptOrNot = Literal["accepted", "refused", "down"]


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """One attempt.

    Attributes:
        what: `refused` says something against the event, `down` nothing: everything waits.
        reason: In a sentence, without anything secret.
        wait_s: How long the receiver asks to be left alone.
    """

    what: AcceptOrNot
    reason: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """What is posted: the path with its query, headers and body."""

    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """What came back: status, `Retry-After` in seconds, and the beginning of the body."""

    status: int
    wait_s: float
    body: bytes


def outcome_of_status(answer: ReceivedAnswer) -> DeliveryOutcome:
    """What a status says of a delivery; see RFC 9110, section 15."""
    status = answer.status
    if 200 <= status < 300:  # noqa: PLR2004
        return DeliveryOutcome("accepted")
    reason = f"the receiver answered {status}"
    if status in {400, 406, 409, 411, 413, 414, 415, 422, 431}:
        return DeliveryOutcome("refused", reason)
    return DeliveryOutcome("down", reason, answer.wait_s)
