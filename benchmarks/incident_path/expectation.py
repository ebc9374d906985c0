"""What should be reported of a clip, what was reported, and which of it belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TOLERANCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ExpectedIncident:
    """A situation that should be reported; times are seconds of the clip.

    Attributes:
        kind: Such as `traffic.congestion`.
        zone: Name of its zone or line.
        start_s: When it begins to hold; it is confirmed later.
        end_s: When it no longer holds.
        is_asked: Whether it must be reported; else it may be, and counts neither way.
        tolerance_s: How much earlier than the start, or later than the end, it may be announced.
    """

    kind: str
    zone: str
    start_s: float
    end_s: float
    is_asked: bool = True
    tolerance_s: float = TOLERANCE_S

    def fits(self, reported: ReportedIncident) -> bool:
        """Whether an incident may be this one."""
        begins_s, ends_s = self.start_s - self.tolerance_s, self.end_s + self.tolerance_s
        same_place = (reported.kind, reported.zone) == (self.kind, self.zone)
        return same_place and begins_s <= reported.announced_s <= ends_s


@dataclass(frozen=True, slots=True)
class ReportedIncident:
    """An incident that the rules reported; times are seconds of the clip.

    Attributes:
        kind: Such as `traffic.congestion`.
        zone: Name of its zone or line.
        announced_s: When it was confirmed, which is when a city would hear of it.
        opened_s: Since when it holds, as it was reported.
        ended_s: When it ended; the end of the clip where it was still going on.
        severity: Its highest one.
    """

    kind: str
    zone: str
    announced_s: float
    opened_s: float
    ended_s: float
    severity: str


@dataclass(frozen=True, slots=True)
class Matching:
    """Expected and reported incidents of one clip.

    Attributes:
        found: Pairs that belong together, of incidents that are asked for.
        missed: Incidents that are asked for and were not reported.
        duplicates: Further reports of an incident that has been reported already.
        false: Reports of nothing that was expected.
    """

    found: tuple[tuple[ExpectedIncident, ReportedIncident], ...]
    missed: tuple[ExpectedIncident, ...]
    duplicates: tuple[ReportedIncident, ...]
    false: tuple[ReportedIncident, ...]


def match(expected: Sequence[ExpectedIncident], reported: Sequence[ReportedIncident]) -> Matching:
    """Gives each report, in the order of announcement, the first expected incident that is free.

    Incidents that are asked for come before those that may be reported. A report that fits only
    what others have taken is a duplicate; one that fits nothing is false.
    """
    free = sorted(expected, key=lambda one: (not one.is_asked, one.start_s))
    found, duplicates, false = [], [], []
    for report in sorted(reported, key=lambda one: one.announced_s):
        taken = next((one for one in free if one.fits(report)), None)
        if taken is not None:
            free.remove(taken)
            found += [(taken, report)] if taken.is_asked else []
        elif any(one.fits(report) for one in expected):
            duplicates.append(report)
        else:
            false.append(report)
    missed = [one for one in free if one.is_asked]
    return Matching(tuple(found), tuple(missed), tuple(duplicates), tuple(false))
