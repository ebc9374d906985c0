"""`TimeLimits`: by when somebody has to do something with a case, as the settings say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, select, update

from event_hub.case_settings import MINUTE_US, CaseSettings
from event_hub.case_tables import HUB
from event_hub.cases.answers import CaseDue
from event_hub.cases.kept import Case
from event_hub.cases.states import UNFINISHED
from event_hub.tables import from_us, to_us
from pipelines.event_incident import LEVELS

SEVERITIES: Final = {level: name for name, level in LEVELS.items()}


class TimeLimits:
    """The limits of one hub. They hold for what began after they were first set."""

    def __init__(self, settings: CaseSettings) -> None:
        self._to = settings.escalate_to
        self._minutes = {
            (name, level): getattr(getattr(settings.limits, severity), f"{name}_minutes")
            for level, severity in SEVERITIES.items()
            for name in ("decide", "resolve")
        }
        self.stages = max(1, len(self._to))
        """How often somebody is warned of one limit."""

    @property
    def shortest_us(self) -> int | None:
        """The shortest of all limits, None without any."""
        given = [minutes for minutes in self._minutes.values() if minutes is not None]
        return int(min(given) * MINUTE_US) if given else None

    def note_begin(self, connection: Connection) -> None:
        """Notes since when there are limits, or that there are none."""
        since_us = self.since_us(connection)
        if self.shortest_us is None:
            connection.execute(update(HUB).values(limits_since_us=None))
        elif since_us is None:
            now_us = to_us(datetime.now(UTC))
            connection.execute(update(HUB).values(limits_since_us=now_us))

    @staticmethod
    def since_us(connection: Connection) -> int | None:
        """Since when there are limits."""
        return connection.scalar(select(HUB.c.limits_since_us))

    def receiver(self, stage: int) -> str:
        """Who is warned at a stage, from 1; empty where nobody is named."""
        return self._to[stage - 1] if 0 < stage <= len(self._to) else ""

    def due(
        self, case: Case, level: int, is_open: bool, since_us: int | None, now_us: int
    ) -> CaseDue | None:
        """The limit that a case has now.

        Args:
            case: Kept or not.
            level: The greatest severity of its incidents, 1 to 4.
            is_open: Whether one of them is going on.
            since_us: Since when there are limits.
            now_us: The time.
        """
        name = "resolve" if case.state in UNFINISHED else "decide"
        length = self._minutes.get((name, level))
        if case.clock_us is None or since_us is None or case.clock_us < since_us or length is None:
            return None
        if name == "decide" and not is_open:
            # It is over: there is nothing to hurry for.
            return None
        due_us = case.clock_us + int(length * MINUTE_US)
        return CaseDue(
            name=name,
            due_at=from_us(due_us),
            is_passed=now_us >= due_us,
            stage=case.stage,
            escalated_to=self.receiver(case.stage),
        )

    def is_stage_due(self, case: Case, due: CaseDue, now_us: int) -> bool:
        """Whether it is time to warn whoever comes next."""
        if case.stage >= self.stages or case.clock_us is None:
            return False
        length_us = to_us(due.due_at) - case.clock_us
        return now_us >= case.clock_us + (case.stage + 1) * length_us
