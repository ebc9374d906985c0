"""`EvidenceFiles`: images and clips of incidents, durable in the spool before any event names them.

Nothing here raises for disk trouble or for an image that cannot be had: the event goes out without
it, and that is counted.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from camera_adapters import ClipFile
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.restricted_rows import LEAST_KEYFRAME_PRIORITY
from pipelines.delivery.spool import Spool
from pipelines.errors import EncodingError, OutboxUnavailable, SpoolError, SpoolFull
from pipelines.event import EDGE_PRIORITY
from pipelines.event_evidence import ClipData, KeyframeData, Role
from pipelines.evidence_frame import EvidenceFrame
from pipelines.incident import Incident
from pipelines.keyframe import clip_data, encode, keyframe

log = logging.getLogger(__name__)

SHED_AT_ONCE: Final = 16
"""Files given up together when the spool is full, clips before keyframes."""


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image that an event shall have.

    Attributes:
        role: Which moment of the incident it shows.
        frame: The frame.
        at: When it was captured, UTC.
        number: How many keyframes the incident has already.
    """

    role: Role
    frame: EvidenceFrame
    at: datetime
    number: int


class EvidenceFiles:
    """Those of one camera worker. The recorder calls it under its own lock.

    Attributes:
        keyframes: Keyframes spooled.
        missed: Keyframes that events had to go without.
    """

    def __init__(self, outbox: Outbox, spool: Spool, address: str) -> None:
        """Puts files into `spool`; `address` stands before a keyframe's key in its address."""
        self._outbox = outbox
        self._spool = spool
        self._address = address
        self.keyframes = 0
        self.missed = 0

    def clear(self) -> None:
        """Removes files that no event names."""
        for name in self._spool.names() - self._outbox.blob_names():
            self._spool.remove(name)

    def keep_image(
        self, incident: Incident, event: str, wanted: WantedImage
    ) -> KeyframeData | None:
        """Makes an image durable, and its clean one apart; None where that cannot be done.

        Args:
            incident: Whose it is.
            event: Id of the event that brings it.
            wanted: The image.
        """
        peak = incident.peak if wanted.role == "peak" else None
        subjects = peak.subjects if peak else incident.subjects
        try:
            encoded = encode(wanted.frame.image)
            names = (incident.camera, incident.id, event)
            kept = keyframe(encoded, wanted.role, *names, wanted.number, wanted.at, self._address)
            try:
                self._spool.put(kept.name, encoded.jpeg)
            except SpoolFull:
                if not self._shed(EDGE_PRIORITY[incident.severity]):
                    raise
                self._spool.put(kept.name, encoded.jpeg)
        except (EncodingError, SpoolError) as error:
            self.missed += 1
            log.error(
                "evidence.keyframe_missed", extra={"camera": incident.camera, "error": str(error)}
            )
            return None
        self.keyframes += 1
        overlay = wanted.frame.overlay(incident.zone, {one.track for one in subjects})
        update: dict[str, object] = {"overlay": overlay}
        if of_main := wanted.frame.of_main:
            update |= {"stream": of_main.stream, "stream_reason": of_main.reason}
        kept = kept.model_copy(update=update)
        return self._keep_clean(kept, encoded.clean, incident.camera)

    def keep_clip(self, clip: ClipFile, incident: Incident, begins_at: datetime) -> ClipData:
        """Makes a clip durable, or says why there is none.

        Args:
            clip: The clip.
            incident: Whose it is.
            begins_at: When its first image was captured, UTC.
        """
        described = clip_data(clip, incident, begins_at)
        try:
            self._spool.put(described.name, clip.data)
        except SpoolError as error:
            log.error(
                "evidence.clip_missed", extra={"camera": incident.camera, "error": str(error)}
            )
            reason = (
                "the spool is full" if isinstance(error, SpoolFull) else "the disk took nothing"
            )
            return ClipData(state="none", reason=reason)
        return described

    def _keep_clean(self, kept: KeyframeData, data: bytes | None, camera: str) -> KeyframeData:
        """Keeps the clean image of a keyframe, which goes without it where there is no room."""
        if kept.clean is None or data is None:
            return kept
        try:
            self._spool.put(kept.clean.name, data)
        except SpoolError as error:
            log.error("evidence.clean_missed", extra={"camera": camera, "error": str(error)})
            return kept.model_copy(update={"clean": None})
        return kept

    def _shed(self, priority: int) -> bool:
        try:
            restricted = self._outbox.shed_blobs(LEAST_KEYFRAME_PRIORITY - 1, SHED_AT_ONCE)
            names = restricted or self._outbox.shed_blobs(priority, SHED_AT_ONCE)
        except OutboxUnavailable:
            return False
        for name in names:
            self._spool.remove(name)
        if names:
            log.warning("evidence.shed", extra={"files": len(names)})
        return bool(names)
