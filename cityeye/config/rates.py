"""Checks that the rate of a task lets every rule of it open an incident at all."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from cityeye.config.catalogue import Catalogue
from cityeye.config.document import Document
from cityeye.config.problem import Key
from cityeye.config.schema import MAX_FPS, MIN_FPS
from pipelines.rules import RULE_SETS, default_set, min_fps


def check_rates(document: Document, catalogue: Catalogue, key: Key, entry: dict[str, Any]) -> None:
    """Adds a problem where a rule of a task could never fire at the rate of the task.

    What is wrong in itself is skipped: the schema and the rules have reported it.
    """
    fps = entry.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not MIN_FPS <= fps <= MAX_FPS:
        return
    listed = entry.get("rules")
    rules: dict[str, Any] = listed if isinstance(listed, dict) else {}
    named = entry.get("rule_set") or (None if rules else default_set(str(key[-1])))
    wanted = {**dict.fromkeys(RULE_SETS.get(str(named), ())), **rules}
    for kind, given in wanted.items():
        rule = catalogue.rules.get(kind)
        if rule is None:
            continue
        try:
            limit_fps = min_fps(rule, rule.Parameters.model_validate(given or {}))
        except ValidationError:
            continue
        if fps <= limit_fps:
            what = f"at `{fps:g}` frames per second the rule {kind} could never fire"
            remedy = f"Give more than {limit_fps:g}, or leave the rule out."
            document.report((*key, "fps"), what, remedy)
