"""What the control API answers: typed, and made from snapshots without a camera's source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, ConfigDict

from camera_adapters.geometry import Letterbox
from models.detections import Detections
from pipelines.group_camera import CameraSnapshot
from pipelines.inference_metrics import InferenceMetrics
from serving.director import WorkerState
from serving.rollout.rollouts import RolloutState
from serving.served_model import ModelState, ServedModel


class Answer(BaseModel):
    """Base of what the API answers."""

    model_config = ConfigDict(frozen=True)


class RateAnswer(Answer):
    """Wanted and achieved looks per second."""

    requested_fps: float
    achieved_fps: float


class CameraAnswer(Answer):
    """One camera. `frame_age_ms` is arrival of a frame to its result.

    `models` and `shadows` are the `name/version` by task that judged its newest frame; `looks`
    counts by task how many frames each version has judged, `reroutes` how often they changed.
    """

    id: str
    name: str
    worker: str
    state: Literal["online", "degraded", "offline", "unauthorized"]
    reason: str
    decoded: int
    analysed: int
    dropped: int
    failed: int
    reconnects: int
    last_frame_age_s: float | None
    requested_fps: float
    achieved_fps: float
    frame_age_ms: dict[str, float]
    tasks: dict[str, RateAnswer]
    incidents: dict[str, int]
    models: dict[str, str]
    shadows: dict[str, str]
    looks: dict[str, dict[str, int]]
    reroutes: int


class ModelAnswer(Answer):
    """One model version in service. `provider` is where it really runs: `cpu` or `cuda`.

    `role` is `stable`, `canary` or `shadow`, `leaving` while it waits for its last camera to leave,
    `pinned` where cameras name the version themselves. `cameras` are those on which it counts.
    """

    name: str
    version: str
    sha256: str
    width: int
    height: int
    labels: tuple[str, ...]
    threshold: float
    provider: str
    application: str
    status: str
    role: str
    cameras: tuple[str, ...]
    requests: int
    errors: int
    images: int
    run_ms_per_image: float | None


class HealthAnswer(Answer):
    """The whole at a glance: `ok` when every worker answers and every model is served."""

    status: Literal["ok", "degraded"]
    problems: tuple[str, ...]
    cameras: int
    cameras_online: int
    events_delivered: int
    events_pending: int


class DetectionAnswer(Answer):
    """One object. `box` is x1 y1 x2 y2 in normalised image coordinates."""

    label: str
    score: float
    box: tuple[float, float, float, float]


class DetectAnswer(Answer):
    """What a model sees in one image."""

    model: str
    version: str
    width: int
    height: int
    detections: tuple[DetectionAnswer, ...]


def is_on(camera: CameraSnapshot) -> bool:
    """Whether images come from it."""
    return camera.state.value in ("online", "degraded")


def cameras_of(workers: list[WorkerState]) -> list[tuple[str, CameraSnapshot]]:
    """Worker name and newest snapshot of every camera that a worker has told about."""
    return [
        (state.name, camera)
        for state in workers
        if state.snapshot
        for camera in state.snapshot.group.cameras
    ]


def faults(workers: Sequence[WorkerState]) -> dict[str, str]:
    """Why a `name/version` fails in a worker, for those that do."""
    return {
        key: reason
        for state in workers
        if state.snapshot
        for key, reason in state.snapshot.group.detector_faults.items()
    }


def camera_answer(worker: str, camera: CameraSnapshot) -> CameraAnswer:
    """A camera's snapshot as the API shows it."""
    reader, figures = camera.reader, camera.statistics
    return CameraAnswer(
        id=camera.id,
        name=camera.name,
        worker=worker,
        state=camera.state.value,
        reason=camera.reason,
        decoded=reader.decoded,
        analysed=figures.analysed,
        dropped=reader.dropped,
        failed=figures.failed,
        reconnects=reader.reconnects,
        last_frame_age_s=reader.last_frame_age_s,
        requested_fps=figures.requested_fps,
        achieved_fps=figures.achieved_fps,
        frame_age_ms=dict(figures.frame_age_ms),
        tasks={task: RateAnswer(**asdict(rate)) for task, rate in figures.tasks.items()},
        incidents=dict(figures.incidents),
        models={task: route.model.key for task, route in camera.routes.items()},
        shadows={task: r.shadow.key for task, r in camera.routes.items() if r.shadow},
        looks={task: dict(counts) for task, counts in figures.models.items()},
        reroutes=figures.reroutes,
    )


def model_answer(
    model: ServedModel,
    running: ModelState,
    state: RolloutState | None,
    cameras: Sequence[str],
    metrics: InferenceMetrics | None,
) -> ModelAnswer:
    """A model version in service.

    Args:
        model: The version, with the threshold in force.
        running: How it runs.
        state: The rollout of its model, None where every camera names its version.
        cameras: Cameras on which it counts.
        metrics: What was asked of it, None before the first call.
    """
    metrics = metrics or InferenceMetrics()
    version = model.ref.version
    leaving = state is not None and version in state.leaving
    role = state.rollout.role(version) if state else ""
    run_ms = metrics.run_ms_per_image
    return ModelAnswer(
        name=model.ref.name,
        version=model.ref.version,
        sha256=model.sha256,
        width=model.ref.size.width,
        height=model.ref.size.height,
        labels=model.ref.labels,
        threshold=model.ref.threshold,
        provider=running.provider,
        application=running.application,
        status=running.status,
        role=role or ("leaving" if leaving else "pinned"),
        cameras=tuple(cameras),
        requests=metrics.requests,
        errors=metrics.errors,
        images=metrics.images,
        run_ms_per_image=None if run_ms is None else round(run_ms, 3),
    )


def detect_answer(model: ServedModel, letterbox: Letterbox, found: Detections) -> DetectAnswer:
    """Detections with labels, in normalised image coordinates."""
    boxes = letterbox.to_normalised(found.boxes)
    return DetectAnswer(
        model=model.ref.name,
        version=model.ref.version,
        width=letterbox.full.width,
        height=letterbox.full.height,
        detections=tuple(
            DetectionAnswer(
                label=model.ref.labels[int(class_id)],
                score=round(float(score), 4),
                box=(
                    round(float(box[0]), 5),
                    round(float(box[1]), 5),
                    round(float(box[2]), 5),
                    round(float(box[3]), 5),
                ),
            )
            for box, score, class_id in zip(boxes, found.scores, found.class_ids, strict=True)
        ),
    )
