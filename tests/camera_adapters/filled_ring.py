"""A ring with the packets of a clip, put in by hand, at times that a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av

from camera_adapters.packet_ring import ClipWindow, KeptPacket, PacketRing
from camera_adapters.remuxing import packet_format

BEGIN_S = 1000.0


class FilledRing:
    """Puts a clip into a ring, packet by packet.

    Attributes:
        now_s: The time of the ring's clock.
        passed_s: Seconds of video that were put in.
    """

    def __init__(self, window: ClipWindow | None = None) -> None:
        self.now_s = BEGIN_S
        self.window = window or ClipWindow(before_s=1, after_s=1)
        self.ring = PacketRing(self.window, lambda: self.now_s)

    def begin(self, path: Path) -> None:
        """A stream begins."""
        with av.open(str(path), "r") as container:
            self.ring.begin(packet_format(container.streams.video[0]))

    def put(
        self,
        path: Path,
        *,
        stamp: Callable[[int, float], float | None] = lambda _, shown_s: shown_s,
        key: Callable[[int, bool], bool] = lambda _, key: key,
    ) -> None:
        """Takes all packets of a file; time passes as the file says."""
        with av.open(str(path), "r") as container:
            stream = container.streams.video[0]
            step_s = float(1 / (stream.average_rate or 25))
            for number, packet in enumerate(one for one in container.demux(stream) if one.size):
                shown_s = float((packet.pts or 0) * (packet.time_base or 1))
                self.ring.put(
                    KeptPacket(
                        bytes(packet),
                        stamp(number, shown_s),
                        key(number, packet.is_keyframe),
                        at_s=self.now_s,
                    )
                )
                self.now_s += step_s
