"""The cameras of the street: a process that serves stamped clips over RTSP and notes when.

`StreetServer` starts and stops it; `python -m benchmarks.street_server SPEC` is the process. It
ends when its standard input does, so it never outlives whoever started it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from benchmarks.receiver import receiving
from benchmarks.street_log import FrameLog
from simulation.rtsp_server import Mount, RtspServerThread, ServerLimits, load_clip

_GOLDEN: Final = 0.6180339887
"""Multiples of it, modulo 1, are spread evenly, however many they are."""

_MAIN: Final = "main-"
"""Before the number of a camera, in the path of its main stream."""

_STOP_S: Final = 20.0
_ROOM: Final = 16
"""Connections beside one per camera, for contestants that connect again before they disconnect."""


@dataclass(frozen=True, slots=True)
class StreetSpec:
    """What the process serves.

    Attributes:
        clip: A stamped clip; every camera plays it, each with a phase of its own.
        cameras: How many.
        sent: File that notes when which frame was sent.
        main_clip: What every camera sends beside it as its main stream; empty for nothing.
    """

    clip: str
    cameras: int
    sent: str
    main_clip: str = ""


@dataclass(frozen=True, slots=True)
class StreetAddresses:
    """Where the process serves: URLs of its cameras, and of a receiver for a city's events.

    `mains` are their main streams, empty where they have none.
    """

    cameras: tuple[str, ...]
    events: str
    mains: tuple[str, ...] = ()


class StreetServer:
    """The process, for as long as the context lasts.

    Attributes:
        addresses: Where it serves; set once the context is entered.
    """

    addresses: StreetAddresses

    def __init__(self, spec: StreetSpec) -> None:
        """Starts nothing yet."""
        self._spec = spec
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None:
            raise RuntimeError("the server has no process before it is entered: use `with`")
        return self._process.pid

    def __enter__(self) -> Self:
        """Returns when the cameras can be opened."""
        command = [sys.executable, "-m", "benchmarks.street_server", json.dumps(asdict(self._spec))]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the RTSP server ended with status {self._process.wait()}")
        answer = json.loads(line)
        mains = tuple(answer["mains"])
        self.addresses = StreetAddresses(tuple(answer["cameras"]), answer["events"], mains)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def serve(spec: StreetSpec) -> None:
    """Serves until standard input ends; says on standard output where."""
    log = FrameLog(Path(spec.sent))

    def note(path: str, number: int, sent_s: float) -> None:
        if path.isdecimal():
            log.note(int(path), number, sent_s)

    mounts = _mounts(spec, spec.clip, "")
    mains = _mounts(spec, spec.main_clip, _MAIN) if spec.main_clip else []
    limits = ServerLimits(connections=2 * (len(mounts) + len(mains)) + _ROOM)
    served = (*mounts, *mains)
    with receiving() as events, RtspServerThread(served, limits=limits, on_frame=note) as server:
        urls, larger = (tuple(server.url(one.path) for one in some) for some in (mounts, mains))
        sys.stdout.write(json.dumps(asdict(StreetAddresses(urls, events, larger))) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


def _mounts(spec: StreetSpec, file: str, prefix: str) -> list[Mount]:
    """The same clip for every camera, each with a phase of its own."""
    clip = Path(file)
    duration_s = load_clip(clip).duration_s
    return [
        Mount(
            f"{prefix}{number}",
            clip,
            start="server",
            phase_s=duration_s * (number * _GOLDEN % 1.0),
        )
        for number in range(spec.cameras)
    ]


if __name__ == "__main__":
    serve(StreetSpec(**json.loads(sys.argv[1])))
