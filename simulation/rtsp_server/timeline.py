"""Where an endlessly looped clip stands at a time: pure arithmetic on the monotonic clock.

Sending times and RTP times grow without a jump over the seam between two rounds.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from simulation.rtsp_server.clip import CLOCK_HZ, AccessUnit, Clip

_RTP_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """A clip laid end to end from `origin_s` on. Units are counted over all rounds, from 0.

    Attributes:
        clip: The clip.
        origin_s: Monotonic time at which unit 0 is sent.
        rtp_base: RTP time of the first shown image.
    """

    clip: Clip
    origin_s: float
    rtp_base: int

    def unit(self, number: int) -> AccessUnit:
        """The access unit behind a number."""
        return self.clip.units[number % len(self.clip.units)]

    def due_s(self, number: int) -> float:
        """Monotonic time at which a unit is to be sent."""
        ticks = self._round_ticks(number) + self.unit(number).send_ticks
        return self.origin_s + ticks / CLOCK_HZ

    def rtp_timestamp(self, number: int) -> int:
        """RTP time at which a unit is shown."""
        ticks = self._round_ticks(number) + self.unit(number).shown_ticks
        return (self.rtp_base + ticks) & _RTP_MASK

    def rtp_now(self, now_s: float) -> int:
        """RTP time of an image taken now; no unit is sent before the time it was taken."""
        ticks = round((now_s - self.origin_s) * CLOCK_HZ) + self.clip.reorder_ticks
        return (self.rtp_base + ticks) & _RTP_MASK

    def first_due(self, now_s: float) -> int:
        """The first unit that is not yet due."""
        ticks = max(0, round((now_s - self.origin_s) * CLOCK_HZ))
        rounds, rest = divmod(ticks, self.clip.duration_ticks)
        index = bisect_left(self.clip.units, rest, key=lambda unit: unit.send_ticks)
        return rounds * len(self.clip.units) + index

    def next_key(self, number: int) -> int:
        """The first key frame at or after a unit."""
        while not self.unit(number).key:
            number += 1
        return number

    def _round_ticks(self, number: int) -> int:
        return number // len(self.clip.units) * self.clip.duration_ticks
