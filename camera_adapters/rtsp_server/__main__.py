"""Serves clips as RTSP cameras from the command line: `python -m camera_adapters.rtsp_server`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from camera_adapters.rtsp_server.errors import RtspServerError
from camera_adapters.rtsp_server.mount import Mount
from camera_adapters.rtsp_server.server import RtspServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; prints one URL per clip once the server listens."""
    parser = argparse.ArgumentParser(
        prog="python -m camera_adapters.rtsp_server", description=__doc__
    )
    parser.add_argument("clips", metavar="CLIP", nargs="+", type=Path, help="H.264 or H.265 file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", default=0, type=int, help="TCP port; 0 takes a free one")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(mounts_for(options.clips), options.host, options.port))
    except (RtspServerError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def mounts_for(clips: Iterable[Path]) -> list[Mount]:
    """One mount per clip, named after its file; equal names get a number."""
    mounts: dict[str, Mount] = {}
    for clip in clips:
        path, number = clip.stem, 1
        while path in mounts:
            number += 1
            path = f"{clip.stem}-{number}"
        mounts[path] = Mount(path, clip)
    return list(mounts.values())


async def _serve(mounts: list[Mount], host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with RtspServer(mounts, host, port) as server:
        for mount in mounts:
            sys.stdout.write(f"{server.url(mount.path)}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
