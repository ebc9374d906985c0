"""What stands around every page: heads, navigation, warnings, and what the browser needs to run it.

The tab's title begins with the number of open incidents.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from event_hub.access import ROUTES
from event_hub.console.language import N_, Language
from event_hub.console.markup import markup
from event_hub.console.page import Announcement, CityReading, Content, Visit
from pipelines.event import IncidentData

ASSETS: Final = Path(__file__).parent / "assets"
STYLES: Final = tuple(
    f"{name}.css"
    for name in (
        "base",
        "frame",
        "incidents",
        "overview",
        "cameras",
        "traffic",
        "cards",
        "reports",
        "print",
    )
)

SCRIPTS: Final = ("console.js", "orders.js")

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

SCRIPT_TEXTS: Final = {
    "days": N_("%(days)s d %(hours)s h"),
    "shown": N_("New incident"),
    "error": N_("This did not work. Try again."),
    "error401": N_("Your session has ended: log in again."),
    "error403": N_("You are not allowed to do this."),
    "error404": N_("It is not there any more: retention has deleted it, or it never came."),
    "error409": N_("Somebody else has just done something else with it: look again."),
    "error422": N_("Something is missing in what you entered, or wrong."),
    "error502": N_("What is stored is not what the event names."),
    "error503": N_("The store does not answer: try again."),
    "reasonMissing": N_("Choose a reason."),
    "reasonOther": N_("Say which reason it is."),
    "toMissing": N_("Say to whom it goes."),
    "textMissing": N_("Write the note."),
    "reasonTooShort": N_("Give a reason of at least 8 characters."),
    "refused": N_("It was refused:"),
}
"""What the script of the page says, in the language of the page."""


class PageFrame:
    """The frame of every page."""

    def __init__(self, pages: tuple[tuple[str, str], ...]) -> None:
        """Leads to the pages of these names and paths."""
        self._pages = pages

    def around(self, content: Content, reading: CityReading, visit: Visit) -> Content:
        """The content with the frame's parts and the full title."""
        situation = reading.situation
        render = markup(visit.language).render
        nav = [
            (name, path, visit.language.text(NAMES[name]), name == visit.page)
            for name, path in self._pages
            if _may_open(path, visit)
        ]
        parts = {
            "head": render("head.html", situation=situation, with_counts=visit.page != HOME),
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


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def head_html(language: Language, now_ms: int) -> str:
    """What belongs into the head of a page: the server's time, styles and texts."""
    texts = {name: language.text(text) for name, text in SCRIPT_TEXTS.items()}
    style = "\n".join(_asset(name) for name in STYLES)
    return (
        f"<meta name='cityeye-now' content='{now_ms}'><style>{style}</style>"
        f"<script type='application/json' id='cy-texts'>{_script_json(texts)}</script>"
        f"<script>{_asset('theme.js')}</script>"
    )


def _script_json(texts: dict[str, str]) -> str:
    return json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")


def body_html(language: Language) -> str:
    """What belongs into the body: the skip link, dialogs, and the page's scripts."""
    scripts = "".join(f"<script>{_asset(name)}</script>" for name in SCRIPTS)
    return markup(language).render("dialogs.html") + scripts
