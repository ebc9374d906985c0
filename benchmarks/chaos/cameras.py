"""A camera under chaos: a server of its own, whose port can be closed and whose login changes.

It notes every frame that shows something new, which is what is true of the camera.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from benchmarks.chaos.listening_ports import free_port
from benchmarks.chaos.records import FreshFrame
from simulation.rtsp_server import Fault, FaultKind, Mount, RtspServerThread

USER: Final = "chaos"
SHOWS_NOTHING_NEW: Final = frozenset({FaultKind.FREEZE, FaultKind.CORRUPT, FaultKind.CUT})
"""Faults under which frames are handed out of which none shows something new."""


class ChaosCamera:
    """Starts with `start`. Faults are set from one thread.

    Attributes:
        name: Camera id.
        password: What its server asks for now.
        port: Where it listens; the same for good.
        frames: Every frame that it handed out and that shows something new, in order.
    """

    def __init__(self, name: str, clip: Path, phase_s: float = 0.0) -> None:
        """`phase_s` is how far into the clip it begins."""
        self.name = name
        self.password = secrets.token_urlsafe(9)
        self.port = free_port()
        self.frames: list[FreshFrame] = []
        self._clip = clip
        self._phase_s = phase_s
        self._fault: Fault | None = None
        self._server: RtspServerThread | None = None

    @property
    def url(self) -> str:
        """Its address, without a login."""
        return f"rtsp://127.0.0.1:{self.port}/{self.name}"

    def start(self) -> None:
        """Listens, if it does not already."""
        if self._server is not None:
            return
        mount = Mount(
            self.name,
            self._clip,
            users={USER: self.password},
            auth="digest",
            start="server",
            phase_s=self._phase_s,
        )
        server = RtspServerThread([mount], port=self.port, on_frame=self._note)
        server.__enter__()
        self._server = server
        self.set_fault(self._fault)

    def stop(self) -> None:
        """Closes its port and all connections."""
        if self._server is not None:
            self._server.__exit__()
            self._server = None

    def set_fault(self, fault: Fault | None) -> None:
        """Misbehaves from now on, or stops doing so."""
        self._fault = fault
        if self._server is not None:
            self._server.set_fault(self.name, fault)

    def change_password(self) -> None:
        """Asks for another password from now on; who is connected has to log in again."""
        self.stop()
        self.password = secrets.token_urlsafe(9)
        self.start()

    def _note(self, _path: str, number: int, sent_s: float) -> None:
        if self._fault is None or self._fault.kind not in SHOWS_NOTHING_NEW:
            self.frames.append(FreshFrame(sent_s, number))
