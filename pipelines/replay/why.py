"""`WhyQuestion`: why rules fired or did not, at a place and a time of a recording.

What is answered is what the rules compared in that very frame, and how far each situation was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pipelines.plan import CameraPlan
from pipelines.replay.replay import ReplayStep
from pipelines.rules import find_rule
from pipelines.rules.condition import Condition, Explanation, RuleExplanation, SituationStage
from pipelines.rules.rule_plan import RulePlan
from pipelines.signals.signal import NO_SIGNALS, Signal, Signals

_CLOCK: Final = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)")
WINDOWED: Final = (SituationStage.CONFIRMING, SituationStage.ENDING, SituationStage.COOLING)
FIRED: Final = (SituationStage.OPEN, SituationStage.ENDING)
MOST_SUBJECTS: Final = 12
DIGITS: Final = 4


class QuestionError(ValueError):
    """It cannot be understood; the message says how it is written."""


@dataclass(frozen=True, slots=True)
class WhyQuestion:
    """What somebody wants to know.

    Attributes:
        place: Name of a zone or line.
        from_s: Second of the recording.
        to_s: Last second of a span; None for the first frame from `from_s` on.
    """

    place: str
    from_s: float
    to_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> WhyQuestion:
        """Reads `PLACE@TIME` or `PLACE@TIME..TIME`, times as seconds, `M:SS` or `H:MM:SS`.

        Raises:
            QuestionError: It is written in another way.
        """
        place, _, times = text.rpartition("@")
        begin, dots, end = times.partition("..")
        from_s, to_s = _seconds(begin), _seconds(end) if dots else None
        if not place or from_s is None or (dots and (to_s is None or to_s < from_s)):
            raise QuestionError(
                f"`{text}` is no question; write ZONE@SECONDS, ZONE@H:MM:SS or ZONE@FROM..TO"
            )
        return cls(place, from_s, to_s)


@dataclass(frozen=True, slots=True)
class WhyAnswer:
    """What one rule made of one frame at the place of a question.

    Attributes:
        question: That.
        at_s: Second of the recording at which the frame was taken.
        rule: The rule, with the situations at the place alone.
        view: Why the rule did not get this frame, or `good`, or `not watched`.
        tracks: How many objects are seen in the whole image.
        static_changes: How many changes of the place stay; None where nobody asks for them.
    """

    question: WhyQuestion
    at_s: float
    rule: RuleExplanation
    view: str
    tracks: int
    static_changes: int | None


class WhyAnswers:
    """Answers questions while a recording is replayed, for one plan.

    Attributes:
        places: Names of the zones and lines at which its rules work.
    """

    def __init__(self, questions: Sequence[WhyQuestion], plan: CameraPlan) -> None:
        """Takes questions; those about places of which the plan has none stay without answer."""
        works = [
            (task.task, rule.kind, place)
            for task in plan.tasks
            for rule in task.rules
            for place in _places(rule)
        ]
        self._tasks = {(task, place) for task, _, place in works}
        self._kinds = {(kind, place) for _, kind, place in works}
        self._open = {
            one: {task for task, place in self._tasks if place == one.place} for one in questions
        }
        self.places = frozenset(place for _, place in self._tasks)
        self._wanted = plan.signals
        self._signals: Signals = NO_SIGNALS

    def observe(
        self, step: ReplayStep, said: Mapping[str, Sequence[RuleExplanation]]
    ) -> Iterator[WhyAnswer]:
        """The answers that the frame of a step gives; `said` is what its rules make of it."""
        self._signals = step.signals or self._signals
        if step.frame is None:
            return
        for question, tasks in self._open.items():
            is_over = question.to_s is not None and step.at_s > question.to_s
            if step.at_s < question.from_s or is_over:
                continue
            for task in sorted(tasks & step.frame.tasks):
                if question.to_s is None:
                    tasks.remove(task)
                for rule in said.get(task, ()):
                    if (rule.kind, question.place) in self._kinds:
                        yield self._answer(question, step, rule)

    def unanswered(self) -> Iterator[WhyQuestion]:
        """Questions about one moment that no frame has answered."""
        return (one for one, tasks in self._open.items() if tasks and one.to_s is None)

    def _answer(self, question: WhyQuestion, step: ReplayStep, rule: RuleExplanation) -> WhyAnswer:
        places = tuple(one for one in rule.places if one.place == question.place)
        seen = self._signals
        view = seen.view or ("good" if Signal.VIEW in self._wanted else "not watched")
        changes = len(seen.static_changes) if Signal.STATIC_CHANGE in self._wanted else None
        tracks = sum(map(len, step.tracks.values()))
        own = replace(rule, places=places)
        return WhyAnswer(question, step.at_s, own, view, tracks, changes)


def why_words(answer: WhyAnswer) -> Iterator[str]:
    """An answer for people, line by line, the headline of its moment left out."""
    rule = answer.rule
    name = f"{rule.kind} {rule.version}"
    if not rule.armed:
        yield f"{name}: not armed; its schedule is {rule.schedule}"
    if answer.view not in {"good", "not watched"}:
        yield f"{name}: the view is {answer.view}, so it got no frame; what follows is older"
    if not rule.places:
        yield f"{name}: not fired; there is nothing here that it watches"
    for one in rule.places:
        subject = f" ({one.subject})" if one.subject else ""
        yield f"{name}{subject}: {_fired(one)}; {stage_words(one)}"
        yield from (f"  {condition_words(condition)}" for condition in one.conditions)
        if one.note:
            yield f"  {one.note}"
        if one.subjects:
            shown = ", ".join(f"#{it.track} {it.label}" for it in one.subjects[:MOST_SUBJECTS])
            more = len(one.subjects) - MOST_SUBJECTS
            yield f"  subjects: {shown}{f' and {more} more' if more > 0 else ''}"


def why_row(answer: WhyAnswer) -> Iterator[str]:
    """The same in one line for each situation, for a table over a span."""
    rule = answer.rule
    for one in rule.places:
        marks = "".join(
            f"  {condition_words(condition, short=True)}" for condition in one.conditions
        )
        subject = f" ({one.subject})" if one.subject else ""
        armed = "" if rule.armed else "  not armed"
        view = "" if answer.view in {"good", "not watched"} else f"  view {answer.view}"
        head = f"{rule.kind} {rule.version}{subject}"
        yield f"{answer.at_s:7.1f} s  {head}  {stage_words(one)}{armed}{view}{marks}"


def why_facts(answer: WhyAnswer) -> dict[str, Any]:
    """An answer for a line of JSON."""
    rule = answer.rule
    return {
        "place": answer.question.place,
        "at_s": round(answer.at_s, 3),
        "rule": f"{rule.kind}/{rule.version}",
        "armed": rule.armed,
        "schedule": rule.schedule or None,
        "view": str(answer.view),
        "tracks": answer.tracks,
        "static_changes": answer.static_changes,
        "situations": [_situation(one) for one in rule.places],
    }


def stage_words(one: Explanation) -> str:
    """How far a situation is: `confirming 4.2 of 6.0 s`."""
    if one.stage in WINDOWED and one.needed_s > 0:
        return f"{one.stage} {one.elapsed_s:.1f} of {one.needed_s:.1f} s"
    return str(one.stage)


def condition_words(condition: Condition, *, short: bool = False) -> str:
    """One comparison: `vehicles 4, must be at least 6: no`."""
    name = condition.name.replace("_", " ")
    unit = "" if condition.unit == "1" else f" {condition.unit}"
    value = "unknown" if condition.value is None else f"{_number(condition.value)}{unit}"
    holds = {True: "yes", False: "no", None: "not known"}[condition.holds]
    if short:
        sign = ">=" if condition.at_least else "<"
        return f"{name} {value} {sign} {_number(condition.limit)} {holds}"
    must = "at least" if condition.at_least else "below"
    limit = f"{_number(condition.limit)}{unit}"
    return f"{name} {value}, must be {must} {limit}: {holds}"


def _situation(one: Explanation) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "fired": one.stage in FIRED,
        "holds": one.holds,
        "stage": one.stage,
        "elapsed_s": round(one.elapsed_s, 3),
        "needed_s": round(one.needed_s, 3),
        "note": one.note,
        "conditions": [
            {
                "name": it.name,
                "value": None if it.value is None else float(_number(it.value)),
                "limit": float(_number(it.limit)),
                "unit": it.unit,
                "at_least": it.at_least,
                "holds": it.holds,
            }
            for it in one.conditions
        ],
        "subjects": [{"track": it.track, "label": it.label} for it in one.subjects],
    }


def _places(rule: RulePlan) -> Iterator[str]:
    """Names of the zones and lines of a plan at which its kind of rule works."""
    kind = find_rule(rule.kind, rule.version)
    if kind is not None and kind.zone is not None:
        zones = (zone for zone in rule.zones if zone.direction or not kind.needs_direction)
        yield from (zone.name for zone in zones)
    if kind is not None and kind.line is not None:
        yield from (line.name for line in rule.lines)


def _fired(one: Explanation) -> str:
    return "fired" if one.stage in FIRED else "not fired"


def _number(value: float) -> str:
    return f"{value:.{DIGITS}g}" if abs(value) < 10**DIGITS else f"{value:.0f}"


def _seconds(text: str) -> float | None:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
