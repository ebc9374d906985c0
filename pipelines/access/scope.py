"""`Scope`: what a token is good for."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """What the owner of a token may do. From `viewer` to `admin` each includes those before it."""

    SENDER = "sender"
    """Send events to a hub, and nothing else."""
    VIEWER = "viewer"
    """See cameras, incidents, keyframes, models and metrics."""
    OPERATOR = "operator"
    """Work through incidents."""
    ENGINEER = "engineer"
    """Decide which models run, and try them."""
    ADMIN = "admin"
    """Everything."""

    def allows(self, needed: Scope) -> bool:
        """Whether a token of this scope is enough for what needs `needed`."""
        if self is Scope.ADMIN or self is needed:
            return True
        if Scope.SENDER in (self, needed):
            return False
        order = list(Scope)
        return order.index(self) > order.index(needed)
