"""`ClipRecorder`: a clip for every incident of a camera, out of the packets that the camera sent.

The opening of an incident never waits for its clip, and no frame does: packets are cut by the
camera's reader, made into a file and kept by the thread that looks after the cameras. What became
of it is published in a revision of the incident, also where there is no clip.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from camera_adapters import (
    CameraSpec,
    ClipWindow,
    PacketRing,
    RemuxError,
    Reservation,
    remux,
)
from pipelines.coverage import Coverage
from pipelines.errors import OutboxUnavailable
from pipelines.event_evidence import ClipData
from pipelines.evidence import EvidenceRecorder
from pipelines.evidence_frame import EvidenceFrame
from pipelines.incident import Incident, Measurement, Phase, Transition
from pipelines.plan import ModelRef

log = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 32
"""Incidents of one camera whose clips are awaited at once."""


@dataclass(slots=True, eq=False)
class _Awaited:
    """The clip of an incident on its way: its packets, until `data` says what became of them."""

    incident: Incident
    reservation: Reservation | None
    data: ClipData | None = None


class ClipRecorder:
    """A `PipelineRecorder` of one camera that also sees to clips. Safe from several threads."""

    def __init__(
        self,
        window: ClipWindow,
        ring: PacketRing,
        recorder: EvidenceRecorder,
        clock: Callable[[], float] = time.monotonic,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Starts without any clip.

        Args:
            window: How much a clip shows.
            ring: The camera's packets.
            recorder: Where transitions and clips go.
            clock: Monotonic seconds, those of the ring.
            utc_now: The same as a date.
        """
        self._window = window
        self._ring = ring
        self._recorder = recorder
        self._clock = clock
        self._utc_now = utc_now
        self._awaited: list[_Awaited] = []

    def publish(
        self,
        transition: Transition,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
        frame: EvidenceFrame | None,
        peak: EvidenceFrame | None = None,
    ) -> Transition:
        """See `EvidenceRecorder.publish`; a clip is asked for once its opening is published."""
        published = self._recorder.publish(transition, camera, model, rule, frame, peak)
        is_open = self._recorder.is_open(published.incident.id)
        if published.phase is Phase.STARTED and is_open:
            self._reserve(published.incident)
        return published

    def publish_measurement(
        self,
        measurement: Measurement,
        task: str,
        coverage: Coverage,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
    ) -> None:
        """See `EvidenceRecorder.publish_measurement`."""
        self._recorder.publish_measurement(measurement, task, coverage, camera, model, rule)

    def check(self) -> None:
        """Makes and publishes the clips that can be made by now."""
        self._ring.settle()
        self._publish()

    def finish(self) -> None:
        """Makes and publishes every clip, of the packets that there are."""
        self._ring.settle(now=True)
        self._publish()

    def _reserve(self, incident: Incident) -> None:
        opened_s = self._clock() - (self._utc_now() - incident.opened_at).total_seconds()
        window = self._window
        if len(self._awaited) >= MOST_AT_ONCE:
            reason = f"{MOST_AT_ONCE} clips of this camera are awaited already"
            refused = ClipData(state="none", reason=reason)
            self._awaited.append(_Awaited(incident, None, refused))
            return
        begin_s, end_s = opened_s - window.before_s, opened_s + window.after_s
        reservation = self._ring.reserve(begin_s, opened_s, end_s)
        self._awaited.append(_Awaited(incident, reservation))

    def _publish(self) -> None:
        for one in list(self._awaited):
            if one.reservation is not None:
                if not one.reservation.is_settled:
                    continue
                one.data = self._made(one.incident, one.reservation)
                one.reservation = None
            try:
                self._recorder.publish_clip(one.incident.id, one.data or ClipData())
            except OutboxUnavailable:
                return  # It is tried again; what is kept of it is a few words.
            self._awaited.remove(one)

    def _made(self, incident: Incident, reservation: Reservation) -> ClipData:
        """Keeps the clip, and describes it or why there is none."""
        if reservation.cut is None:
            return ClipData(state="none", reason=reservation.refused)
        try:
            clip = remux(reservation.cut)
        except RemuxError as error:
            return ClipData(state="none", reason=str(error))
        except Exception as error:
            # One clip must not end the thread that looks after all cameras.
            log.exception("evidence.clip_failed", extra={"camera": incident.camera})
            return ClipData(state="none", reason=f"it could not be made ({type(error).__name__})")
        begins_at = self._utc_now() - timedelta(seconds=self._clock() - clip.begins_s)
        return self._recorder.keep_clip(clip, incident, begins_at)
