"""A proxy before a store that fails as networks and stores do; healthy, it passes bytes on."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
from concurrent.futures import Future
from enum import StrEnum, auto
from typing import Final, Self

_LENGTH: Final = re.compile(rb"\r\nContent-Length: *(\d+)\r\n", re.IGNORECASE)
_DENIED_BODY: Final = b"<Error><Code>AccessDenied</Code><Message>denied</Message></Error>"
_DENIED: Final = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_DENIED_BODY), _DENIED_BODY)
)
_RESET: Final = struct.pack("ii", 1, 0)
_BLOCK: Final = 64 * 1024
_SLOW_BLOCK: Final = 2048
_SLOW_S: Final = 0.25
_CUT_AFTER: Final = 16 * 1024
_CALL_S: Final = 10.0


class StoreFault(StrEnum):
    """How the way to a store fails."""

    NONE = auto()
    DOWN = auto()
    DENY = auto()
    SLOW = auto()
    CUT = auto()
    HANG = auto()


class StoreProxy:
    """Listens while its `with` block runs; `fault` may be set at any time from any thread."""

    def __init__(self, endpoint: str) -> None:
        """`endpoint` is `host:port` of the store."""
        self._host, _, port = endpoint.partition(":")
        self._port = int(port)
        self._fault = StoreFault.NONE
        self._started: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, name="store-proxy", daemon=True)

    @property
    def endpoint(self) -> str:
        """Where it listens, `host:port`."""
        return f"127.0.0.1:{self._started.result(_CALL_S)}"

    def set_fault(self, fault: StoreFault) -> None:
        """Fails like this from now on, on the connections that there are as well."""
        self._fault = fault
        self._loop.call_soon_threadsafe(self._drop_all)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(_CALL_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_BLOCK)
        )
        self._started.set_result(server.sockets[0].getsockname()[1])
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._drop_all()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    def _drop_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                await self._answer(reader, writer, self._fault)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: StoreFault
    ) -> None:
        if fault is StoreFault.DOWN:
            _reset(writer)
        elif fault is StoreFault.HANG:
            while await reader.read(_BLOCK):
                pass
        elif fault is StoreFault.DENY:
            await _deny(reader, writer)
        else:
            await self._pass_on(reader, writer, fault)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: StoreFault
    ) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        self._writers.add(there_writer)
        back = asyncio.create_task(_copy(there_reader, writer, StoreFault.NONE))
        try:
            await _copy(reader, there_writer, fault)
        finally:
            if fault is StoreFault.CUT:
                _reset(writer)
            self._writers.discard(there_writer)
            there_writer.close()
            with contextlib.suppress(OSError, EOFError):
                await back


async def _deny(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads one request to its end, so that the answer and not a broken connection is seen."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = _LENGTH.search(head)
    left = int(found.group(1)) if found else 0
    while left > 0 and (block := await reader.read(min(left, _BLOCK))):
        left -= len(block)
    writer.write(_DENIED)
    await writer.drain()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: StoreFault
) -> None:
    size, sent = (_SLOW_BLOCK if fault is StoreFault.SLOW else _BLOCK), 0
    while block := await reader.read(size):
        writer.write(block)
        await writer.drain()
        sent += len(block)
        if fault is StoreFault.SLOW:
            await asyncio.sleep(_SLOW_S)
        if fault is StoreFault.CUT and sent > _CUT_AFTER:
            return
    writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
