"""The rules: what counts as an incident, decided from tracks and, where declared, other signals.

A version of a rule never changes what it reports once it was released, and neither does a set of
rules: what is new in the program runs where somebody names it, or names a newer set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from pipelines.rules.bin_overflow import BIN_OVERFLOW
from pipelines.rules.carriageway_intrusion import CARRIAGEWAY_INTRUSION
from pipelines.rules.congestion import CONGESTION
from pipelines.rules.cooling import EndedIncident, closeness
from pipelines.rules.density import DENSITY
from pipelines.rules.description import ParameterDescription, RuleDescription, described
from pipelines.rules.dispersal import DISPERSAL
from pipelines.rules.dropped_object import DROPPED_OBJECT
from pipelines.rules.earlier.congestion_1 import CONGESTION_1
from pipelines.rules.earlier.density_1 import DENSITY_1
from pipelines.rules.earlier.dropped_object_1 import DROPPED_OBJECT_1
from pipelines.rules.exposed_rubbish import EXPOSED_RUBBISH
from pipelines.rules.gathering import GATHERING
from pipelines.rules.head_count import HEAD_COUNT
from pipelines.rules.hysteresis import GAP_FACTOR, MAX_GAP_S, MIN_GAP_S
from pipelines.rules.line_count import LINE_COUNT
from pipelines.rules.loitering import LOITERING
from pipelines.rules.rule import MeasureParameters, Rule, RuleError, RuleParameters, RuleType
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.schedule import ArmedSpan, ArmingSchedule, ScheduleError
from pipelines.rules.sets import RULE_SETS, PinnedRule, newest_set
from pipelines.rules.stopped_vehicle import STOPPED_VEHICLE
from pipelines.rules.wrong_way import WRONG_WAY
from pipelines.rules.zone import GroundCalibration, ImageArrow, ImagePoint, Line, Zone
from pipelines.rules.zone_geometry import GroundPlane, LineShape, ZoneError, ZoneShape
from pipelines.rules.zone_traffic import ZONE_TRAFFIC

__all__ = [
    "EARLIER_RULES",
    "RULES",
    "RULE_SETS",
    "ArmedSpan",
    "ArmingSchedule",
    "EndedIncident",
    "GroundCalibration",
    "GroundPlane",
    "ImageArrow",
    "ImagePoint",
    "Line",
    "LineShape",
    "ParameterDescription",
    "PinnedRule",
    "Rule",
    "RuleDescription",
    "RuleError",
    "RulePlan",
    "RuleType",
    "ScheduleError",
    "Zone",
    "ZoneError",
    "ZoneShape",
    "build_rule",
    "closeness",
    "default_set",
    "describe_rules",
    "find_rule",
    "longest_gap_s",
    "min_fps",
    "versions_of",
]

RULES: Final[Mapping[str, RuleType[Any]]] = MappingProxyType(
    {
        rule.kind: rule
        for rule in (
            CONGESTION,
            DROPPED_OBJECT,
            EXPOSED_RUBBISH,
            BIN_OVERFLOW,
            ZONE_TRAFFIC,
            DENSITY,
            GATHERING,
            DISPERSAL,
            LOITERING,
            HEAD_COUNT,
            WRONG_WAY,
            STOPPED_VEHICLE,
            CARRIAGEWAY_INTRUSION,
            LINE_COUNT,
        )
    }
)
"""Every kind of rule that a plan may name, in its newest version."""

EARLIER_RULES: Final[tuple[RuleType[Any], ...]] = (CONGESTION_1, DENSITY_1, DROPPED_OBJECT_1)
"""Versions that a newer one replaces, which sets and configurations may name."""

_BY_VERSION: Final[Mapping[tuple[str, str], RuleType[Any]]] = {
    (rule.kind, rule.version): rule for rule in (*RULES.values(), *EARLIER_RULES)
}

SLOW_FACTOR: Final = 1.5
"""How much later than it should come a frame may be, as a share of the interval."""


def find_rule(kind: str, version: str = "") -> RuleType[Any] | None:
    """A version of a kind of rule, the newest one without `version`; None where there is none."""
    return _BY_VERSION.get((kind, version)) if version else RULES.get(kind)


def versions_of(kind: str) -> tuple[str, ...]:
    """The versions of a kind of rule, oldest first."""
    return tuple(sorted((one for name, one in _BY_VERSION if name == kind), key=int))


def describe_rules() -> tuple[RuleDescription, ...]:
    """Every version of every kind of rule, kinds in the order of their names, newest first."""
    found = sorted(
        _BY_VERSION.values(), key=lambda rule: (rule.task, rule.kind, -int(rule.version))
    )
    return tuple(described(one, is_newest=one is RULES[one.kind]) for one in found)


def default_set(task: str) -> str:
    """Name of the set that a task gets whose configuration names no rules."""
    return newest_set(task)


def min_fps(rule: RuleType[Any], parameters: MeasureParameters) -> float:
    """The rate of frames per second up to which a rule could never open or end an incident.

    Nor could it measure. At it every pause between two frames counts as a gap, which forgets what
    was seen before, or is too long for a speed.
    """
    limits_s = [rule.max_interval_s] if rule.max_interval_s is not None else []
    windows_s: tuple[float, ...] = (math.inf,)
    if isinstance(parameters, RuleParameters):
        windows_s = (parameters.confirm_s, parameters.expire_s)
    if any(windows_s):
        limits_s.append(MAX_GAP_S)
    return max(rule.least_fps, 1.0 / min(limits_s) if limits_s else 0.0)


def longest_gap_s(fps: float, plans: Iterable[RulePlan]) -> float:
    """How far apart two analysed frames may be for a task to have watched what lies between.

    Args:
        fps: The rate of the task.
        plans: Its rules; the one that tolerates least decides.
    """
    found = (find_rule(plan.kind, plan.version) for plan in plans)
    rules = [rule for rule in found if rule is not None]
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
    rule = find_rule(plan.kind, plan.version)
    if rule is None:
        known = versions_of(plan.kind)
        what = f"no version {plan.version!r} of the rule" if known else "no rule"
        choice = ", ".join(known or RULES)
        raise RuleError(f"camera {camera}: there is {what} {plan.kind!r}; choose from {choice}")
    try:
        return rule.build(camera, plan, incarnation)
    except (ValidationError, RuleError, ZoneError) as error:
        raise RuleError(f"camera {camera}: rule {plan.kind}: {error}") from error
