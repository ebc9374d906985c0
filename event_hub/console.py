"""The operators' page at `/`: every open page shows a new incident within a second, by itself.

One task checks whether the store has grown, reads it once and hands the same board to every page,
so a burst of events costs one reading and each page is sent only the cards that changed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from nicegui import Client, ui

from event_hub import cards
from event_hub.board import Board, IncidentView, read_board
from event_hub.errors import StoreUnavailableError
from event_hub.store import EventStore

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 0.25
REFRESH_EVERY_S = 15.0
"""Counts over the last 24 hours change without an event."""
RECONNECT_S = 10.0
"""How long a page that lost its connection may come back as itself; also sets the heartbeat."""
PAGES_MAX = 200
ASSETS = Path(__file__).parent / "assets"
FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="none" '
    'stroke="#2f7d8c" stroke-width="3" d="M3 16q13-18 26 0q-13 18-26 0z"/>'
    '<circle cx="16" cy="16" r="4.5" fill="#2f7d8c"/></svg>'
)
LOST = (
    '<p class="cy-notice" id="cy-lost" role="alert"><strong>This page has lost the hub.</strong> '
    'It shows the city as it was at <span id="cy-lost-since"></span> and is trying again.</p>'
)

LOG_OUT = '<form method="post" action="/logout"><button>Log out</button></form>'


class _Page:
    """One open browser page and what it shows now."""

    def __init__(self, client: Client) -> None:
        self.version = -1
        self._client = client
        self._cards: dict[tuple[str, str], ui.html] = {}
        with ui.element("div").classes("cy-page"):
            with ui.element("header").classes("cy-top"):
                _raw(f"{FAVICON}<h1>CityEye</h1>", "cy-brand")
                self._counts = _raw("", "cy-counts")
            _raw(LOST)
            self._notice = _raw("")
            with ui.element("div").classes("cy-main"):
                with _section("Open incidents", "cy-open"):
                    self._empty = _raw("")
                    self._open = ui.element("div").classes("cy-cards").props("aria-live=polite")
                    self._overflow = _raw("")
                with _section("Cameras", "cy-cameras"):
                    self._cameras = _raw("", "cy-list")
                with _section("Ended", "cy-ended"):
                    self._ended = ui.element("div").classes("cy-cards")
            with ui.element("footer"):
                self._last_event = _raw("")
                _raw("Times in <span data-zone>your time zone</span>.")
                _raw(LOG_OUT)

    def show(self, board: Board, version: int) -> None:
        """Bring the page to the board's state, read when the store had this version."""
        self.version = version
        with self._client:
            self._counts.content = cards.counts(board)
            self._notice.content = cards.notice(board)
            self._empty.content = cards.empty(board)
            self._overflow.content = cards.overflow(board)
            with_city = len(board.cities) > 1
            self._cameras.content = cards.camera_rows(board.cameras, with_city)
            self._last_event.content = cards.last_event(board)
            present = {view.key for view in board.incidents}
            for gone in self._cards.keys() - present:
                self._cards.pop(gone).delete()
            opened = [view for view in board.incidents if view.is_open]
            ended = [view for view in board.incidents if not view.is_open]
            self._arrange(self._open, opened, with_city)
            self._arrange(self._ended, ended, with_city)

    def _arrange(self, container: ui.element, views: list[IncidentView], with_city: bool) -> None:
        for index, view in enumerate(views):
            card = self._cards.get(view.key)
            content = cards.incident_card(view, with_city)
            if card is None:
                with container:
                    card = _raw(content, "cy-card", tag="article")
                self._cards[view.key] = card
            elif card.content != content:
                card.content = content
            children = container.default_slot.children
            if index >= len(children) or children[index] is not card:
                card.move(container, index)
            card.classes(replace=f"cy-card cy-edge-{view.incident.severity}")


def _raw(content: str, classes: str = "", tag: str = "div") -> ui.html:
    # `cards` has escaped all data already; the browser-side sanitiser would drop <template>.
    return ui.html(content, sanitize=False, tag=tag).classes(classes)


def _section(title: str, css: str) -> ui.element:
    section = ui.element("section").classes(css)
    with section:
        _raw(title, tag="h2")
    return section


class Console:
    """The page and the task that keeps every open copy of it up to date."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._pages: dict[str, _Page] = {}

    def mount(self, app: FastAPI) -> None:
        """Put the page at `/`, below every route that the application has already.

        NiceGUI keeps its pages per process, so this can be done for one application only.
        """
        style = (ASSETS / "console.css").read_text(encoding="utf-8")
        script = (ASSETS / "console.js").read_text(encoding="utf-8")

        @ui.page("/", title="CityEye", favicon=FAVICON)
        async def city() -> None:
            client = ui.context.client
            now_ms = int(time.time() * 1000)
            ui.add_head_html(f"<meta name='cityeye-now' content='{now_ms}'><style>{style}</style>")
            ui.add_body_html(f"<script>{script}</script><dialog id='cy-viewer'></dialog>")
            if len(self._pages) >= PAGES_MAX:
                _raw("<p class='cy-notice'>Too many pages are open: close one and reload.</p>")
                return
            version = self._store.version
            board = await run_in_threadpool(read_board, self._store)
            page = _Page(client)
            page.show(board, version)
            self._pages[client.id] = page
            client.on_delete(lambda: self._pages.pop(client.id, None))

        ui.run_with(
            app,
            title="CityEye",
            dark=None,
            language="en-US",
            tailwind=False,
            reconnect_timeout=RECONNECT_S,
            show_welcome_message=False,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the pages up to date inside the block."""
        task = asyncio.create_task(self._keep_up(), name="console")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_up(self) -> None:
        clock_s = asyncio.get_running_loop().time
        shown_s = clock_s()
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            pages = list(self._pages.values())
            version = self._store.version
            if clock_s() - shown_s < REFRESH_EVERY_S:
                pages = [page for page in pages if page.version != version]
            else:
                shown_s = clock_s()
            if pages:
                await self._refresh(pages)

    async def _refresh(self, pages: list[_Page]) -> None:
        version = self._store.version
        try:
            board = await run_in_threadpool(read_board, self._store)
        except StoreUnavailableError as error:
            logger.warning("console_not_refreshed error=%s", error)
            return
        for page in pages:
            try:
                page.show(board, version)
            except Exception:
                # One broken page must not stop the others; it is shown anew when it reloads.
                logger.exception("console_page_dropped")
                self._pages = {k: v for k, v in self._pages.items() if v is not page}
