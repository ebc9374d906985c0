"""What a page of the console is: who looks at it, its parts, and what they show at the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, runtime_checkable

from sqlalchemy import Connection

from event_hub.console.language import Language
from event_hub.console.situation import CitySituation
from event_hub.heard import HeardCameras
from event_hub.people.visible import ALL, Visible
from pipelines.access import Scope

NO_CITY: Final = "-"
"""In addresses, where an incident or camera names no city."""

Announcement = tuple[tuple[str, str], str]
"""City and id of an incident, and what to say of it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at which page: everything that what is shown depends on beside the store.

    Attributes:
        route: Values from the address's path, such as `city` and `incident`.
        query: Values from the address's query.
        scope: What the visitor may do.
        groups: The camera groups that the visitor is limited to; none for every camera.
        has_password: Whether the visitor is a user with a password of this hub.
        chosen: Whether the visitor has chosen the thing that `route` names; a page that chooses
            one by itself says no.
    """

    page: str
    route: Mapping[str, str]
    query: Mapping[str, str]
    language: Language
    scope: Scope
    chosen: bool = True
    groups: tuple[str, ...] = ()
    has_password: bool = False

    def at(self, **route: str) -> Visit:
        """The same visitor at another thing of the page, chosen by the visitor."""
        return replace(self, route=route, chosen=True)

    @property
    def key(self) -> tuple[object, ...]:
        """Two visits with one key see the same."""
        return (
            self.page,
            *sorted(self.route.items()),
            *sorted(self.query.items()),
            self.language.code,
            self.scope,
            self.chosen,
            self.groups,
            self.has_password,
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """A part of a page that is sent anew when it has changed, and nothing else with it.

    Attributes:
        name: By which `Content` fills it; also its class, after `cy-`.
        tag: The HTML element.
        rows: Tag of its rows, where it is a list: each of them is sent by itself.
    """

    name: str
    tag: str = "div"
    rows: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a page shows.

    Attributes:
        title: Of the browser's tab, without the number of open incidents.
        parts: HTML by the name of the slot.
        lists: HTML of rows by their keys, in order, by the name of the slot.
        selected: The thing that the page has chosen by itself, as `Visit.route`.
    """

    title: str
    parts: Mapping[str, str]
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    selected: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CityReading:
    """One reading of the store, for everything that a page shows.

    Attributes:
        sees: The cameras that the visitor sees; nothing else is read.
    """

    connection: Connection
    heard: HeardCameras
    situation: CitySituation
    sees: Visible = ALL


class Page(Protocol):
    """One page of the console.

    Attributes:
        name: In the navigation, and in `Visit.page`.
        paths: Addresses in the notation of FastAPI; the first is that of the navigation.
        slots: Its parts in order, in groups by the class of the group.
    """

    name: str
    paths: tuple[str, ...]
    slots: Mapping[str, tuple[Slot, ...]]

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """What it shows now; runs in a thread."""
        ...


@runtime_checkable
class FetchingPage(Page, Protocol):
    """A page that shows what is not in the store."""

    def fetch(self) -> None:
        """Reads that anew; may take seconds, in a thread, and is never called twice at once."""
        ...
