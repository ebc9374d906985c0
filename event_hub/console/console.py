"""The console's pages and the task that keeps every open one up to date, within a second.

One task checks whether the store has grown. It reads once for all pages that show the same, and
each page is sent only the parts that changed, so a burst of events costs little.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import replace
from typing import Final

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from nicegui import Client, background_tasks, ui

from event_hub.cases.time_limits import TimeLimits
from event_hub.console.camera import CameraPage
from event_hub.console.cameras import CamerasPage
from event_hub.console.frame import PageFrame, body_html, head_html
from event_hub.console.incidents import IncidentsPage
from event_hub.console.language import COOKIE, chosen_language
from event_hub.console.live_page import LivePage
from event_hub.console.markup import FAVICON, markup
from event_hub.console.models import ModelsPage
from event_hub.console.overview import OverviewPage
from event_hub.console.page import (
    Announcement,
    CityReading,
    Content,
    FetchingPage,
    Page,
    Visit,
)
from event_hub.console.reports_page import ReportsPage
from event_hub.console.settings_page import HubAdministration, SettingsPage
from event_hub.console.situation import read_situation
from event_hub.console.traffic import TrafficPage
from event_hub.errors import StoreUnavailableError
from event_hub.map_tiles import MapTiles
from event_hub.people.accounts import Accounts
from event_hub.store import EventStore
from pipelines.access import caller_of, is_still_admitted

logger = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 0.25
REFRESH_EVERY_S: Final = 15.0
"""Counts over the last 24 hours change without an event."""
FETCH_EVERY_S: Final = 3.0
"""For pages that show what is not in the store."""
ADMITTED_S: Final = 2.0
"""Whether somebody may still see a page is asked so often while it changes."""
RECONNECT_S: Final = 10.0
"""How long a page that lost its connection may come back as itself; also sets the heartbeat."""
PAGES_MAX: Final = 200

Shown = tuple[Content, list[Announcement]]


class Console:
    """The pages of one hub."""

    def __init__(
        self,
        store: EventStore,
        limits: TimeLimits,
        accounts: Accounts,
        administration: HubAdministration,
        map_tiles: MapTiles | None = None,
    ) -> None:
        """Shows what the store has.

        Args:
            store: Whose events, cameras and cases.
            limits: Of cases.
            accounts: Say who sees what, and who has a password.
            administration: What administrators see; its control API is also that of live images
                and models.
            map_tiles: What lies behind the plan of the cameras; nothing without it.
        """
        control = administration.control
        live_city = control.city if control else None
        self._store = store
        self._groups = accounts.groups
        self._users = accounts.users
        self._pages: dict[str, LivePage] = {}
        self._kinds: tuple[Page, ...] = (
            OverviewPage(map_tiles),
            IncidentsPage(limits),
            CamerasPage(live_city),
            CameraPage(live_city),
            TrafficPage(),
            ReportsPage(),
            ModelsPage(control),
            SettingsPage(administration),
        )
        self._fetching: dict[Page, asyncio.Lock] = {
            page: asyncio.Lock() for page in self._kinds if isinstance(page, FetchingPage)
        }
        self._frame = PageFrame(tuple((page.name, page.paths[0]) for page in self._kinds))

    def mount(self, app: FastAPI) -> None:
        """Put the pages beside the routes that the application has already.

        NiceGUI keeps its pages per process, so this can be done for one application only.
        """
        for page in self._kinds:
            for path in page.paths:
                self._add(page, path)
        ui.run_with(
            app,
            title="CityEye",
            dark=None,
            language="en-US",
            tailwind=False,
            reconnect_timeout=RECONNECT_S,
            show_welcome_message=False,
        )

    def _add(self, page: Page, path: str) -> None:
        @ui.page(path, title="CityEye", favicon=FAVICON)
        async def show(request: Request) -> None:
            await self._open(ui.context.client, page, request)

    async def _open(self, client: Client, page: Page, request: Request) -> None:
        language = chosen_language(
            request.headers.get("accept-language", ""), request.cookies.get(COOKIE, "")
        )
        # The framework takes the language from the page, which all clients share.
        client.page = copy(client.page)
        client.page.language = language.tag
        now_ms = int(time.time() * 1000)
        ui.add_head_html(head_html(language, page.name, now_ms))
        ui.add_body_html(body_html(language, page.name))
        if len(self._pages) >= PAGES_MAX:
            ui.html(markup(language).render("too_many.html"), sanitize=False)
            return
        caller = caller_of(request.scope)
        visit = Visit(
            page.name,
            dict(request.path_params),
            dict(request.query_params),
            language,
            caller.scope,
            groups=caller.groups,
            has_password=bool(caller.user)
            and await run_in_threadpool(self._users.has_password, caller.user),
        )
        version = self._store.version
        shown = await run_in_threadpool(self._read, page, visit)
        live = LivePage(client, page, visit, request.scope)
        live.show(shown[0], version, shown[1])
        ui.on("cy-open", lambda event: self._choose(live, event.args))
        ui.on("cy-refresh", lambda: self._fetch_and_show(page, [live]))
        self._pages[client.id] = live
        if isinstance(page, FetchingPage):
            # A page is sent within three seconds; what it fetches may come later.
            background_tasks.create(self._fetch_and_show(page, [live]))
        client.on_delete(lambda: self._pages.pop(client.id, None))

    def _read(self, page: Page, visit: Visit) -> Shown:
        # Read each time: a group may have got other cameras.
        sees = self._groups.visible(visit.groups)
        with self._store.database.read() as connection:
            situation = read_situation(connection, self._store.heard, sees)
            reading = CityReading(connection, self._store.heard, situation, sees)
            content = page.read(reading, visit)
        return self._frame.around(content, reading, visit), self._frame.news(reading, visit)

    async def _choose(self, live: LivePage, route: Mapping[str, object]) -> None:
        """The visitor chose another thing of the page, without loading it anew."""
        live.visit = live.visit.at(**{name: str(value) for name, value in route.items()})
        await self._refresh([live])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the pages up to date inside the block."""
        tasks = [
            asyncio.create_task(self._keep_up(), name="console"),
            asyncio.create_task(self._keep_fetching(), name="console-fetch"),
        ]
        try:
            yield
        finally:
            for task in tasks:
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

    async def _keep_fetching(self) -> None:
        while True:
            await asyncio.sleep(FETCH_EVERY_S)
            for page in self._fetching:
                open_pages = [live for live in self._pages.values() if live.page is page]
                if open_pages:
                    await self._fetch_and_show(page, open_pages)

    async def _fetch_and_show(self, page: Page, pages: list[LivePage]) -> None:
        """Reads what a page shows beside the store, if anything, and shows all of it."""
        if isinstance(page, FetchingPage):
            try:
                async with self._fetching[page]:
                    await run_in_threadpool(page.fetch)
            except Exception:
                # The page says what it does not know; the next round may do better.
                logger.exception("console_page_not_fetched", extra={"page": page.name})
        await self._refresh([live for live in pages if live in self._pages.values()])

    async def _may_stay(self, live: LivePage) -> bool:
        """Whether its visitor may still see the page; one who may not loads it anew."""
        clock_s = asyncio.get_running_loop().time()
        if clock_s - live.checked_s < ADMITTED_S:
            return True
        live.checked_s = clock_s
        if await is_still_admitted(live.asked):
            caller = caller_of(live.asked)
            live.visit = replace(live.visit, scope=caller.scope, groups=caller.groups)
            return True
        self._pages = {k: v for k, v in self._pages.items() if v is not live}
        live.reload()
        return False

    async def _refresh(self, pages: list[LivePage]) -> None:
        version = self._store.version
        read: dict[tuple[object, ...], Shown] = {}
        for live in pages:
            if not await self._may_stay(live):
                continue
            visit = live.visit
            try:
                if visit.key not in read:
                    read[visit.key] = await run_in_threadpool(self._read, live.page, visit)
                live.show(read[visit.key][0], version, read[visit.key][1])
            except StoreUnavailableError as error:
                logger.warning("console_not_refreshed", extra={"error": str(error)})
                return
            except Exception:
                # One broken page must not stop the others; it is shown anew when it reloads.
                logger.exception("console_page_dropped")
                self._pages = {k: v for k, v in self._pages.items() if v is not live}
