"""Puts the parts of a hub together as one ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Final

from fastapi import APIRouter, FastAPI

from event_hub.access import COOKIE, ROUTES, content_security_policy
from event_hub.api import ANY_EVENT, api_router, health_of
from event_hub.cases.closing_check import ClosingChecker
from event_hub.cases.limit_watch import LimitWatch
from event_hub.cases.outcome_routes import outcome_router
from event_hub.cases.routes import cases_router
from event_hub.cases.time_limits import TimeLimits
from event_hub.city_control import CityControl
from event_hub.console.login_page import login_page
from event_hub.deletions.deleter import EvidenceDeleter
from event_hub.deletions.guard import Undeleted
from event_hub.deletions.routes import deletions_router
from event_hub.errors import StoreUnavailableError
from event_hub.evidence import EvidenceKeeper
from event_hub.housekeeping import Housekeeper
from event_hub.keyframe_links import KeyframeLinks
from event_hub.keyframes import EvidenceFolder, KeyframeSource, WithEvidence
from event_hub.login import login_router
from event_hub.metrics import HubMetrics, RequestTimer
from event_hub.people.accounts import Accounts
from event_hub.people.audit import audit_router
from event_hub.people.routes import people_router
from event_hub.refusals import add_refusals
from event_hub.report_routes import reports_router
from event_hub.settings import HubSettings
from event_hub.store import EventStore
from event_hub.subscriptions.dispatcher import Dispatcher
from event_hub.subscriptions.routes import subscriptions_router
from event_hub.subscriptions.sealing import Sealing, SealingError, seal_all
from pipelines.access import (
    AccessGate,
    AccessPolicy,
    AuditTrail,
    TokenFile,
    known_hosts,
)
from pipelines.event_schemas import event_components
from pipelines.http_api import HttpApi
from pipelines.tracing import open_spans

logger = logging.getLogger(__name__)

SERVER: Final = "hub"
"""What the audit trail calls it."""


def _seal(store: EventStore, sealing: Sealing) -> None:
    """Encrypts what an earlier program kept of subscriptions; the hub starts where it cannot."""
    try:
        with store.database.write() as connection:
            count = seal_all(connection, sealing)
        if count:
            store.database.overwrite()
    except (SealingError, StoreUnavailableError) as error:
        logger.warning("subscriptions_not_encrypted error=%s", error)
        return
    if count:
        logger.info("subscriptions_encrypted count=%s", count)


class _Parts:
    """What a hub has, opened; `running` is the life of its threads."""

    def __init__(self, settings: HubSettings, keyframes: KeyframeSource) -> None:
        self.settings = settings
        self.tokens = TokenFile(settings.access)
        self.tokens.prepare()
        spans = open_spans(settings.traces, "cityeye-hub", settings.address or settings.host)
        database_url = settings.database.get_secret_value()
        self.store = EventStore(database_url, settings.silence_limit_s, spans)
        database = self.store.database
        self.trail = AuditTrail(settings.audit, SERVER)
        self.accounts = Accounts(database, self.trail)
        folder = EvidenceFolder(settings.evidence)
        kept = WithEvidence(keyframes, folder)
        self.evidence = EvidenceKeeper(self.store, Undeleted(keyframes, database), folder)
        self.source = Undeleted(kept, database)
        self.deleter = EvidenceDeleter(database, kept, self.trail)
        self.limits = TimeLimits(settings.cases)
        self.links = KeyframeLinks(settings.access)
        self.sealing = Sealing(settings.access)
        _seal(self.store, self.sealing)
        self.dispatcher = Dispatcher(
            self.store, settings.subscriptions, self.sealing, settings.address, self.links
        )
        self.checker = self.control = None
        if settings.control is not None:
            self.control = CityControl(settings.control)
            self.checker = ClosingChecker(self.store, self.control, folder, settings.address)
        watch = LimitWatch(self.store, self.limits)
        self.housekeeper = Housekeeper(
            self.store, settings.retention, self.evidence, watch, self.deleter
        )
        self.metrics = HubMetrics(self.store)
        self.console = None
        if settings.console:
            # Loading the page's framework takes two seconds: only where there is a page.
            from event_hub.console.console import Console
            from event_hub.console.settings_page import HubAdministration

            self.console = Console(
                self.store,
                self.limits,
                self.accounts,
                HubAdministration(self.tokens, settings.retention, self.control),
                settings.map_tiles,
            )

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        self.housekeeper.start()
        self.dispatcher.start()
        if self.checker is not None:
            self.checker.start()
        try:
            async with self.console.running() if self.console else nullcontext():
                yield
        finally:
            if self.checker is not None:
                self.checker.stop()
            self.dispatcher.stop()
            self.housekeeper.stop()
            self.store.close()

    def routers(self) -> list[APIRouter]:
        """Every route of the API, and the login."""
        settings, store = self.settings, self.store
        return [
            api_router(
                store,
                self.source,
                self.evidence,
                self.housekeeper,
                settings,
                self.metrics,
                self.trail,
                self.links,
            ),
            cases_router(
                store,
                self.limits,
                self.trail,
                settings.control.city if settings.control else "",
            ),
            outcome_router(store, self.source),
            reports_router(store),
            subscriptions_router(
                store, self.dispatcher.sender, settings.subscriptions, self.sealing, self.trail
            ),
            people_router(self.accounts),
            audit_router(self.trail),
            deletions_router(store.database, self.deleter),
            login_router(self.tokens, self.accounts, settings),
        ]

    def policy(self) -> AccessPolicy:
        """Who is let in."""
        settings = self.settings
        outside = settings.oidc.label if settings.oidc else ""
        tiles = settings.map_tiles
        return AccessPolicy(
            routes=ROUTES,
            tokens=self.tokens,
            hosts=known_hosts(settings.host, settings.hosts),
            content_security_policy=content_security_policy(tiles.origin if tiles else ""),
            cookie=COOKIE,
            sessions=self.accounts.sessions.check,
            login_page=partial(login_page, outside=outside) if settings.console else None,
        )


def build_app(settings: HubSettings, keyframes: KeyframeSource) -> FastAPI:
    """The hub as an ASGI application; its end of life closes the database.

    Its `state.health` gives what `/health` answers; `state.is_stopping` is asked by answers that
    last, and whoever serves the application says whether it is about to end.

    Raises:
        DatabaseUrlError: The database URL cannot be used.
        DatabaseInUseError: Another hub has the database.
        StoreUnavailableError: The database cannot be opened.
        TokenFileError: The folder of the tokens cannot be used.
    """
    parts = _Parts(settings, keyframes)
    app = HttpApi(
        ROUTES,
        prefix="/api",
        schemas=event_components(ANY_EVENT),
        title="CityEye event hub",
        summary="Incidents and camera states of a district, with keyframes as evidence.",
        version="1",
        lifespan=parts.running,
    )
    app.state.is_stopping = lambda: False
    app.state.groups = parts.accounts.groups
    app.state.health = partial(health_of, parts.store, parts.housekeeper, settings.retention)
    for router in parts.routers():
        app.include_router(router)
    add_refusals(app)
    if parts.console is not None:
        parts.console.mount(app)
    app.add_middleware(RequestTimer, metrics=parts.metrics)
    app.add_middleware(AccessGate, policy=parts.policy())
    return app
