"""Figures of many cases by kind of incident: precision, recall, F1, time to detect, duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.incident_path.case import IncidentCase
from benchmarks.incident_path.expectation import Matching, match
from benchmarks.incident_path.watch import CaseFindings, CaseVariant


@dataclass(frozen=True, slots=True, eq=False)
class MatchedCase:
    """A case with what was reported of it.

    Attributes:
        case: The case.
        findings: What was reported.
        matching: What of it was expected.
    """

    case: IncidentCase
    findings: CaseFindings
    matching: Matching

    @classmethod
    def of(cls, case: IncidentCase, findings: CaseFindings) -> MatchedCase:
        """Compares both."""
        return cls(case, findings, match(case.expected, findings.reported))

    def of_variant(self, variant: CaseVariant) -> MatchedCase | None:
        """The same for a variant of its rules; None where the case has no such variant."""
        if variant not in self.findings.variants:
            return None
        reported = self.findings.variants[variant]
        return MatchedCase.of(self.case, replace(self.findings, reported=reported))


@dataclass(slots=True)
class KindScore:
    """What was found of one kind.

    Attributes:
        confirm_s: Confirm window of its rule, seconds; the longest where cases differ.
        found: How many were reported that had to be.
        missed: How many were not.
        false: How many were reported of nothing.
        duplicates: How many were reported once more.
        delays_s: Seconds from the start of each that was found to its announcement.
    """

    confirm_s: float = 0.0
    found: int = 0
    missed: int = 0
    false: int = 0
    duplicates: int = 0
    delays_s: list[float] = field(default_factory=list)

    @property
    def precision(self) -> float | None:
        """Share of the reports that were right; None where there was none."""
        return _share(self.found, self.found + self.false)

    @property
    def recall(self) -> float | None:
        """Share of the expected that was reported; None where nothing was."""
        return _share(self.found, self.found + self.missed)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; None where nothing was expected and nothing reported."""
        return _share(2 * self.found, 2 * self.found + self.false + self.missed)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def scores_of(cases: Iterable[MatchedCase], confirm_s: Mapping[str, float]) -> dict[str, KindScore]:
    """The scores by kind, sorted by name, of all kinds that were expected or reported.

    Args:
        cases: What was reported.
        confirm_s: Confirm windows by kind, seconds.
    """
    scores: dict[str, KindScore] = {}

    def of(kind: str) -> KindScore:
        return scores.setdefault(kind, KindScore(confirm_s.get(kind, 0.0)))

    for one in cases:
        for expected, reported in one.matching.found:
            of(expected.kind).found += 1
            of(expected.kind).delays_s.append(reported.announced_s - expected.start_s)
        for missed in one.matching.missed:
            of(missed.kind).missed += 1
        for report in one.matching.false:
            of(report.kind).false += 1
        for report in one.matching.duplicates:
            of(report.kind).duplicates += 1
    return dict(sorted(scores.items()))


def duplicates_in(cases: Sequence[MatchedCase]) -> int:
    """How many incidents were reported more than once, of all kinds together."""
    return sum(len(one.matching.duplicates) for one in cases)
