"""The RTSP server in a thread of its own, for programs and tests that have no event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Self, TypeVar

from simulation.rtsp_server.faults import Fault
from simulation.rtsp_server.mount import (
    Mount,
    MountCounters,
    OnFrame,
    ServerLimits,
    leave_unnoted,
)
from simulation.rtsp_server.server import RtspServer

log = logging.getLogger(__name__)

_CALL_TIMEOUT_S = 10.0

_Result = TypeVar("_Result")


class RtspServerThread:
    """Serves mounts while its `with` block runs. Every method may be called from any thread.

    Args and errors are those of `RtspServer`.
    """

    def __init__(
        self,
        mounts: Iterable[Mount],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: ServerLimits = ServerLimits(),  # noqa: B008 - immutable
        on_frame: OnFrame = leave_unnoted,
    ) -> None:
        self._server = RtspServer(mounts, host, port, limits=limits, on_frame=on_frame)
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="rtsp-server", daemon=True)

    @property
    def port(self) -> int:
        """The TCP port that the server listens on."""
        return self._server.port

    def url(self, path: str) -> str:
        """URL of a mount, without a login."""
        return self._server.url(path)

    def counters(self, path: str) -> MountCounters:
        """What happened on a mount so far."""
        return self._server.counters(path)

    def set_fault(self, path: str, fault: Fault | None) -> None:
        """Make a mount misbehave, or behave again; in force when this returns."""
        self._call(lambda: self._server.set_fault(path, fault))

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(_CALL_TIMEOUT_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._started.result().call_soon_threadsafe(self._stop.set)
        self._thread.join(_CALL_TIMEOUT_S)
        if self._thread.is_alive():
            log.error("rtsp_server_thread_stuck")

    def _call(self, action: Callable[[], _Result]) -> _Result:
        done: Future[_Result] = Future()

        def act() -> None:
            try:
                done.set_result(action())
            except BaseException as error:
                done.set_exception(error)

        self._started.result().call_soon_threadsafe(act)
        return done.result(_CALL_TIMEOUT_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        async with self._server:
            self._started.set_result(asyncio.get_running_loop())
            await self._stop.wait()
