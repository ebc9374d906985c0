"""`RuleSet`: kinds of rules with their versions and parameters, under a name that never changes.

A set never changes once it was released. So a new version of the program changes nothing that a
running city reports: what is new stands in a newer set, which runs where somebody takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class PinnedRule:
    """One rule of a set.

    Attributes:
        kind: `traffic.congestion`.
        version: Version of the rule.
        parameters: Deviations from the defaults of that version.
    """

    kind: str
    version: str
    parameters: Mapping[str, object] = field(default_factory=dict)


RuleSet = tuple[PinnedRule, ...]

RULE_SETS: Final[Mapping[str, RuleSet]] = MappingProxyType(
    {
        "traffic/1": (PinnedRule("traffic.congestion", "1"),),
        "traffic/2": (
            PinnedRule("traffic.congestion", "2"),
            PinnedRule("traffic.zone_traffic", "1"),
        ),
        "littering/1": (PinnedRule("littering.dropped_object", "1"),),
        "littering/2": (
            PinnedRule("littering.dropped_object", "2"),
            PinnedRule("littering.exposed_rubbish", "1"),
        ),
        "crowding/1": (PinnedRule("crowding.density", "1"),),
        "crowding/2": (
            PinnedRule("crowding.density", "2"),
            PinnedRule("crowding.head_count", "1"),
        ),
    }
)
"""Every set by `TASK/VERSION`."""


def newest_set(task: str) -> str:
    """Name of the newest set of a task; of a task that is unknown, one that is unknown too."""
    versions = [int(name.partition("/")[2]) for name in RULE_SETS if name.startswith(f"{task}/")]
    return f"{task}/{max(versions, default=1)}"
