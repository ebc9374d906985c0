"""Checks that the rate of a task lets every rule of it open an incident at all."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from cityeye.config.catalogue import Catalogue
from cityeye.config.document import Document
from cityeye.config.kept_rules import KeptRules
from cityeye.config.plans import wanted_rules
from cityeye.config.problem import Key
from cityeye.config.schema import MAX_FPS, MIN_FPS
from pipelines.rules import PinnedRule, min_fps


def check_rates(document: Document, catalogue: Catalogue, key: Key, entry: dict[str, Any]) -> None:
    """Adds a problem where a rule of a task could never fire at the rate of the task.

    What is wrong in itself is skipped: the schema and the rules have reported it.
    """
    fps = entry.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not MIN_FPS <= fps <= MAX_FPS:
        return
    for wanted in task_rules(str(key[-1]), entry, catalogue.kept):
        rule = catalogue.find_rule(wanted.kind, wanted.version)
        if rule is None:
            continue
        try:
            limit_fps = min_fps(rule, rule.Parameters.model_validate(dict(wanted.parameters)))
        except ValidationError:
            continue
        if fps <= limit_fps:
            name = f"{wanted.kind} {rule.version}"
            what = f"at `{fps:g}` frames per second the rule {name} could never fire"
            is_listed = wanted.kind in (entry.get("rules") or {})
            other = "leave the rule out" if is_listed else "list under `rules:` what shall run"
            remedy = f"Give more than {limit_fps:g}, or {other}."
            document.report((*key, "fps"), what, remedy)


def task_rules(task: str, entry: dict[str, Any], kept: KeptRules) -> tuple[PinnedRule, ...]:
    """The rules that a task wants, as far as the file is right."""
    listed = entry.get("rules")
    rules = {
        kind: said
        for kind, said in (listed if isinstance(listed, dict) else {}).items()
        if said is None or isinstance(said, dict)
    }
    named = entry.get("rule_set") or (None if rules else kept.set_of(task))
    return wanted_rules(named if isinstance(named, str) else None, rules, kept)
