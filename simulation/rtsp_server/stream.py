"""One mount at work: a pump that sends the looped clip in real time to everybody who watches.

Each frame is packetised once. Frames leave on the monotonic clock without drift; RTP time runs on
over the loop's seam; parameter sets precede every key frame; a sender report goes to every new
viewer and to all of them every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import replace

from simulation.rtsp_server import rtcp
from simulation.rtsp_server.clip import CLOCK_HZ, AccessUnit, Clip, carries_parameter_sets
from simulation.rtsp_server.faults import GARBAGE, NO_FAULT, Fault, FaultKind, PacketDamage
from simulation.rtsp_server.mount import Mount, MountCounters, OnFrame, leave_unnoted
from simulation.rtsp_server.packetiser import RTP_HEADER_BYTES, Packetiser
from simulation.rtsp_server.timeline import Timeline
from simulation.rtsp_server.viewer import Burst, Outcome, Viewer

log = logging.getLogger(__name__)

MAX_LATE_S = 1.0
"""A frame later than this is not sent: after a suspension, a burst of old frames helps nobody."""


class LiveStream:
    """One mount, played to its viewers. Lives on the server's event loop."""

    def __init__(self, mount: Mount, clip: Clip, on_frame: OnFrame = leave_unnoted) -> None:
        self.mount = mount
        self.clip = clip
        self._on_frame = on_frame
        self.fault = NO_FAULT
        self._packetiser = Packetiser(clip.codec)
        self._damage: PacketDamage | None = None
        self._viewers: dict[Viewer, None] = {}
        self._pump: asyncio.Task[None] | None = None
        self._timeline = self._new_timeline()
        self._next = 0
        self._counters = MountCounters()

    @property
    def ssrc(self) -> int:
        """The stream's RTP source, the same as long as it exists."""
        return self._packetiser.ssrc

    @property
    def counters(self) -> MountCounters:
        """A snapshot."""
        return replace(self._counters, viewers=len(self._viewers))

    def count(self, **increments: int) -> None:
        """Add to counters by name."""
        sums = {name: getattr(self._counters, name) + more for name, more in increments.items()}
        self._counters = replace(self._counters, **sums)

    def set_fault(self, fault: Fault | None) -> None:
        """Misbehave from now on, or stop doing so; `kill` and `end` act on viewers at once."""
        if self.fault.kind is FaultKind.FREEZE:
            self._wait_for_key()
        self.fault = fault or NO_FAULT
        self._damage = PacketDamage(self.fault) if self.fault.damages_packets else None
        if self.fault.cuts_off:
            for viewer in list(self._viewers):
                self._cut_off(viewer, self.fault)

    def begin(self) -> int:
        """RTP time at which a viewer that joins right now will start to see frames."""
        if not self._viewers:
            if self.mount.start == "first_viewer":
                self._timeline = self._new_timeline()
                self._next = 0
            else:
                self._next = self._timeline.first_due(time.monotonic())
        return self._timeline.rtp_timestamp(self._timeline.next_key(self._next))

    def join(self, viewer: Viewer) -> None:
        """Let a viewer watch from the next key frame on; call right after `begin`."""
        viewer.waiting_for_key = True
        self._viewers[viewer] = None
        self.count(viewers_total=1)
        if self._pump is None:
            self._pump = asyncio.create_task(self._play())
            self._pump.add_done_callback(self._pump_ended)
        if self.fault.cuts_off:
            self._cut_off(viewer, self.fault)
        else:
            self._report([viewer])

    def leave(self, viewer: Viewer) -> None:
        """Stop sending to a viewer; the last one to leave stops the pump."""
        self._viewers.pop(viewer, None)
        if not self._viewers and self._pump is not None:
            self._pump.cancel()
            self._pump = None

    def close(self) -> None:
        """Say goodbye to all viewers and stop."""
        for viewer in list(self._viewers):
            self._cut_off(viewer, Fault(FaultKind.END))

    def _new_timeline(self) -> Timeline:
        phase_s = self.mount.phase_s if self.mount.start == "server" else 0.0
        return Timeline(self.clip, time.monotonic() - phase_s, secrets.randbelow(1 << 32))

    def _cut_off(self, viewer: Viewer, fault: Fault) -> None:
        if fault.kind is FaultKind.END:
            viewer.send_control(rtcp.goodbye(self.ssrc))
        viewer.close(reset=fault.kind is FaultKind.KILL)
        self.leave(viewer)

    async def _play(self) -> None:
        timeline = self._timeline
        report_due_s = time.monotonic() + self.mount.report_period_s
        while True:
            await asyncio.sleep(max(0.0, timeline.due_s(self._next) - time.monotonic()))
            now_s = time.monotonic()
            if now_s - timeline.due_s(self._next) > MAX_LATE_S:
                resumed = timeline.first_due(now_s)
                self._skip_late(resumed - self._next)
                self._next = resumed
                continue
            self._next += 1
            self._emit(self._next - 1, now_s)
            if now_s >= report_due_s:
                self._report(list(self._viewers))
                report_due_s = now_s + self.mount.report_period_s

    def _pump_ended(self, pump: asyncio.Task[None]) -> None:
        if pump.cancelled() or (error := pump.exception()) is None:
            return
        log.error("rtsp_stream_failed", extra={"mount": self.mount.path}, exc_info=error)
        self._pump = None
        self.close()

    def _skip_late(self, frames: int) -> None:
        log.warning("rtsp_frames_late", extra={"mount": self.mount.path, "frames": frames})
        self.count(frames_late=frames)
        self._wait_for_key()

    def _wait_for_key(self) -> None:
        for viewer in self._viewers:
            viewer.waiting_for_key = True

    def _emit(self, number: int, now_s: float) -> None:
        fault = self.fault
        if fault.withholds_rtp:
            self._wait_for_key()
            return
        unit, timestamp = self._timeline.unit(number), self._timeline.rtp_timestamp(number)
        if fault.kind is FaultKind.FREEZE:
            unit = self.clip.units[0]
        elif fault.kind is FaultKind.JUMP:
            timestamp = (timestamp + round(fault.offset_s * CLOCK_HZ)) & 0xFFFF_FFFF
        packets = self._packetiser.packets(self._nals_to_send(unit), timestamp)
        octets = sum(map(len, packets)) - RTP_HEADER_BYTES * len(packets)
        self.count(frames=1, packets=len(packets), octets=octets)
        if self._damage is not None:
            packets = self._damage.apply(packets)
        burst = Burst(packets, key=unit.key)
        self._on_frame(self.mount.path, number % len(self.clip.units), time.monotonic())
        for viewer in list(self._viewers):
            if fault.kind is FaultKind.CUT:
                viewer.cut(burst)
                self.leave(viewer)
                continue
            if fault.kind is FaultKind.GARBAGE:
                viewer.send_garbage(GARBAGE)
            self._account(viewer, viewer.offer(burst, now_s))

    def _nals_to_send(self, unit: AccessUnit) -> tuple[bytes, ...]:
        if unit.key and not carries_parameter_sets(self.clip.codec, unit.nals):
            return self.clip.parameter_sets + unit.nals
        return unit.nals

    def _account(self, viewer: Viewer, outcome: Outcome) -> None:
        if outcome is Outcome.SKIPPED:
            self.count(frames_skipped=1)
        elif outcome is Outcome.DISCONNECTED:
            log.warning("rtsp_viewer_too_slow", extra={"mount": self.mount.path})
            self.count(viewers_dropped=1)
            self.leave(viewer)

    def _report(self, viewers: list[Viewer]) -> None:
        fault = self.fault
        if fault.withholds_rtcp:
            return
        wrong_s = fault.offset_s if fault.kind is FaultKind.WRONG_CLOCK else 0.0
        rtp_now = self._timeline.rtp_now(time.monotonic())
        counters = self._counters
        packet = rtcp.sender_report(
            self.ssrc, time.time() + wrong_s, rtp_now, counters.packets, counters.octets
        )
        self.count(reports=1)
        for viewer in viewers:
            viewer.send_control(packet)
