"""The RTSP server: binds, accepts, and plays every mount's clip as an endless live camera."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from simulation.rtsp_server.clip import Clip, load_clip
from simulation.rtsp_server.connection import Connection
from simulation.rtsp_server.errors import UnknownMountError
from simulation.rtsp_server.faults import Fault
from simulation.rtsp_server.message import MAX_HEAD_BYTES, Response
from simulation.rtsp_server.mount import (
    Mount,
    MountCounters,
    OnFrame,
    ServerLimits,
    leave_unnoted,
)
from simulation.rtsp_server.stream import LiveStream
from simulation.rtsp_server.udp import UdpPorts, open_udp_ports

log = logging.getLogger(__name__)

_BACKLOG = 128


class RtspServer:
    """Serves mounts while its `async with` block runs.

    Args:
        mounts: What to serve; every path once. Clips are loaded here, each file once.
        host: IP address to listen on. The default is reachable from this machine alone.
        port: TCP port; 0 takes a free one, see `port`.
        limits: Bounds on what clients may cost.
        on_frame: Called on the server's event loop for every frame that is sent; no blocking.

    Raises:
        ClipError: A clip cannot be served.
        ValueError: Two mounts share a path, or `host` is no IP address.
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
        self._host = str(ipaddress.ip_address(host))
        self._wanted_port = port
        self._limits = limits
        self._streams = _load_streams(mounts, on_frame)
        self._server: asyncio.Server | None = None
        self._ports: UdpPorts | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The TCP port that the server listens on."""
        if self._server is None:
            raise RuntimeError("the server has no port before it is entered: use `async with`")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def url(self, path: str) -> str:
        """URL of a mount, without a login."""
        self._stream(path)
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"rtsp://{host}:{self.port}/{path}"

    def counters(self, path: str) -> MountCounters:
        """What happened on a mount so far."""
        return self._stream(path).counters

    def set_fault(self, path: str, fault: Fault | None) -> None:
        """Make a mount misbehave, or behave again. Call on the server's event loop."""
        self._stream(path).set_fault(fault)

    async def __aenter__(self) -> Self:
        self._ports = await open_udp_ports(self._host)
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._wanted_port, limit=MAX_HEAD_BYTES, backlog=_BACKLOG
            )
        except OSError:
            self._ports.close()
            raise
        log.info("rtsp_server_started", extra={"host": self._host, "port": self.port})
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._server is None or self._ports is None:
            return
        self._server.close()
        for stream in self._streams.values():
            stream.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._ports.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._ports is None:
            raise RuntimeError("a client came before the server was entered")
        if len(self._connections) >= self._limits.connections:
            log.warning("rtsp_connection_refused", extra={"connections": len(self._connections)})
            writer.write(Response(503).encode(None))
            writer.close()
            return
        connection = Connection(reader, writer, self._streams, self._ports, self._limits)
        task = asyncio.create_task(connection.serve())
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    def _stream(self, path: str) -> LiveStream:
        try:
            return self._streams[path.strip("/")]
        except KeyError:
            raise UnknownMountError(path) from None


def _load_streams(mounts: Iterable[Mount], on_frame: OnFrame) -> dict[str, LiveStream]:
    clips: dict[Path, Clip] = {}
    streams: dict[str, LiveStream] = {}
    for mount in mounts:
        if mount.path in streams:
            raise ValueError(f"two mounts share the path {mount.path!r}")
        source = mount.clip.resolve()
        if source not in clips:
            clips[source] = load_clip(source)
        streams[mount.path] = LiveStream(mount, clips[source], on_frame)
    return streams
