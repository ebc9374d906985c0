"""All there is about one incident, as its permalink shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

from event_hub import queries
from event_hub.answers import CityIncident
from event_hub.cases.time_limits import TimeLimits
from event_hub.console.case_view import case_view
from event_hub.console.markup import camera_name, markup
from event_hub.console.overlay import KeyframeOverlay, overlay_of
from event_hub.console.page import NO_CITY, CityReading, Visit
from event_hub.console.words import CodeWords
from pipelines.access import Scope
from pipelines.event_evidence import KeyframeData

ORDER: Final = ("opening", "peak", "closing")


@dataclass(frozen=True, slots=True)
class KeyframeView:
    """A stored keyframe and what may be drawn over it."""

    keyframe: KeyframeData
    overlay: KeyframeOverlay


def detail_of(
    reading: CityReading, visit: Visit, selected: Mapping[str, str] | None, limits: TimeLimits
) -> tuple[str, str]:
    """Title and HTML of the incident that is selected."""
    render = markup(visit.language).render
    if selected is None:
        return "", render("incident_none.html", is_missing=False)
    row = _row(reading, selected)
    if row is None:
        return visit.language.text("No such incident"), render(
            "incident_none.html", is_missing=True
        )
    record = queries.incident_record(reading.connection, row)
    incident = record.incident
    words = markup(visit.language).words
    views = _keyframes(reading, incident)
    html = render(
        "incident.html",
        incident=incident,
        history=record.history,
        lasted=_lasted(incident, words),
        views=views,
        best=_best(views),
        facts=facts(incident.detail, words),
        peak=facts(incident.peak.detail, words) if incident.peak else [],
        case=case_view(reading.connection, row, limits, reading.sees),
        may_work=visit.scope.allows(Scope.OPERATOR),
        with_city=reading.situation.has_cities,
    )
    return f"{words.kind(incident.kind)}, {camera_name(incident.camera)}", html


def facts(detail: Mapping[str, float], words: CodeWords) -> list[tuple[str, str]]:
    """Names and values of what a rule measured."""
    return [words.measured(name, value) for name, value in detail.items()]


def _row(reading: CityReading, selected: Mapping[str, str]) -> Row[Any] | None:
    city = selected.get("city", "")
    rows = queries.incident_rows(
        reading.connection,
        selected.get("incident", ""),
        "" if city == NO_CITY else city,
        reading.sees,
    )
    return rows[0] if rows else None


def _keyframes(reading: CityReading, incident: CityIncident) -> list[KeyframeView]:
    stored = [one for one in incident.keyframes if one.state == "stored"]
    named = queries.keyframes(reading.connection, [one.key for one in stored], reading.sees)
    return [
        KeyframeView(one, overlay_of(one, named.get((incident.city, one.key))))
        for one in sorted(stored, key=lambda one: ORDER.index(one.role))
    ]


def _best(views: list[KeyframeView]) -> str:
    roles = [view.keyframe.role for view in views]
    return next((role for role in ("peak", "opening", "closing") if role in roles), "")


def _lasted(incident: CityIncident, words: CodeWords) -> str:
    """How long it was; empty while it goes on."""
    if incident.phase != "ended":
        return ""
    return words.duration((incident.ended_at or incident.updated_at) - incident.opened_at)
