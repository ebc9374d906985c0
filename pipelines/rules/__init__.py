"""The rules: what counts as an incident, decided from tracks and, where declared, other signals.

A set of rules never changes once it was released, and neither does the set that a task without
rules gets: a rule that is new in the program runs where somebody names it, or names a newer set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from pipelines.rules.congestion import CONGESTION
from pipelines.rules.density import DENSITY
from pipelines.rules.dropped_object import DROPPED_OBJECT
from pipelines.rules.rule import Rule, RuleError, RuleParameters, RulePlan, RuleType
from pipelines.rules.situation import GAP_FACTOR, MAX_GAP_S, MIN_GAP_S
from pipelines.rules.wrong_way import WRONG_WAY
from pipelines.rules.zone import GroundCalibration, ImageArrow, ImagePoint, Line, Zone
from pipelines.rules.zone_geometry import GroundPlane, LineShape, ZoneError, ZoneShape

__all__ = [
    "RULES",
    "RULE_SETS",
    "GroundCalibration",
    "GroundPlane",
    "ImageArrow",
    "ImagePoint",
    "Line",
    "LineShape",
    "Rule",
    "RuleError",
    "RulePlan",
    "RuleType",
    "Zone",
    "ZoneError",
    "ZoneShape",
    "build_rule",
    "default_set",
    "longest_gap_s",
    "min_fps",
]

RULES: Final[Mapping[str, RuleType[Any]]] = MappingProxyType(
    {
        rule.kind: rule
        for rule in (
            CONGESTION,
            DROPPED_OBJECT,
            DENSITY,
            WRONG_WAY,
        )
    }
)
"""Every kind of rule that a plan may name."""


RULE_SETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "traffic/1": ("traffic.congestion",),
        "littering/1": ("littering.dropped_object",),
        "crowding/1": ("crowding.density",),
    }
)
"""Kinds of rules by `TASK/VERSION`; all run with the defaults of their parameters."""

UNNAMED_VERSION: Final = "1"

SLOW_FACTOR: Final = 1.5
"""How much later than it should come a frame may be, as a share of the interval."""


def default_set(task: str) -> str:
    """Name of the set that a task gets whose configuration names no rules."""
    return f"{task}/{UNNAMED_VERSION}"


def min_fps(rule: RuleType[Any], parameters: RuleParameters) -> float:
    """The rate of frames per second up to which a rule could never open an incident.

    At it every pause between two frames counts as a gap, which forgets what was seen before, or is
    too long for a speed.
    """
    limits_s = [rule.max_interval_s] if rule.max_interval_s is not None else []
    if parameters.confirm_s > 0:
        limits_s.append(MAX_GAP_S)
    return 1.0 / min(limits_s) if limits_s else 0.0


def longest_gap_s(fps: float, kinds: Iterable[str]) -> float:
    """How far apart two analysed frames may be for a task to have watched what lies between.

    Args:
        fps: The rate of the task.
        kinds: Its rules; the one that tolerates least decides.
    """
    rules = [RULES[kind] for kind in kinds if kind in RULES]
    limits_s = (rule.max_interval_s for rule in rules if rule.max_interval_s is not None)
    usual_s = max(GAP_FACTOR / fps, MIN_GAP_S)
    # What comes as often as it was asked for is no gap, whatever the rules make of it.
    return max(min(usual_s, MAX_GAP_S, *limits_s), SLOW_FACTOR / fps)


def build_rule(plan: RulePlan, camera: str, incarnation: str) -> Rule:
    """Makes the rule that a plan asks for.

    Args:
        plan: Kind, zones, lines and parameters.
        camera: Camera id.
        incarnation: Differs between worker starts, so that incident ids never repeat.

    Raises:
        RuleError: There is no such rule, or its zones, lines or parameters cannot be used.
    """
    rule = RULES.get(plan.kind)
    if rule is None:
        raise RuleError(
            f"camera {camera}: there is no rule {plan.kind!r}; choose from {', '.join(RULES)}"
        )
    try:
        return rule.build(camera, plan, incarnation)
    except (ValidationError, RuleError, ZoneError) as error:
        raise RuleError(f"camera {camera}: rule {plan.kind}: {error}") from error
