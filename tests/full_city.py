"""Facts of a city in which everything that has a metric is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from camera_adapters import Size
from pipelines.delivery.retention import Kept, RetentionLimit
from pipelines.delivery.sink_state import SinkState
from pipelines.metrics import InferenceMetrics, InferenceTiming, MetricsRecorder
from pipelines.plan import ModelRef, Route
from serving.api.answers import ModelAnswer, ThresholdsAnswer
from serving.api.inference_totals import InferenceTotals
from serving.api.metrics import CityFacts
from serving.capacity.budget import CapacityState
from serving.rollout.rollout import Rollout
from serving.rollout.rollouts import RolloutState
from serving.worker_state import WorkerState
from serving.worker_upkeep import DiskSpace
from tests.serving.workers import main_stream, worker_state

MODEL: Final = ModelRef("traffic", "1", Size(640, 384), ("car",), 0.4)
WAITS: Final = SinkState(
    "hub", 7, 3, 2, 1, oldest=datetime.now(UTC) - timedelta(minutes=5), reason="answered 401"
)
KEPT: Final = Kept("keyframes", RetentionLimit(days=30, gigabytes=2.0), 5)
ANSWER: Final = ModelAnswer(
    name=MODEL.name,
    version=MODEL.version,
    sha256="0" * 64,
    width=640,
    height=384,
    labels=MODEL.labels,
    thresholds=ThresholdsAnswer(default=0.4, classes={}),
    provider="cpu",
    precision="fp32",
    chosen="",
    application="",
    status="RUNNING",
    replicas=1,
    role="stable",
    cameras=(),
    requests=1,
    errors=0,
    images=1,
    inference_ms_per_image=1.0,
    memory_bytes=100_000_000,
    warm_until=None,
)


def inferences(batches: int = 1) -> dict[str, InferenceMetrics]:
    """What a caller counted in so many batches of one image."""
    recorder = MetricsRecorder()
    for _ in range(batches):
        recorder.answered(MODEL.key, 1, InferenceTiming(0.001, 0.01, 0.01, "cpu"))
    return dict(recorder.snapshot())


def full_worker(*cameras: str) -> WorkerState:
    """`worker-0` with everything that has a metric."""
    state = worker_state(*cameras, sinks=(WAITS,))
    assert state.snapshot is not None
    group = state.snapshot.group
    routed = tuple(
        replace(one, routes={"traffic": Route(MODEL)}, main=main_stream()) for one in group.cameras
    )
    snapshot = replace(
        state.snapshot,
        group=replace(group, cameras=routed),
        models=inferences(),
        disk=DiskSpace(4_000, 10_000),
        kept=(Kept("worker-0 events", RetentionLimit(), 3),),
    )
    return replace(state, snapshot=snapshot)


def full_city(*cameras: str) -> CityFacts:
    """A city of one worker."""
    totals = InferenceTotals()
    totals.update("worker-0", 1, inferences())
    return CityFacts(
        workers=[full_worker(*cameras)],
        rollouts=[RolloutState(Rollout(model="traffic", stable="1"), (), "", (), None, {})],
        models=[ANSWER],
        kept=[KEPT],
        capacity=CapacityState(2.0, 0.31, 0.0, 4, 4, 20, 0, 0.03),
        totals=totals.by_model(),
    )
