"""`ReplayFindings`: what was asked of a replay: why rules fired, and what other rules would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console

from cityeye.errors import CommandError
from cityeye.replay_camera import ReplayCamera
from pipelines.replay import (
    QuestionError,
    Replay,
    ReplayStep,
    RuleComparison,
    WhyAnswer,
    WhyAnswers,
    WhyQuestion,
    comparison_facts,
    comparison_words,
    fact_line,
    why_facts,
    why_row,
    why_words,
)


def parse_questions(texts: Sequence[str]) -> tuple[WhyQuestion, ...]:
    """Questions as the command line has them.

    Raises:
        CommandError: One cannot be understood.
    """
    try:
        return tuple(map(WhyQuestion.parse, texts))
    except QuestionError as error:
        raise CommandError(f"--why: {error}") from None


class ReplayFindings:
    """Answers and comparison of one replay."""

    def __init__(self, questions: Sequence[WhyQuestion], camera: ReplayCamera) -> None:
        """Begins with nothing seen.

        Raises:
            CommandError: A question is about no place of the camera.
        """
        self.names = (camera.name, *camera.others)
        plans = (camera.plan, *camera.others.values())
        self._answers = [WhyAnswers(questions, plan) for plan in plans]
        known = sorted({place for own in self._answers for place in own.places})
        for one in questions:
            if one.place not in known:
                choice = ", ".join(known) or "none, as there is no rule"
                what = f"no rule works at `{one.place}`"
                raise CommandError(f"--why: {what}; zones and lines: {choice}")
        self._questions = questions
        self._given: list[tuple[str, WhyAnswer]] = []
        self._comparison = RuleComparison(self.names) if camera.others else None

    def check_times(self, duration_s: float) -> None:
        """Refuses questions about what comes after the end.

        Raises:
            CommandError: There is one.
        """
        for one in self._questions:
            if one.from_s > duration_s:
                raise CommandError(
                    f"--why {one.place}@{one.from_s:g}: the recording ends at {duration_s:.1f} s"
                )

    def followed(self, replay: Replay, write: Callable[[str], object]) -> Iterator[ReplayStep]:
        """The steps of a replay; answers are written on their way."""
        for step in replay.steps():
            yield step
            if self._comparison is not None:
                self._comparison.add(step)
            if self._questions:
                for line in self._answered(step, replay):
                    write(line)

    def _answered(self, step: ReplayStep, replay: Replay) -> Iterator[str]:
        """The lines of the answers that a step gives, of each configuration."""
        for name, own, said in zip(self.names, self._answers, replay.explain(), strict=True):
            for answer in own.observe(step, said):
                self._given.append((name, answer))
                yield fact_line("why", {"rules": name, **why_facts(answer)})

    def finish(self, write: Callable[[str], object]) -> None:
        """Writes the comparison."""
        if self._comparison is not None:
            for one in self._comparison.things():
                write(fact_line("comparison", comparison_facts(one, self._comparison.names)))

    def show(self, console: Console) -> None:
        """Says all of it to people."""
        for question in self._questions:
            for name, answers in zip(self.names, self._answers, strict=True):
                if question.place in answers.places:
                    self._show_answers(question, name, answers, console)
        if self._comparison is None:
            return
        names = self._comparison.names
        things = self._comparison.things()
        _say(console, f"rules of {' and '.join(names)}, compared:", "bold")
        for one in things:
            differs = not all(one.found)
            _say(console, f"  {comparison_words(one, names)}", "yellow" if differs else "")
        if not things:
            _say(console, "  no incident with any of them")

    def _show_answers(
        self, question: WhyQuestion, name: str, answers: WhyAnswers, console: Console
    ) -> None:
        own = [one for whose, one in self._given if whose == name and one.question == question]
        where = f"why {question.place}"
        if self._comparison is not None:
            where += f" by the rules of {name}"
        if question.to_s is not None:
            times = f"{question.from_s:g} to {question.to_s:g} s"
            _say(console, f"{where}, {times}:", "bold")
            for row in (row for one in own for row in why_row(one)):
                _say(console, f"  {row}")
        for at_s in sorted({one.at_s for one in own}) if question.to_s is None else ():
            group = [one for one in own if one.at_s == at_s]
            first = group[0]
            changes = first.static_changes
            seen = "" if changes is None else f", {changes} static changes"
            words = f"view {first.view}, {first.tracks} tracks{seen}"
            _say(console, f"{where} at {at_s:.1f} s: {words}", "bold")
            for line in (line for one in group for line in why_words(one)):
                _say(console, f"  {line}")
        if not own or question in answers.unanswered():
            _say(console, f"{where}: no further frame was analysed for its rules", "yellow")


def _say(console: Console, words: str, style: str = "") -> None:
    console.print(words, style=style, soft_wrap=True, highlight=False, markup=False)
