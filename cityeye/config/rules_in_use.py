"""`RulesInUse`: which rule sets and versions a configuration runs, why those, and what is newer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from cityeye.config.kept_rules import KeptRules
from cityeye.config.plans import rule_set_of
from cityeye.config.rule_options import VERSION
from cityeye.config.schema import Settings
from pipelines.rules import RULE_SETS, default_set, find_rule


class RuleOrigin(StrEnum):
    """Why it is this set, or this version."""

    NAMED = "named"
    KEPT = "kept"
    NEWEST = "the newest, kept from the next start on"


@dataclass(frozen=True, slots=True)
class UsedRules:
    """One rule set in use, or one rule that stands in none.

    Attributes:
        name: `traffic/1`, or `traffic.congestion 1`.
        newer: What is newer and can be taken; empty where there is nothing.
        remedy: How to take it.
    """

    name: str
    origin: RuleOrigin
    newer: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """For people."""
        return f"{self.name} ({self.origin})"


@dataclass(frozen=True, slots=True)
class RulesInUse:
    """What runs.

    Attributes:
        sets: Rule sets, sorted.
        single: Rules that a task lists outside of a set, sorted.
        kept: What the city keeps once it has run this configuration.
    """

    sets: tuple[UsedRules, ...] = ()
    single: tuple[UsedRules, ...] = ()
    kept: KeptRules = field(default_factory=KeptRules)

    @classmethod
    def of(cls, settings: Settings, kept: KeptRules) -> RulesInUse:
        """Those of a configuration, in a city that keeps `kept`."""
        sets: set[tuple[str, RuleOrigin]] = set()
        single: set[tuple[str, str, RuleOrigin]] = set()
        for name, task in (one for camera in settings.cameras for one in camera.tasks.items()):
            used = rule_set_of(name, task, kept)
            if used is not None:
                sets.add((used, _origin(task.rule_set is not None, name in kept.sets)))
            of_set = {rule.kind for rule in RULE_SETS.get(used or "", ())}
            for kind, said in (task.rules or {}).items():
                version = (said or {}).get(VERSION)
                if version is not None or kind not in of_set:
                    origin = _origin(version is not None, kind in kept.versions)
                    single.add((kind, str(version or kept.version_of(kind)), origin))
        more = kept.with_more(
            {_task(name): name for name, origin in sets if origin is RuleOrigin.NEWEST},
            {kind: version for kind, version, origin in single if origin is RuleOrigin.NEWEST},
        )
        return cls(
            tuple(_used_set(*one) for one in sorted(sets)),
            tuple(_used_rule(*one) for one in sorted(single)),
            more,
        )

    def newer(self) -> Iterator[str]:
        """A sentence for each set and rule of which there is a newer one."""
        for one in (*self.sets, *self.single):
            if one.newer:
                yield f"{one.newer} is there; {one.name} stays until {one.remedy}"


def _origin(named: bool, kept: bool) -> RuleOrigin:
    if named:
        return RuleOrigin.NAMED
    return RuleOrigin.KEPT if kept else RuleOrigin.NEWEST


def _task(set_name: str) -> str:
    return set_name.rpartition("/")[0]


def _used_set(name: str, origin: RuleOrigin) -> UsedRules:
    newest = default_set(_task(name))
    if newest == name:
        return UsedRules(name, origin)
    rules = ", ".join(f"{rule.kind} {rule.version}" for rule in RULE_SETS[newest])
    return UsedRules(name, origin, f"{newest} ({rules})", f"a task says `rule_set: {newest}`")


def _used_rule(kind: str, version: str, origin: RuleOrigin) -> UsedRules:
    name, newest = f"{kind} {version}", find_rule(kind)
    if newest is None or newest.version == version:
        return UsedRules(name, origin)
    remedy = f'the rule has `version: "{newest.version}"`'
    return UsedRules(name, origin, f"version {newest.version} of {kind}", remedy)
