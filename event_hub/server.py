"""Puts the hub together and runs it in this process until it is stopped.

`ready` means that the socket listens; a stop ends open requests within seconds and closes the
database last.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI

from event_hub.access import CONTENT_SECURITY_POLICY, COOKIE, ROUTES
from event_hub.api import api_router, health_of
from event_hub.cases.limit_watch import LimitWatch
from event_hub.cases.outcome_routes import outcome_router
from event_hub.cases.routes import cases_router
from event_hub.cases.time_limits import TimeLimits
from event_hub.deletions.deleter import EvidenceDeleter
from event_hub.deletions.guard import Undeleted
from event_hub.deletions.routes import deletions_router
from event_hub.errors import HubStartError, StoreUnavailableError
from event_hub.evidence import EvidenceKeeper
from event_hub.housekeeping import Housekeeper
from event_hub.keyframes import EvidenceFolder, KeyframeSource, WithEvidence
from event_hub.login import login_page, login_router
from event_hub.metrics import HubMetrics, RequestTimer
from event_hub.people.accounts import Accounts
from event_hub.people.audit import audit_router
from event_hub.people.routes import people_router
from event_hub.refusals import add_refusals
from event_hub.settings import HubSettings
from event_hub.store import EventStore
from event_hub.subscriptions.dispatcher import Dispatcher
from event_hub.subscriptions.routes import subscriptions_router
from pipelines.access import (
    AccessGate,
    AccessPolicy,
    AuditTrail,
    TokenFile,
    guarded_protocol,
    known_hosts,
    reachable_host,
)
from pipelines.http_api import HttpApi

if TYPE_CHECKING:
    from event_hub.console import Console

logger = logging.getLogger(__name__)

SERVER = "hub"
"""What the audit trail calls it."""
GRACE_S = 3
BACKLOG = 512
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
    tokens = TokenFile(settings.access)
    tokens.prepare()
    store = EventStore(settings.database.get_secret_value(), settings.silence_limit_s)
    trail = AuditTrail(settings.audit, SERVER)
    accounts = Accounts(store.database, trail)
    console = _console(store) if settings.console else None
    folder = EvidenceFolder(settings.evidence)
    evidence = EvidenceKeeper(store, Undeleted(keyframes, store.database), folder)
    kept = WithEvidence(keyframes, folder)
    deleter = EvidenceDeleter(store.database, kept, trail)
    limits = TimeLimits(settings.cases)
    watch = LimitWatch(store, limits)
    dispatcher = Dispatcher(store, settings.subscriptions, settings.address)
    housekeeper = Housekeeper(store, settings.retention, evidence, watch, deleter)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        housekeeper.start()
        dispatcher.start()
        try:
            async with console.running() if console else nullcontext():
                yield
        finally:
            dispatcher.stop()
            housekeeper.stop()
            store.close()

    app = HttpApi(
        ROUTES,
        prefix="/api",
        title="CityEye event hub",
        summary="Incidents and camera states of a district, with keyframes as evidence.",
        version="1",
        lifespan=lifespan,
    )
    app.state.groups = accounts.groups
    app.state.is_stopping = lambda: False
    app.state.health = partial(health_of, store, housekeeper, settings.retention)
    source = Undeleted(kept, store.database)
    metrics = HubMetrics(store)
    routers = (
        api_router(store, source, evidence, housekeeper, settings, trail, metrics),
        cases_router(store, limits, trail),
        outcome_router(store, source),
        subscriptions_router(store, dispatcher.sender, settings.subscriptions, trail),
        people_router(accounts),
        audit_router(trail),
        deletions_router(store.database, deleter),
        login_router(tokens, accounts, behind_proxy=settings.without_tls),
    )
    for router in routers:
        app.include_router(router)
    add_refusals(app)
    if console is not None:
        console.mount(app)
    app.add_middleware(RequestTimer, metrics=metrics)
    app.add_middleware(AccessGate, policy=_policy(settings, tokens, accounts))
    return app


def _console(store: EventStore) -> Console:
    # Loading the page's framework takes two seconds: only where there is a page.
    from event_hub.console import Console

    return Console(store)


def _policy(settings: HubSettings, tokens: TokenFile, accounts: Accounts) -> AccessPolicy:
    return AccessPolicy(
        routes=ROUTES,
        tokens=tokens,
        hosts=known_hosts(settings.host, settings.hosts),
        content_security_policy=CONTENT_SECURITY_POLICY,
        cookie=COOKIE,
        sessions=accounts.sessions.check,
        login_page=login_page() if settings.console else "",
    )


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End well on SIGINT and SIGTERM: uvicorn would raise them again when it is done."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {one: signal.signal(one, self.handle_exit) for one in STOP_SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


class Hub:
    """A hub that is about to run: its socket is bound, so its address is known.

    `on_ready` gets the address, in the server's thread, once the hub listens.

    Raises:
        OSError: The address cannot be bound.
        HubError: The database cannot be used.
        TokenFileError: The folder of the tokens cannot be used.
    """

    def __init__(
        self,
        settings: HubSettings,
        keyframes: KeyframeSource,
        on_ready: Callable[[str], None] | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        address = settings.host, settings.port
        self._socket = socket.create_server(address, family=family, backlog=BACKLOG)
        try:
            self._app = build_app(settings, keyframes)
        except BaseException:
            self._socket.close()
            raise
        host = reachable_host(settings.host)
        scheme = "https" if settings.certificate else "http"
        self.url = f"{scheme}://{host}:{self._socket.getsockname()[1]}"
        protocol: Any = guarded_protocol()
        config = uvicorn.Config(
            self._app,
            http=protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        self._server = _Server(config, lambda: on_ready(self.url) if on_ready else None)
        self._app.state.is_stopping = lambda: self._server.should_exit

    def run(self) -> None:
        """Serve until `stop`; in the main thread SIGINT and SIGTERM stop it too.

        Raises:
            HubStartError: The server did not come up.
        """
        logger.info("hub_listening url=%s", self.url)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
        if not self._server.started:
            raise HubStartError("the hub's server did not start: the log says why")
        logger.info("hub_stopped url=%s", self.url)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with what it keeps, a sentence each, as `/health` says; from any thread."""
        try:
            return tuple(self._app.state.health().problems)
        except StoreUnavailableError as error:
            return (str(error),)

    def stop(self) -> None:
        """Ask `run` to end; from any thread."""
        self._server.should_exit = True
