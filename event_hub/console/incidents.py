"""The page of incidents: the queue with the worst first, and all there is about one of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from urllib.parse import quote, unquote

from markupsafe import escape

from event_hub.answers import CityIncident, IncidentPage
from event_hub.cases.states import as_state
from event_hub.cases.time_limits import TimeLimits
from event_hub.console.case_view import case_states
from event_hub.console.incident_detail import detail_of
from event_hub.console.language import N_
from event_hub.console.markup import camera_name, incident_url, markup, query_url
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.console.words import CASE_STATES, INCIDENT_KINDS, SEVERITIES
from event_hub.incidents import IncidentFilter, incident_page
from event_hub.incidents.counts import incident_counts
from event_hub.incidents.order import IncidentOrder
from pipelines.event_evidence import KeyframeData
from pipelines.event_incident import Severities

ROWS: Final = 50
FILTERS: Final = ("state", "case", "severity", "kind", "camera", "since", "from", "to", "text")
TEXT_CHARS: Final = 100
SINCE: Final = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
BEST_FIRST: Final = ("peak", "opening", "closing")


class IncidentsPage:
    """See `event_hub.console.page.Page`."""

    name = "incidents"
    paths: tuple[str, ...] = ("/incidents", "/incidents/{city}/{incident:path}")
    slots: Mapping[str, tuple[Slot, ...]] = {
        "heading": (Slot("name", "h1"),),
        "side": (
            Slot("filters", "form"),
            Slot("queue", "ol", rows="li"),
            Slot("more"),
        ),
        "detail": (Slot("incident", "article"),),
    }

    def __init__(self, limits: TimeLimits) -> None:
        """`limits` are those of cases."""
        self._limits = limits

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """The page of the queue that the query asks for, and the chosen incident."""
        wanted = _wanted(reading, visit)
        queue = _read_queue(reading, wanted, visit.query.get("after", ""))
        total = incident_counts(reading.connection, wanted).total
        selected = _selected(visit, queue)
        render = markup(visit.language).render
        kept = {name: visit.query.get(name, "") for name in (*FILTERS, "after")}
        states = case_states(reading.connection, queue.incidents)
        rows = {
            f"{one.city} {one.incident_id}": render(
                "incident_row.html",
                incident=one,
                keyframe=best_keyframe(one),
                url=incident_url(one.city, one.incident_id, kept),
                case_state=states.get((one.city, one.incident_id), ""),
                is_selected=selected == _route(one),
                with_city=reading.situation.has_cities,
            )
            for one in queue.incidents
        }
        title, detail = detail_of(reading, visit, selected, self._limits)
        parts = {
            "name": str(escape(visit.language.text("Incidents"))),
            "filters": _filters(reading, visit, total),
            "more": _more(visit, queue),
            "incident": detail,
        }
        if not (visit.chosen and visit.route):
            title = visit.language.text("Incidents")
        chosen = None if visit.route else selected
        return Content(title, parts, {"queue": rows}, chosen)


def best_keyframe(incident: CityIncident) -> KeyframeData | None:
    """The stored keyframe that shows most of it."""
    stored = [one for one in incident.keyframes if one.state == "stored"]
    return min(stored, key=lambda one: BEST_FIRST.index(one.role), default=None)


def _route(incident: CityIncident) -> dict[str, str]:
    return {"city": incident.city, "incident": incident.incident_id}


def _selected(visit: Visit, queue: IncidentPage) -> Mapping[str, str] | None:
    """What the address names, else the first of the queue."""
    if visit.route:
        return visit.route
    return _route(queue.incidents[0]) if queue.incidents else None


def _wanted(reading: CityReading, visit: Visit) -> IncidentFilter:
    query = visit.query
    state = query.get("state", "open")
    city, camera = camera_of(query.get("camera", ""))
    since, until = chosen_times(reading, visit)
    case = query.get("case", "")
    severity, kind = query.get("severity", ""), query.get("kind", "")
    return IncidentFilter(
        state=None if state == "all" else "ended" if state == "ended" else "open",
        kind=[kind] if kind else None,
        severity=cast(Severities, severity) if severity in SEVERITIES else None,
        city=city if camera else None,
        camera=[camera] if camera else None,
        since=since,
        until=until,
        case=as_state(case) if case in CASE_STATES else None,
        text=query.get("text", "")[:TEXT_CHARS] or None,
        sees=reading.sees,
    )


def chosen_times(reading: CityReading, visit: Visit) -> tuple[datetime | None, datetime | None]:
    """From when to when; a date counts more than a span, and one that is none does not count."""
    begin, end = (_moment(visit.query.get(name, "")) for name in ("from", "to"))
    span = SINCE.get(visit.query.get("since", ""))
    if begin is None and end is None and span is not None:
        begin = reading.situation.read_at - span
    return begin, end


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _read_queue(reading: CityReading, wanted: IncidentFilter, after: str) -> IncidentPage:
    # What has ended is read like a logbook; what goes on by how bad it is.
    order: IncidentOrder = "newest" if wanted.state == "ended" else "worst"
    try:
        return incident_page(reading.connection, wanted, ROWS, after or None, order)
    except ValueError:
        # An address that somebody has shortened, or of another order: from the beginning.
        return incident_page(reading.connection, wanted, ROWS, None, order)


def _filters(reading: CityReading, visit: Visit, total: int) -> str:
    language = markup(visit.language)
    words, text = language.words, visit.language.text
    cameras = [
        (camera_choice(one.city, one.camera.id), camera_name(one.camera))
        for one in reading.situation.cameras
    ]
    kind = visit.query.get("kind", "")
    kinds = {code: words.kind(code) for code in (*INCIDENT_KINDS, *filter(None, [kind]))}
    spans = {"": N_("Any time"), "1h": N_("Last hour"), "24h": N_("Last 24 hours")}
    spans["7d"] = N_("Last 7 days")
    states = {"open": N_("Open"), "ended": N_("Ended"), "all": N_("All")}
    at_least = {
        code: text(N_("At least %(severity)s"), severity=words.severity(code))
        for code in list(SEVERITIES)[1:-1]
    }
    severities = {"critical": words.severity("critical").capitalize(), **at_least}
    cases = {code: words.case_state(code).capitalize() for code in CASE_STATES}
    choices = {
        "state": (text("State"), {code: text(name) for code, name in states.items()}),
        "case": (text("Case"), {"": text("Any decision"), **cases}),
        "severity": (text("Severity"), {"": text("Any severity"), **severities}),
        "kind": (text("Kind"), {"": text("Any kind"), **kinds}),
        "camera": (text("Camera"), {"": text("Any camera"), **dict(cameras)}),
        "since": (text("Time"), {code: text(name) for code, name in spans.items()}),
    }
    begin, end = (_moment(visit.query.get(name, "")) for name in ("from", "to"))
    chosen = {"state": "open", **visit.query}
    if begin or end:
        chosen["since"] = ""
    return language.render(
        "incident_filters.html",
        choices=choices,
        chosen=chosen,
        begin=begin,
        end=end,
        total=total,
        is_filtered=any(visit.query.get(name) for name in FILTERS),
        exports=_exports(_wanted(reading, visit), begin, end),
        span=chosen.get("since", ""),
    )


def _exports(
    wanted: IncidentFilter, begin: datetime | None, end: datetime | None
) -> dict[str, str]:
    """Addresses of files with what the filter leaves; the browser adds a span, and its zone."""
    query = {
        "case": wanted.case or "",
        "since": begin.isoformat() if begin else "",
        "until": end.isoformat() if end else "",
        "state": wanted.state or "",
        "severity": wanted.severity or "",
        "kind": wanted.kind[0] if wanted.kind else "",
        "city": wanted.city or "",
        "camera": wanted.camera[0] if wanted.camera else "",
        "text": wanted.text or "",
    }
    return {name: f"/api/incidents.{name}{query_url(query)}" for name in ("csv", "geojson")}


def camera_choice(city: str, camera: str) -> str:
    """A camera of a city as one value of a query."""
    return f"{quote(city, safe='')}/{quote(camera, safe='')}"


def camera_of(choice: str) -> tuple[str, str]:
    """City and id behind `camera_choice`."""
    city, _, camera = choice.partition("/")
    return unquote(city), unquote(camera)


def _more(visit: Visit, queue: IncidentPage) -> str:
    filters = {name: visit.query.get(name, "") for name in FILTERS}
    following = {**filters, "after": queue.next_before or ""}
    return markup(visit.language).render(
        "incident_pages.html",
        first="/incidents" + query_url(filters) if visit.query.get("after") else "",
        following="/incidents" + query_url(following) if queue.next_before else "",
        is_empty=not queue.incidents,
    )
