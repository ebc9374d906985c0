"""The rules: what counts as an incident, decided from tracks and, where declared, other signals."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from pipelines.rules.congestion import CONGESTION
from pipelines.rules.density import DENSITY
from pipelines.rules.dropped_object import DROPPED_OBJECT
from pipelines.rules.rule import Rule, RuleError, RulePlan, RuleType
from pipelines.rules.wrong_way import WRONG_WAY
from pipelines.rules.zone_geometry import ZoneError

__all__ = ["RULES", "Rule", "RuleError", "RuleType", "build_rule"]

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
