"""The page of settings: who may do what, who is sent what, and how full what is kept is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args
from urllib.parse import quote

from event_hub import queries
from event_hub.city_control import CityControl
from event_hub.console.fill_levels import CityLevels, hub_level
from event_hub.console.markup import markup
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.incident_words import plain
from event_hub.people.groups import group_list
from event_hub.people.users import User, UserRole, user_list
from event_hub.settings import HubRetention
from event_hub.subscriptions.records import dead_events, subscription_records
from event_hub.subscriptions.wanted import FormatName, WantedEvents
from pipelines.access import Scope, TokenFile, TokenFileError
from pipelines.event_incident import LEVELS

USERS: Final = 50
TOKENS: Final = 100
DEAD: Final = 20
TEXT_CHARS: Final = 100


@dataclass(frozen=True, slots=True)
class HubAdministration:
    """What the page shows beside the store.

    Attributes:
        tokens: The hub's.
        retention: The limits of what the hub keeps.
        control: The control API of its city; None where there is none.
    """

    tokens: TokenFile
    retention: HubRetention
    control: CityControl | None = None


class SettingsPage:
    """See `event_hub.console.page.FetchingPage`."""

    name = "settings"
    paths: tuple[str, ...] = ("/settings",)
    slots: Mapping[str, tuple[Slot, ...]] = {
        "all": (
            Slot("settings-head"),
            Slot("users-head", "form"),
            Slot("users", "ol", rows="li"),
            Slot("users-more"),
            Slot("tokens", "section"),
            Slot("subscriptions-head"),
            Slot("subscriptions", "ol", rows="li"),
            Slot("retention", "section"),
        )
    }

    def __init__(self, administration: HubAdministration) -> None:
        self._of = administration
        control = administration.control
        self._levels = CityLevels(control) if control is not None else None

    def fetch(self) -> None:
        """See `FetchingPage.fetch`."""
        if self._levels is not None:
            self._levels.read()

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """Users, tokens, subscriptions and retention; nothing for who is no administrator."""
        title = visit.language.text("Settings")
        if not visit.scope.allows(Scope.ADMIN) or visit.groups:
            return Content(title, {})
        render = markup(visit.language).render
        groups = sorted(group_list(reading.connection))
        users = _found(user_list(reading.connection), visit.query.get("text", "")[:TEXT_CHARS])
        people = {
            one.name: render(
                "user_row.html",
                user=one,
                groups=groups,
                roles=get_args(UserRole),
                url=f"/api/users/{quote(one.name, safe='')}",
            )
            for one in users[:USERS]
        }
        parts = {
            "settings-head": render("settings_head.html"),
            "users-head": render("users_head.html", text=visit.query.get("text", "")),
            "users-more": render(
                "users_more.html",
                groups=groups,
                roles=get_args(UserRole),
                hidden=len(users) - USERS,
                is_empty=not users,
            ),
            "tokens": self._tokens(visit),
            "subscriptions-head": render(
                "subscriptions_head.html",
                formats=get_args(FormatName),
                severities=list(LEVELS),
                time_zone=WantedEvents.model_fields["time_zone"].default,
            ),
            "retention": self._retention(reading, visit),
        }
        return Content(
            title, parts, {"users": people, "subscriptions": _subscriptions(reading, visit)}
        )

    def _tokens(self, visit: Visit) -> str:
        try:
            # A session of the console is kept as a token with a parent.
            tokens = [one for one in self._of.tokens.tokens() if not one.parent]
        except TokenFileError:
            return markup(visit.language).render("tokens.html", tokens=None, most=TOKENS)
        return markup(visit.language).render("tokens.html", tokens=tokens, most=TOKENS)

    def _retention(self, reading: CityReading, visit: Visit) -> str:
        hub = hub_level(queries.health(reading.connection, self._of.retention))
        levels = self._levels
        return markup(visit.language).render(
            "retention.html",
            levels=(hub, *((levels.latest if levels else None) or ())),
            has_city=levels is not None,
            is_away=levels is not None and levels.is_away,
            is_known=levels is not None and levels.latest is not None,
        )


def _found(users: list[User], text: str) -> list[User]:
    words = plain(text).split()
    return [one for one in users if all(word in plain(one.name) for word in words)]


def _subscriptions(reading: CityReading, visit: Visit) -> dict[str, str]:
    render = markup(visit.language).render
    return {
        one.subscription_id: render(
            "subscription_row.html",
            one=one,
            dead=dead_events(reading.connection, one.subscription_id, DEAD) if one.dead else [],
            url=f"/api/subscriptions/{quote(one.subscription_id, safe='')}",
        )
        for one in subscription_records(reading.connection)
    }
