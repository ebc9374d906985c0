"""`RulePlan`: one rule of one task, as a configuration asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.rules.schedule import ArmingSchedule
from pipelines.rules.zone import Line, Zone


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule of one task.

    Attributes:
        kind: What it finds: `traffic.congestion`.
        zones: The task's zones.
        parameters: Deviations from the defaults, as its kind's `Parameters` take them.
        lines: The task's lines.
        version: Version of the rule; empty for the newest.
        schedule: When it is armed; None for always.
        masks: Where nothing counts.
    """

    kind: str
    zones: tuple[Zone, ...]
    parameters: Mapping[str, object] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    version: str = ""
    schedule: ArmingSchedule | None = None
    masks: tuple[Zone, ...] = ()
