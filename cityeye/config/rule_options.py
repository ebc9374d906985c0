"""`RuleOptions`: what may stand beside the parameters of any rule: version, schedule, masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from cityeye.config.section import Section
from cityeye.config.values import ZonePolygon, armed_spans, not_empty
from pipelines.rules import ArmedSpan, ArmingSchedule, Zone

ArmedSpans = Annotated[tuple[str, ...], AfterValidator(armed_spans)]


class RuleOptions(Section):
    """Beside the parameters of a rule."""

    version: Annotated[str, Field(coerce_numbers_to_str=True)] | None = None
    """a version of the rule in quotes, for example `"1"`"""
    schedule: ArmedSpans | None = None
    """when the rule is armed, for example `[mon-fri 07:00-19:00]`"""
    masks: Annotated[dict[str, ZonePolygon], AfterValidator(not_empty)] | None = None
    """polygons by name in which nothing counts for this rule, for example
    `tree: [[0.2, 0.5], [0.8, 0.5], [0.9, 0.9]]`"""


VERSION: Final = "version"
OPTIONS: Final = tuple(RuleOptions.model_fields)


def parameters_of(said: Mapping[str, object] | None) -> dict[str, object]:
    """What a file says of a rule without its options."""
    return {name: value for name, value in (said or {}).items() if name not in OPTIONS}


def options_of(said: Mapping[str, object] | None) -> dict[str, object]:
    """The options alone, as they are written."""
    return {name: value for name, value in (said or {}).items() if name in OPTIONS}


def schedule_of(spans: Sequence[str] | None, time_zone: str | None) -> ArmingSchedule | None:
    """What spans of time mean in a city; None for always."""
    if not spans or time_zone is None:
        return None
    return ArmingSchedule(tuple(map(ArmedSpan.parse, spans)), time_zone)


def mask_zones(masks: Mapping[str, ZonePolygon] | None) -> tuple[Zone, ...]:
    """Masks as a plan has them."""
    return tuple(Zone(name, polygon) for name, polygon in (masks or {}).items())
