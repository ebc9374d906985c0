"""Checks that the rates of a task let every rule of it open an incident at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from pydantic import ValidationError

from cityeye.config.catalogue import Catalogue
from cityeye.config.document import Document
from cityeye.config.kept_rules import KeptRules
from cityeye.config.plans import wanted_rules
from cityeye.config.problem import Key
from cityeye.config.task_rate import MAX_FPS, MIN_FPS, USUAL_FPS
from pipelines.rules import PinnedRule, min_fps


def check_rates(document: Document, catalogue: Catalogue, key: Key, entry: dict[str, Any]) -> None:
    """Adds a problem where a rule of a task could never fire at a rate of the task.

    What is wrong in itself is skipped: the schema and the rules have reported it.
    """
    for rate, fps in _rates(document, key, entry):
        _check_rules(document, catalogue, (key, rate), entry, fps)


def _rates(
    document: Document, key: Key, entry: dict[str, Any]
) -> Iterator[tuple[tuple[str, ...], float]]:
    """The rates that a task may have for long, with their keys; reports those that are none."""
    usual = entry.get("fps", USUAL_FPS)
    if not _is_rate(usual):
        return
    if "fps" in entry:
        yield ("fps",), usual
    adaptive = entry.get("adaptive_fps")
    if not isinstance(adaptive, dict):
        return
    idle, near = adaptive.get("idle"), adaptive.get("near")
    if _is_rate(idle):
        if idle < usual:
            yield ("adaptive_fps", "idle"), idle
        else:
            what = f"`{idle:g}` is not below the usual rate, `{usual:g}` frames per second"
            document.report((*key, "adaptive_fps", "idle"), what, "Give less than `fps`.")
    if _is_rate(near) and near <= usual:
        what = f"`{near:g}` is not above the usual rate, `{usual:g}` frames per second"
        document.report((*key, "adaptive_fps", "near"), what, "Give more than `fps`.")
    elif near is not None and not (entry.get("zones") or entry.get("lines")):
        what = "the task has neither zones nor lines, so nothing is ever near one"
        remedy = "Name them under the task's `zones:` or `lines:`, or leave `near:` out."
        document.report((*key, "adaptive_fps", "near"), what, remedy)


def _is_rate(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return MIN_FPS <= value <= MAX_FPS


def _check_rules(
    document: Document,
    catalogue: Catalogue,
    place: tuple[Key, tuple[str, ...]],
    entry: dict[str, Any],
    fps: float,
) -> None:
    """Checks one rate, which stands at a key of the task."""
    task, rate = place
    for wanted in task_rules(str(task[-1]), entry, catalogue.kept):
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
            document.report((*task, *rate), what, remedy)


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
