"""Runs the hub in this process until it is stopped.

`ready` means that the socket listens; a stop ends open requests within seconds and closes the
database last.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from event_hub.application import build_app
from event_hub.errors import HubStartError, StoreUnavailableError
from event_hub.keyframes import KeyframeSource
from event_hub.settings import HubSettings
from pipelines.access import guarded_protocol, reachable_host
from pipelines.free_memory import keep_for_good

logger = logging.getLogger(__name__)

GRACE_S = 3
BACKLOG = 512
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            keep_for_good()
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
        logger.info("hub_listening", extra={"url": self.url})
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
        if not self._server.started:
            raise HubStartError("the hub's server did not start: the log says why")
        logger.info("hub_stopped", extra={"url": self.url})

    def problems(self) -> tuple[str, ...]:
        """What is wrong with what it keeps, a sentence each, as `/health` says; from any thread."""
        try:
            return tuple(self._app.state.health().problems)
        except StoreUnavailableError as error:
            return (str(error),)

    def stop(self) -> None:
        """Ask `run` to end; from any thread."""
        self._server.should_exit = True
