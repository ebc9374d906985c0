"""One RTSP connection: reads messages, writes answers, until either side ends.

Every wait has a limit, every message a bound, and whatever a peer sends ends in an answer or a
closed connection, never in an exception.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from simulation.rtsp_server.dialogue import Dialogue
from simulation.rtsp_server.errors import ProtocolError
from simulation.rtsp_server.message import (
    MAX_LEADING_BLANKS,
    InterleavedData,
    Request,
    Response,
    read_message,
)
from simulation.rtsp_server.mount import ServerLimits
from simulation.rtsp_server.stream import LiveStream
from simulation.rtsp_server.udp import UdpPorts

log = logging.getLogger(__name__)

_WITH_ALLOW = frozenset({405, 455, 501})
"""Statuses whose answer lists the methods that are allowed (RFC 2326, 11.3)."""


class Connection:
    """Serves one client. Arguments as for `Dialogue`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        streams: Mapping[str, LiveStream],
        ports: UdpPorts,
        limits: ServerLimits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._dialogue = Dialogue(writer, streams, ports, limits, self._heard)
        self._heard_s = time.monotonic()
        writer.transport.set_write_buffer_limits(high=limits.viewer_buffer_bytes)

    async def serve(self) -> None:
        """Answer requests until the client leaves, is lost, or says something unreadable."""
        try:
            while first := await self._first_byte():
                if not await self._serve_one(first):
                    break
        except (OSError, TimeoutError) as error:
            log.debug("rtsp_client_lost", extra={"reason": type(error).__name__})
        except asyncio.CancelledError:
            self._writer.transport.abort()  # the server stops: nobody waits for slow readers
            raise
        except Exception:  # one client's trouble must not become another's
            log.exception("rtsp_connection_failed")
        finally:
            self._dialogue.end_session()
            await self._close()

    async def _first_byte(self) -> bytes:
        """The next message's first byte, blank filler skipped; empty when the client is gone."""
        for _ in range(MAX_LEADING_BLANKS):
            first = await self._wait_for_byte()
            if first not in {b"\r", b"\n"}:
                return first
        return b""

    async def _wait_for_byte(self) -> bytes:
        """Wait until the session times out; receiver reports over UDP keep it open."""
        limits = self._limits
        while True:
            has_session = self._dialogue.has_session
            limit_s = limits.session_timeout_s if has_session else limits.idle_timeout_s
            remaining_s = self._heard_s + limit_s - time.monotonic()
            if remaining_s <= 0:
                return b""
            try:
                async with asyncio.timeout(remaining_s):
                    first = await self._reader.read(1)
            except TimeoutError:
                continue
            self._heard()
            return first

    async def _serve_one(self, first: bytes) -> bool:
        """Read and answer one message; False when the connection is to end."""
        cseq: int | None = None
        try:
            message = await self._read(first)
            if message is None:
                return False
            if isinstance(message, InterleavedData):
                return True  # receiver reports: that they came is all that counts
            cseq = message.cseq
            response = self._dialogue.answer(message)
            if response is not None:
                self._writer.write(response.encode(cseq))
                # No wait before this: the answer to PLAY names the first frame to come.
                self._dialogue.start_playing(message)
        except ProtocolError as error:
            allow = (("Allow", self._dialogue.methods),) if error.status in _WITH_ALLOW else ()
            self._writer.write(Response(error.status, allow).encode(cseq))
            await self._drain()
            return not error.fatal
        await self._drain()
        return True

    async def _read(self, first: bytes) -> Request | InterleavedData | None:
        try:
            async with asyncio.timeout(self._limits.message_timeout_s):
                return await read_message(self._reader, first)
        except TimeoutError:
            raise ProtocolError(408, "the request took too long", fatal=True) from None

    async def _drain(self) -> None:
        async with asyncio.timeout(self._limits.answer_timeout_s):
            await self._writer.drain()

    async def _close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(self._limits.answer_timeout_s):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()

    def _heard(self) -> None:
        self._heard_s = time.monotonic()
