"""Named, versioned sets of rules, and which one a configuration without rules gets.

A set never changes once it was released, and neither does the set that a task without rules gets:
a rule that is new in the program runs where somebody names it, or names a newer set.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RULE_SETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "traffic/1": ("traffic.congestion",),
        "littering/1": ("littering.dropped_object",),
        "crowding/1": ("crowding.density",),
    }
)
"""Kinds of rules by `TASK/VERSION`; all run with the defaults of their parameters."""

UNNAMED_VERSION: Final = "1"


def default_set(task: str) -> str:
    """Name of the set that a task gets whose configuration names no rules."""
    return f"{task}/{UNNAMED_VERSION}"
