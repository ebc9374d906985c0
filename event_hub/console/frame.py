"""What stands around every page: heads, navigation, warnings, and what the browser needs to run it.

The tab's title begins with the number of open incidents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from event_hub.access import ROUTES
from event_hub.console.language import N_, Language
from event_hub.console.markup import asset, markup
from event_hub.console.page import Announcement, CityReading, Content, Visit
from event_hub.console.script_texts import script_texts
from pipelines.event import IncidentData

STYLES: Final = tuple(
    f"{name}.css"
    for name in (
        "base",
        "frame",
        "incidents",
        "overview",
        "cameras",
        "camera",
        "traffic",
        "cards",
        "reports",
        "print",
    )
)

HOME: Final = "overview"
"""It has the numbers that the head of the other pages has."""

NAMES: Final = {
    "overview": N_("Overview"),
    "incidents": N_("Incidents"),
    "cameras": N_("Cameras"),
    "traffic": N_("Traffic"),
    "reports": N_("Reports"),
    "models": N_("Models"),
    "settings": N_("Settings"),
}

SECTIONS: Final = {"camera": "cameras"}
"""The page of the navigation that a page without a place there belongs to."""

SCRIPTS: Final = {
    "camera": ("live", "drawn", "editor", "camera_changes", "trial", "connection"),
    "cameras": ("trial", "adding"),
}
"""What a page runs beside the console's own script."""


class PageFrame:
    """The frame of every page."""

    def __init__(self, pages: tuple[tuple[str, str], ...]) -> None:
        """Leads to the pages of these names and paths, those of the navigation."""
        self._pages = tuple(one for one in pages if one[0] in NAMES)

    def around(self, content: Content, reading: CityReading, visit: Visit) -> Content:
        """The content with the frame's parts and the full title."""
        situation = reading.situation
        render = markup(visit.language).render
        here = SECTIONS.get(visit.page, visit.page)
        nav = [
            (name, path, visit.language.text(NAMES[name]), name == here)
            for name, path in self._pages
            if _may_open(path, visit)
        ]
        parts = {
            "head": render(
                "head.html",
                situation=situation,
                with_counts=visit.page != HOME,
                has_password=visit.has_password,
            ),
            "nav": render("nav.html", pages=nav, situation=situation),
            "notice": render("notice.html", situation=situation),
            "foot": render("foot.html", situation=situation),
        }
        count = f"({situation.open}) " if situation.open else ""
        title = f"{count}{content.title} · CityEye"
        return replace(content, title=title, parts={**parts, **content.parts})

    def news(self, reading: CityReading, visit: Visit) -> list[Announcement]:
        """What to say of the incidents that were opened last."""
        return [
            ((one.city, one.incident_id), _sentence(one, visit.language))
            for one in reversed(reading.situation.newest)
        ]


def _may_open(path: str, visit: Visit) -> bool:
    rule = ROUTES.find("GET", path)
    if rule is None or rule.scope is None:
        return False
    return visit.scope.allows(rule.scope) and (rule.by_group or not visit.groups)


def _sentence(incident: IncidentData, language: Language) -> str:
    words = markup(language).words
    where = ", ".join(filter(None, (incident.camera.name or incident.camera.id, incident.zone)))
    return language.text(
        N_("New incident: %(kind)s, %(severity)s. %(where)s."),
        kind=words.kind(incident.kind),
        severity=words.severity(incident.severity),
        where=where,
    )


def head_html(language: Language, page: str, now_ms: int) -> str:
    """What belongs into the head of a page: the server's time, styles and texts."""
    style = "\n".join(asset(name) for name in STYLES)
    return (
        f"<meta name='cityeye-now' content='{now_ms}'><style>{style}</style>"
        "<script type='application/json' id='cy-texts'>"
        f"{_script_json(script_texts(language, page))}</script>"
        f"<script>{asset('theme.js')}</script>"
    )


def _script_json(texts: Mapping[str, Any]) -> str:
    return json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")


def body_html(language: Language, page: str) -> str:
    """What belongs into the body: the skip link, dialogs, and the page's scripts."""
    names = ("api", "console", "orders", *SCRIPTS.get(page, ()))
    scripts = "".join(f"<script>{asset(f'{name}.js')}</script>" for name in names)
    return markup(language).render("dialogs.html") + scripts
