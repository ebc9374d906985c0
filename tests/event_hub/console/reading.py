"""What a page of the console shows, without a browser: its HTML, from events in a fresh store."""

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from event_hub.case_settings import CaseSettings
from event_hub.cases.time_limits import TimeLimits
from event_hub.console.cameras import CamerasPage
from event_hub.console.incidents import IncidentsPage
from event_hub.console.language import LanguageCode, languages
from event_hub.console.models import ModelsPage
from event_hub.console.overview import OverviewPage
from event_hub.console.page import CityReading, Content, Page, Visit
from event_hub.console.reports_page import ReportsPage
from event_hub.console.situation import CitySituation, read_situation
from event_hub.console.traffic import TrafficPage
from event_hub.envelope import parse_event
from event_hub.people.visible import ALL, Visible
from event_hub.store import EventStore
from pipelines.access import Scope
from tests.event_hub.samples import dump

LIMITS = TimeLimits(CaseSettings())
PAGES: dict[str, Page] = {
    page.name: page
    for page in (
        OverviewPage(),
        IncidentsPage(LIMITS),
        CamerasPage(),
        TrafficPage(),
        ReportsPage(),
        ModelsPage(),
    )
}
BLOCKS = {"dd", "dt", "li", "option", "p", "text", "title"}


class Markup(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.words += " "

    def values(self, name: str) -> list[str | None]:
        return [value for key, value in self.attributes if key == name]


@dataclass
class ShownPage:
    content: Content
    situation: CitySituation

    @property
    def html(self) -> str:
        rows = (row for rows in self.content.lists.values() for row in rows.values())
        return "\n".join((*self.content.parts.values(), *rows))

    @property
    def text(self) -> str:
        return " ".join(Markup(self.html).words.split())

    def part(self, name: str) -> Markup:
        return Markup(self.content.parts[name])

    def said(self, name: str) -> str:
        return " ".join(self.part(name).words.split())


class Store:
    """A store in a folder; each call stores some events and reads a page."""

    def __init__(self, folder: Path) -> None:
        self._url = f"sqlite:///{folder}/hub.db"

    def page(
        self,
        name: str,
        *events: dict[str, Any],
        language: LanguageCode = "en",
        scope: Scope = Scope.OPERATOR,
        route: dict[str, str] | None = None,
        sees: Visible = ALL,
        **query: str,
    ) -> ShownPage:
        store = EventStore(self._url)
        try:
            if events:
                store.add([parse_event(dump(event)) for event in events])
            visit = Visit(name, route or {}, query, languages()[language], scope)
            return shown_page(store, visit, sees)
        finally:
            store.close()


def shown_page(
    store: EventStore, visit: Visit, sees: Visible = ALL, page: Page | None = None
) -> ShownPage:
    """What a page shows, that of the visit's name without another."""
    with store.database.read() as connection:
        situation = read_situation(connection, store.heard, sees)
        reading = CityReading(connection, store.heard, situation, sees)
        return ShownPage((page or PAGES[visit.page]).read(reading, visit), situation)


def page(store: EventStore, name: str, **query: str) -> ShownPage:
    return shown_page(store, Visit(name, {}, query, languages()["en"], Scope.OPERATOR))
