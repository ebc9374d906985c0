"""The result of the incident benchmark as metrics and tables, and against an earlier result."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.incident_path.case import IncidentCase
from benchmarks.incident_path.expectation import ExpectedIncident, ReportedIncident
from benchmarks.incident_path.score import KindScore, MatchedCase, duplicates_in
from benchmarks.result import BenchmarkResult, Cell, Metric, ResultTable

NONE = "-"


def metrics_of(scores: Mapping[str, KindScore], cases: Sequence[MatchedCase]) -> list[Metric]:
    """One value each of precision, recall and F1 by kind, every delay, and what was too much."""
    metrics = []
    for kind, score in scores.items():
        shares = {"precision": score.precision, "recall": score.recall, "f1": score.f1}
        metrics += [
            Metric(name=f"incidents.{name}[kind={kind}]", unit="", better="higher", samples=(one,))
            for name, one in shares.items()
            if one is not None
        ]
        if score.delays_s:
            metrics.append(
                Metric(
                    name=f"incidents.time_to_detect_s[kind={kind}]", unit="s", better="lower",
                    samples=tuple(round(one, 2) for one in score.delays_s),
                )
            )  # fmt: skip
    negatives = [one for one in cases if one.case.is_hard_negative]
    raised = sum(len(one.matching.false) for one in negatives)
    counts = {"duplicates": duplicates_in(cases), "raised_in_hard_negatives": raised}
    metrics += [
        Metric(name=f"incidents.{name}", unit="", better="lower", samples=(float(count),))
        for name, count in counts.items()
    ]
    return metrics


def kinds_table(title: str, scores: Mapping[str, KindScore]) -> ResultTable:
    """A row per kind."""
    columns = (
        *("kind", "found", "false", "duplicates", "precision", "recall", "F1"),
        *("detected after, s (median)", "(worst)", "confirm window, s"),
    )
    return ResultTable(
        title=title,
        columns=columns,
        rows=tuple(_kind_row(kind, one) for kind, one in scores.items()),
    )


def _kind_row(kind: str, score: KindScore) -> tuple[Cell, ...]:
    shares = (score.precision, score.recall, score.f1)
    delays = (NONE, NONE)
    if score.delays_s:
        delays = f"{statistics.median(score.delays_s):.1f}", f"{max(score.delays_s):.1f}"
    return (
        kind,
        f"{score.found} of {score.found + score.missed}",
        score.false,
        score.duplicates,
        *(NONE if one is None else f"{one:.2f}" for one in shares),
        *delays,
        score.confirm_s,
    )


def negatives_table(cases: Sequence[MatchedCase]) -> ResultTable:
    """What was reported of every case of which nothing was to be reported."""
    return ResultTable(
        title="Hard negatives: what was reported",
        columns=("case", "seconds", "reported"),
        rows=tuple(
            (
                one.case.name,
                round(one.findings.seconds),
                "; ".join(map(_words, one.matching.false)) or "nothing",
            )
            for one in cases
            if one.case.is_hard_negative
        ),
    )


def case_words(one: MatchedCase) -> str:
    """What came of one case, for a line about how it goes."""
    matching = one.matching
    words = [f"{len(matching.found)} of {len(matching.found) + len(matching.missed)} found"]
    words += [f"missed {_missed(each)}" for each in matching.missed]
    words += [f"false {_words(each)}" for each in matching.false]
    words += [f"duplicate {_words(each)}" for each in matching.duplicates]
    return "; ".join(words)


def differences_table(cases: Sequence[MatchedCase]) -> ResultTable:
    """Every miss, false report and duplicate, by case."""
    rows: list[tuple[Cell, ...]] = []
    for one in cases:
        rows += [(one.case.name, "missed", _missed(each)) for each in one.matching.missed]
        rows += [(one.case.name, "false", _words(each)) for each in one.matching.false]
        rows += [(one.case.name, "duplicate", _words(each)) for each in one.matching.duplicates]
    return ResultTable(
        title="What was missed, false or reported twice",
        columns=("case", "", "incident"),
        rows=tuple(rows),
    )


def unruled_table(cases: Sequence[IncidentCase]) -> ResultTable:
    """Scenes about kinds of incidents that no rule finds; they count in no figure."""
    return ResultTable(
        title="No rule of this kind",
        columns=("scene", "kinds"),
        rows=tuple((one.name, ", ".join(one.missing)) for one in cases if one.missing),
    )


def comparison_table(name: str, before: BenchmarkResult, metrics: Sequence[Metric]) -> ResultTable:
    """The same metrics in an earlier result."""
    earlier = {one.name: one for one in before.metrics}
    return ResultTable(
        title=f"Against {name} of {before.started_at:%Y-%m-%d}, commit "
        f"{before.machine.commit or 'unknown'}",
        columns=("metric", "then", "now", ""),
        rows=tuple(_compared(earlier[one.name], one) for one in metrics if one.name in earlier),
    )


def _compared(then: Metric, now: Metric) -> tuple[Cell, ...]:
    values = f"{then.median:.2f}", f"{now.median:.2f}"
    if values[0] == values[1]:
        return (now.name, *values, "")
    improved = (now.median > then.median) == (now.better == "higher")
    return (now.name, *values, "better" if improved else "worse")


def _missed(expected: ExpectedIncident) -> str:
    return f"{expected.kind} in {expected.zone}, {_span(expected.start_s, expected.end_s)}"


def _words(report: ReportedIncident) -> str:
    return f"{report.kind} in {report.zone}, {_span(report.announced_s, report.ended_s)}"


def _span(start_s: float, end_s: float) -> str:
    return f"{start_s:.0f} to {end_s:.0f} s"


def tables_of(
    cases: Sequence[IncidentCase], matched: Sequence[MatchedCase], scores: Mapping[str, KindScore]
) -> Iterator[ResultTable]:
    """All tables that have something in them.

    Args:
        cases: All cases.
        matched: Those that were watched.
        scores: What was found of each kind.
    """
    tables = (
        kinds_table("By kind of incident", scores),
        negatives_table(matched),
        differences_table(matched),
        unruled_table(cases),
    )
    return (one for one in tables if one.rows)
