"""`GroupCamera`: one camera of a group, from its reader to its rules."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from camera_adapters import (
    CameraReader,
    CameraState,
    Mailbox,
    ReaderCounters,
    StateChange,
    ViewSpec,
)
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import CameraPipeline
from pipelines.evidence import EvidenceRecorder
from pipelines.incident import EndReason
from pipelines.metrics import StatisticsSnapshot
from pipelines.plan import CameraPlan, Routes
from pipelines.rules.rule import Moment
from pipelines.shadow.comparison import CameraShadow

log = logging.getLogger(__name__)

STREAM_LOST_AFTER_S: Final = 20.0
READER_STOP_S: Final = 3.0
BLIND: Final = (CameraState.OFFLINE, CameraState.UNAUTHORIZED)


@dataclass(frozen=True, slots=True)
class CameraSnapshot:
    """One camera at one moment, as shown by the API and written by the demo.

    Attributes:
        routes: The versions that inferred its newest frame, by task.
        serving: Every `name/version` that a frame of it may still be sent to or waits for.
    """

    id: str
    name: str
    state: CameraState
    reason: str
    ended: bool
    reader: ReaderCounters
    statistics: StatisticsSnapshot
    routes: Routes
    serving: frozenset[str]


class GroupCamera:
    """What a camera group has of each of its cameras.

    Attributes:
        routes: Its routes.
        mailbox: Where its due frames arrive.
        shadow: Its comparisons.
        pipeline: What processes its frames.
    """

    def __init__(
        self,
        plan: CameraPlan,
        recorder: EvidenceRecorder,
        incarnation: str,
        comparisons: Path,
        on_arrival: Callable[[], None],
    ) -> None:
        """Prepares everything; nothing runs before `start`.

        Args:
            plan: The camera.
            recorder: Where transitions and state changes go.
            incarnation: Differs between worker starts.
            comparisons: Folder for what shadow versions would have done.
            on_arrival: Called when a due frame has arrived.
        """
        self._spec = plan.camera
        self._recorder = recorder
        self.routes = CameraRoutes(plan.routes)
        self.mailbox = Mailbox(on_arrival=on_arrival)
        self.shadow = CameraShadow(plan, self.routes, incarnation, comparisons)
        self.pipeline = CameraPipeline(plan, self.routes, recorder, self.shadow, incarnation)
        self._reader = CameraReader(
            plan.camera, _views(plan.routes), self.mailbox, on_state=self._note_state
        )
        self._change: StateChange | None = None
        self._lost = False

    def start(self) -> None:
        """Starts reading."""
        self._reader.start()

    def stop(self) -> None:
        """Stops reading."""
        if not self._reader.stop(READER_STOP_S):
            log.warning("reader_did_not_stop", extra={"camera": self._spec.id})

    def reroute(self, routes: Routes) -> None:
        """Changes versions between two frames; safe from any thread."""
        if routes != self.routes.newest:
            # The routes first: a frame with the new views must find them.
            self.routes.change(routes)
            self._reader.rescale(_views(routes))

    def check(self) -> bool:
        """Ends incidents that the camera has been blind for too long to vouch for.

        Returns:
            Whether versions of older routes are out of use since the last check.
        """
        change, now_s = self._change, time.monotonic()
        if change is None or change.state not in BLIND:
            self._lost = False
        elif not self._lost and now_s - change.at_mono_s > STREAM_LOST_AFTER_S:
            self._lost = True
            self.end_incidents(EndReason.STREAM_LOST)
        return self.routes.settle(now_s)

    def end_incidents(self, reason: EndReason) -> None:
        """Ends every open incident now."""
        self.pipeline.close(reason, Moment(datetime.now(UTC), time.monotonic()))

    def snapshot(self, now_s: float, serving: frozenset[str]) -> CameraSnapshot:
        """The camera at monotonic time `now_s`; `serving` as in `CameraSnapshot`."""
        return CameraSnapshot(
            id=self._spec.id,
            name=self._spec.name,
            state=self._reader.state,
            reason=self._reader.reason,
            ended=self._reader.ended,
            reader=self._reader.counters,
            statistics=self.pipeline.statistics.snapshot(now_s),
            routes=self.routes.processed,
            serving=serving,
        )

    def _note_state(self, change: StateChange) -> None:
        # Called from the reader's thread: the recorder is thread-safe, the assignment is atomic.
        self._change = change
        self._recorder.publish_state(change, self._spec)


def _views(routes: Routes) -> dict[str, frozenset[ViewSpec]]:
    """The analysis images that the models of each task need."""
    return {task: route.views for task, route in routes.items()}
