"""Serves clips as RTSP cameras from the command line: `python -m simulation.rtsp_server`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from simulation.rtsp_server.errors import RtspServerError
from simulation.rtsp_server.mount import Auth, Mount
from simulation.rtsp_server.server import RtspServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; prints one URL per clip once the server listens."""
    parser = argparse.ArgumentParser(prog="python -m simulation.rtsp_server", description=__doc__)
    parser.add_argument("clips", metavar="CLIP", nargs="+", type=Path, help="H.264 or H.265 file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", default=0, type=int, help="TCP port; 0 takes a free one")
    parser.add_argument(
        "--logins",
        metavar="FILE",
        type=Path,
        help="lines of NAME:PASSWORD that viewers log in with",
    )
    parser.add_argument(
        "--auth", default="digest", choices=("basic", "digest"), help="kind of login"
    )
    options = parser.parse_args(arguments)
    try:
        users = read_logins(options.logins) if options.logins else {}
        mounts = mounts_for(options.clips, users, options.auth if users else "none")
        asyncio.run(_serve(mounts, options.host, options.port))
    except (RtspServerError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def read_logins(path: Path) -> dict[str, str]:
    """Passwords by user name; they come from a file because command lines are public."""
    users: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        name, colon, password = line.partition(":")
        if line and not (name and colon):
            raise ValueError(f"{path}, line {number}: expected NAME:PASSWORD")
        if line:
            users[name] = password
    if not users:
        raise ValueError(f"{path} holds no login")
    return users


def mounts_for(clips: Iterable[Path], users: Mapping[str, str], auth: Auth) -> list[Mount]:
    """One mount per clip, named after its file; equal names get a number."""
    mounts: dict[str, Mount] = {}
    for clip in clips:
        path, number = clip.stem, 1
        while path in mounts:
            number += 1
            path = f"{clip.stem}-{number}"
        mounts[path] = Mount(path, clip, users, auth)
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
