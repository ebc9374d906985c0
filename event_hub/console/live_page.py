"""An open page in a browser: its elements, brought up to date with no more than what changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import replace
from typing import Any, Final

from nicegui import Client, ui

from event_hub.console.page import Announcement, Content, Page, Slot, Visit

NEVER: Final = -1
"""The version of a page that has not been shown yet."""


class _Region(ui.element, component="assets/region.js"):
    """HTML that is worked into what the browser shows; templates have escaped all data in it."""

    def __init__(self, html: str, classes: str, tag: str) -> None:
        super().__init__()
        self.html = html
        self._props["tag"] = tag
        self._props["html"] = html
        self.classes(classes)

    def show(self, html: str) -> None:
        """Sends the HTML if it is another."""
        if html != self.html:
            self.html = html
            self._props["html"] = html
            self.update()


class _List:
    """A list of regions by key, in order."""

    def __init__(self, slot: Slot) -> None:
        self._tag = slot.rows
        self._rows: dict[str, _Region] = {}
        self._container = ui.element(slot.tag).classes(f"cy-{slot.name}")

    def show(self, rows: Mapping[str, str]) -> None:
        for gone in self._rows.keys() - rows.keys():
            self._rows.pop(gone).delete()
        for index, (key, html) in enumerate(rows.items()):
            row = self._rows.get(key)
            if row is None:
                with self._container:
                    row = _Region(html, "cy-row", self._tag)
                self._rows[key] = row
            else:
                row.show(html)
            children = self._container.default_slot.children
            if index >= len(children) or children[index] is not row:
                row.move(self._container, index)


class LivePage:
    """One browser page.

    Attributes:
        visit: Who looks at what.
        asked: The request that it was opened with, as ASGI has it.
        checked_s: When its visitor was last found to be admitted, by the clock of the event loop.
        version: Of the store when it was shown the last time.
    """

    def __init__(
        self, client: Client, page: Page, visit: Visit, asked: MutableMapping[str, Any]
    ) -> None:
        self.page = page
        self.visit = visit
        self.asked = asked
        self.checked_s = asyncio.get_running_loop().time()
        self.version = NEVER
        self._client = client
        self._regions: dict[str, _Region] = {}
        self._lists: dict[str, _List] = {}
        self._announced: set[tuple[str, str]] | None = None
        self._title = ""
        # The framework's page would be a second `main` around ours.
        if client.content.parent_slot is not None:
            client.content.parent_slot.parent.tag = "div"
        self._build()

    def _build(self) -> None:
        self._add(Slot("head", "header"))
        self._add(Slot("nav", "nav"))
        with ui.element("main").props("id=main tabindex=-1") as self._main:
            self._add(Slot("notice"))
            for name, slots in self.page.slots.items():
                with ui.element("div").classes(f"cy-{name}"):
                    for slot in slots:
                        self._add(slot)
            self._add(Slot("foot"))

    def _add(self, slot: Slot) -> None:
        if slot.rows:
            self._lists[slot.name] = _List(slot)
        else:
            self._regions[slot.name] = _Region("", f"cy-{slot.name}", slot.tag)

    def show(self, content: Content, version: int, announcements: Iterable[Announcement]) -> None:
        """Bring the page to what the store had at this version."""
        self.version = version
        if content.selected is not None and not self.visit.route:
            # What the page chose by itself stays chosen, whatever comes before it now.
            self.visit = replace(self.visit, route=content.selected, chosen=False)
        chosen = "cy-chosen" if self.visit.route and self.visit.chosen else ""
        with self._client:
            self._main.classes(replace=f"cy-main cy-page-{self.page.name} {chosen}")
            for name, region in self._regions.items():
                region.show(content.parts.get(name, ""))
            for name, rows in self._lists.items():
                rows.show(content.lists.get(name, {}))
            self._announce(announcements)
            if content.title != self._title:
                self._title = content.title
                ui.page_title(content.title)

    def reload(self) -> None:
        """Has the browser ask for the page anew."""
        self._client.run_javascript("location.reload()")

    def _announce(self, announcements: Iterable[Announcement]) -> None:
        """Says what is new since the page was opened or spoke last."""
        current = dict(announcements)
        known = self._announced
        self._announced = set(current) if known is None else known | set(current)
        news = [text for key, text in current.items() if known is not None and key not in known]
        if news:
            # Only what `json` has quoted becomes part of the script.
            said = json.dumps(news).replace("<", "\\u003c")
            self._client.run_javascript(f"window.cityeye?.announce({said})")
