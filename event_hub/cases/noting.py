"""Notes in the audit trail what people do with cases, before it is committed."""

from __future__ import annotations

from event_hub.cases.case_work import NoteDeed
from event_hub.cases.kept import CaseDeed
from pipelines.access import AuditTrail, Caller, Scope


def noting(trail: AuditTrail) -> NoteDeed:
    """Keeps each in a trail, as an action `case.confirmed` and the like."""

    def note(incident_id: str, deed: CaseDeed) -> None:
        by = Caller(deed.by.id, deed.by.name, Scope(deed.by.role))
        said = (deed.reason, deed.assignee, deed.text)
        trail.note(by, incident_id, ": ".join(filter(None, said)), f"case.{deed.action}")

    return note
