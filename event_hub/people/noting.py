"""Notes in the audit trail what the caller of a request does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException, Request

from pipelines.access import AuditError, AuditTrail, caller_of


def noted(trail: AuditTrail, request: Request, key: str, action: str, reason: str = "") -> None:
    """Notes durably what is about to happen.

    Args:
        trail: The hub's.
        request: Says who.
        key: What it is about.
        action: As in `AuditEntry`.
        reason: Why, or what is changed.

    Raises:
        HTTPException: 503, as it cannot be noted; it must not happen then.
    """
    with refusing_unnoted():
        trail.note(caller_of(request.scope), key, reason, action)


@contextmanager
def refusing_unnoted() -> Iterator[None]:
    """What cannot be noted is answered with 503."""
    try:
        yield
    except AuditError as error:
        raise HTTPException(503, str(error)) from None
