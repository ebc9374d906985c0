"""From data to HTML: the templates, in one language. All data in them is escaped by Jinja.

Nothing here changes with the clock alone, so what has not changed gives the same HTML and is not
sent again; the browser counts durations and writes times in its own zone (`assets/console.js`).
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from event_hub.console.language import Language, LanguageCode, languages
from event_hub.console.page import NO_CITY
from event_hub.console.reasons import translated
from event_hub.console.words import CodeWords
from pipelines.event import CameraData

TEMPLATES: Final = Path(__file__).parent / "templates"
ASSETS: Final = Path(__file__).parent / "assets"
FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="none" '
    'stroke="#2f7d8c" stroke-width="3" d="M3 16q13-18 26 0q-13 18-26 0z"/>'
    '<circle cx="16" cy="16" r="4.5" fill="#2f7d8c"/></svg>'
)


@cache
def asset(name: str) -> str:
    """A style or script, for the inside of its element."""
    return (ASSETS / name).read_text(encoding="utf-8")


class LanguageMarkup:
    """The templates in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.words = CodeWords(language)
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        # The extension adds these; Jinja's types do not know of it.
        install: Any = self._environment.install_gettext_translations  # type: ignore[attr-defined]
        install(language.catalogue, newstyle=True)
        self._environment.globals |= {
            "words": self.words,
            "language": language,
            "languages": tuple(languages().values()),
            "clock": clock,
            "reason": self.reason,
            "name": camera_name,
            "favicon": Markup(FAVICON),  # noqa: S704 - a constant
            "camera_url": camera_url,
            "incident_url": incident_url,
            "file_url": file_url,
            "query_url": query_url,
        }

    def render(self, template: str, **values: object) -> str:
        """The HTML of a template."""
        return self._environment.get_template(template).render(values)

    def reason(self, text: str) -> Markup:
        """A reason from an event; marked as English where it is not known in the language."""
        known = translated(self.language, text)
        if known is not None or self.language.code == "en":
            return Markup("{}").format(known or text)
        return Markup('<span lang="en">{}</span>').format(text)


@cache
def _markup(code: LanguageCode) -> LanguageMarkup:
    return LanguageMarkup(languages()[code])


def markup(language: Language) -> LanguageMarkup:
    """The templates in a language."""
    return _markup(language.code)


def clock(moment: datetime, style: str = "minutes") -> Markup:
    """A time, which the browser writes in its zone.

    Args:
        moment: When.
        style: `minutes`, `seconds`, `hour` (without the day) or `day` (without the time).
    """
    iso = moment.isoformat()
    return Markup('<time datetime="{0}" data-clock="{1}">{0}</time>').format(iso, style)


def camera_name(camera: CameraData) -> str:
    """What people call a camera."""
    return camera.name or camera.id


def camera_url(city: str, camera_id: str) -> str:
    """The page of a camera."""
    return f"/cameras/{quote(city or NO_CITY, safe='')}/{quote(camera_id, safe='')}"


def camera_api(city: str, camera_id: str = "") -> str:
    """Where the API has a camera, or all of a city; below it are its images and places."""
    steps = (city, camera_id) if camera_id else (city,)
    return "/api/cameras/" + "/".join(quote(one, safe="") for one in steps)


def incident_url(city: str, incident_id: str, query: dict[str, str] | None = None) -> str:
    """The permalink of an incident; the query keeps the filter that it was found by."""
    path = f"/incidents/{quote(city or NO_CITY, safe='')}/{quote(incident_id, safe='')}"
    return path + query_url(query or {})


def file_url(route: str, key: str, city: str) -> str:
    """Where the API has a stored file: `route` is `keyframes` or `evidence`."""
    return f"/api/{route}/{quote(key, safe='/')}" + query_url({"city": city})


def query_url(query: dict[str, str]) -> str:
    """`?a=b`, without what is empty; empty where nothing is left."""
    given = {name: value for name, value in query.items() if value}
    return f"?{urlencode(given)}" if given else ""
