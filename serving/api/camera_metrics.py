"""Metrics of single cameras: as many series for each as `docs/metrics.md` says, and no more.

A camera is in one worker at a time, so its counters need no other label: one whose worker was
replaced, or that came into another one, starts at zero as Prometheus expects of a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client.metrics_core import Metric

from camera_adapters import CameraState
from pipelines import CameraSnapshot
from serving.api.metric_family import counter, gauge
from serving.worker_state import WorkerState

UNKNOWN: Final = "unknown"
"""Nothing is known of a camera now; nobody may be watching it."""
STATES: Final = (*(state.value for state in CameraState), UNKNOWN)

COUNTERS: Sequence[tuple[str, str, Callable[[CameraSnapshot], float | None]]] = (
    ("decoded_frames", "Images decoded without damage", lambda c: c.reader.decoded),
    ("damaged_frames", "Images left out as damaged", lambda c: c.reader.corrupt),
    (
        "dropped_frames",
        "Due frames that a newer one replaced before they were taken",
        lambda c: c.reader.dropped,
    ),
    ("analysed_frames", "Frames with a result", lambda c: c.statistics.analysed),
    ("held_frames", "Frames not inferred, as nothing had moved", lambda c: c.statistics.held),
    ("failed_frames", "Frames for which a model failed", lambda c: c.statistics.failed),
    ("reconnects", "Attempts to open the source after the first", lambda c: c.reader.reconnects),
    ("incidents_opened", "Incidents opened", lambda c: sum(c.statistics.incidents.values())),
    (
        "coverage_requested_seconds",
        "Time for which tasks were asked to watch, in periods that are over",
        lambda c: c.coverage.requested_s,
    ),
    (
        "coverage_able_seconds",
        "Time in which they watched and could see the place, in periods that are over",
        lambda c: c.coverage.able_s,
    ),
    (
        "main_stream_keyframes",
        "Images that were taken of its main stream; absent where it has one stream",
        lambda c: None if c.main is None else c.main.keyframes,
    ),
    (
        "main_stream_missed_keyframes",
        "Images that were taken of its smaller stream instead",
        lambda c: None if c.main is None else c.main.missed,
    ),
)
GAUGES: Sequence[tuple[str, str, Callable[[CameraSnapshot], float | None]]] = (
    ("decoded_fps", "Images decoded per second lately", lambda c: c.reader.decoded_fps),
    (
        "requested_fps",
        "Inferences per second that its most demanding task wants",
        lambda c: c.statistics.requested_fps,
    ),
    (
        "achieved_fps",
        "Inferences per second that this task got lately",
        lambda c: c.statistics.achieved_fps,
    ),
    (
        "last_frame_age_seconds",
        "Age of its newest image",
        lambda c: c.reader.last_frame_age_s,
    ),
    (
        "result_age_seconds",
        "Arrival of a frame to its result: 95th percentile of the newest results",
        lambda c: c.statistics.frame_age_ms["p95"] / 1000 if c.statistics.analysed else None,
    ),
    (
        "main_stream_up",
        "1 while keyframes are of its main stream, 0 while of the smaller one",
        lambda c: None if c.main is None else not c.main.fault,
    ),
    (
        "main_stream_kept_bytes",
        "Encoded images of its main stream that are kept in memory",
        lambda c: None if c.main is None else c.main.kept_bytes,
    ),
)


def camera_families(workers: Sequence[WorkerState]) -> Iterable[Metric]:
    """All families that have the label `camera`."""
    known = [camera for worker in workers for camera in worker.cameras]
    states = {camera.id: camera.state.value for camera in known}
    states |= {camera: UNKNOWN for worker in workers for camera in worker.unknown}
    yield gauge(
        "cityeye_camera_state",
        "1 for the state that a camera is in, 0 for the others",
        ("camera", "state"),
        (((name, one), one == state) for name, state in states.items() for one in STATES),
    )
    for name, text, value in COUNTERS:
        values = (((camera.id,), value(camera)) for camera in known)
        yield counter(f"cityeye_camera_{name}", text, ("camera",), values)
    for name, text, now in GAUGES:
        values_now = (((camera.id,), now(camera)) for camera in known)
        yield gauge(f"cityeye_camera_{name}", text, ("camera",), values_now)
