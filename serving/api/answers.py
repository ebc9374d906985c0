"""What the control API answers: typed, and made from snapshots without a camera's source.

An answer takes what it shows from the objects of the program by name; only what is called or shaped
otherwise is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict

from camera_adapters import CameraState, Letterbox, MainStreamStatus
from models.detections import Detections
from pipelines import CameraSnapshot, InferenceMetrics, Rate
from serving.rollout.rollouts import RolloutState
from serving.served_models import ModelState, ServedModel
from serving.worker_state import WorkerState

Rounded = Annotated[
    float | None, AfterValidator(lambda value: None if value is None else round(value, 4))
]
Coordinate = Annotated[float, AfterValidator(lambda value: round(value, 5))]


class ApiAnswer(BaseModel):
    """Base of what the API answers."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of(cls, *sources: object, **fields: object) -> Self:
        """Makes an answer; fields that are not given come from the first source that has them."""
        for name in cls.model_fields:
            for source in () if name in fields else sources:
                if hasattr(source, name):
                    fields[name] = getattr(source, name)
                    break
        return cls.model_validate(fields)


class StaticChangeAnswer(ApiAnswer):
    """Something that was added to the place or removed. `box` is as in `DetectionAnswer`."""

    id: int
    kind: str
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]


class ThresholdsAnswer(ApiAnswer):
    """Scores from which on a detection counts: of some classes by name, and of all others."""

    default: float
    classes: dict[str, float]


class MainStreamAnswer(ApiAnswer):
    """The main stream of a camera whose smaller one is inferred.

    `fault` says why keyframes are of the smaller one at present, empty where they are of this one;
    then `image` is the size of its images, as far as one was decoded. `keyframes` were taken of it
    and `missed` of the smaller one instead, `kept_bytes` of it are in memory.
    """

    fault: str
    image: str | None
    kept_bytes: int
    reconnects: int
    keyframes: int
    missed: int

    @classmethod
    def shown(cls, main: MainStreamStatus) -> Self:
        """As the API says it."""
        return cls.of(main, image=None if main.image is None else str(main.image))


class CameraAnswer(ApiAnswer):
    """One camera. `frame_age_ms` is arrival of a frame to its result.

    `models` and `shadows` are the `name/version` by task that ran on its newest frame, `thresholds`
    what of the former counted; `inferences` counts the frames by task and version, `reroutes` how
    often versions or thresholds changed.

    `view` is what is wrong with what it shows, such as `covered`, `motion` the share of the image
    that moves, `static_changes` what was added to the place or removed from it; all as far as the
    camera's `signals` or its rules ask for them.

    `main_stream` is null where the camera has one stream only.

    The state is `unknown`, and there are no counters, where its worker has not answered for some
    seconds: nobody may be watching it. `node` is the machine of a cluster that its worker is on.
    """

    id: str
    worker: str
    state: CameraState | Literal["unknown"]
    reason: str
    name: str | None = None
    node: str | None = None
    decoded: int | None = None
    analysed: int | None = None
    dropped: int | None = None
    failed: int | None = None
    reconnects: int | None = None
    last_frame_age_s: float | None = None
    requested_fps: float | None = None
    achieved_fps: float | None = None
    frame_age_ms: dict[str, float] | None = None
    tasks: dict[str, Rate] | None = None
    incidents: dict[str, int] | None = None
    models: dict[str, str] | None = None
    shadows: dict[str, str] | None = None
    thresholds: dict[str, ThresholdsAnswer] | None = None
    inferences: dict[str, dict[str, int]] | None = None
    reroutes: int | None = None
    view: str | None = None
    motion: Rounded = None
    static_changes: tuple[StaticChangeAnswer, ...] | None = None
    main_stream: MainStreamAnswer | None = None


class ModelAnswer(ApiAnswer):
    """One model version in service. `provider` is where it really runs: `cpu` or `cuda`.

    `thresholds` are those in force, which the task of a camera may replace.

    `precision` is the number format of its network; `chosen` says why the city began with this
    precision of the version, empty where it had no choice.

    `role` is `stable`, `canary` or `shadow`, `leaving` while it waits for its last camera to leave,
    `warm` while it runs on for a rollback, until `warm_until`, and `pinned` where cameras name the
    version themselves. `cameras` are those on which it counts. `replicas` are those that run; 0
    where camera workers run the version themselves. `memory_bytes` is what the processes of its
    replicas hold for themselves, without memory of a GPU; null where workers run it, or unknown.
    """

    name: str
    version: str
    sha256: str
    width: int
    height: int
    labels: tuple[str, ...]
    thresholds: ThresholdsAnswer
    provider: str
    precision: str
    chosen: str
    application: str
    status: str
    replicas: int
    memory_bytes: int | None
    role: str
    warm_until: datetime | None
    cameras: tuple[str, ...]
    requests: int
    errors: int
    images: int
    inference_ms_per_image: Rounded


class LoadAnswer(ApiAnswer):
    """What was asked for and given over the last seconds, inferences per second; `share` of 1."""

    asked_fps: Rounded
    given_fps: Rounded
    share: Rounded


class DetectionAnswer(ApiAnswer):
    """One object. `box` is x1 y1 x2 y2 in normalised image coordinates."""

    label: str
    score: Rounded
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]


class DetectAnswer(ApiAnswer):
    """What a model finds in one image."""

    model: str
    version: str
    width: int
    height: int
    detections: tuple[DetectionAnswer, ...]


def cameras_by_version(workers: Sequence[WorkerState]) -> dict[str, tuple[str, ...]]:
    """Ids of the cameras whose newest frame has the result of each `name/version`."""
    found: dict[str, tuple[str, ...]] = {}
    for camera in (camera for state in workers for camera in state.cameras):
        for key in {route.model.key for route in camera.routes.values()}:
            found[key] = (*found.get(key, ()), camera.id)
    return found


def faults(workers: Sequence[WorkerState]) -> dict[str, str]:
    """Why a `name/version` fails in a worker, for those that do."""
    return {
        key: reason
        for state in workers
        if state.current
        for key, reason in state.current.group.detector_faults.items()
    }


def camera_answers(workers: Sequence[WorkerState]) -> list[CameraAnswer]:
    """All cameras, worker by worker, in the order of the configuration."""
    answers = []
    for state in workers:
        known = {camera.id: camera_answer(state.name, camera) for camera in state.cameras}
        for camera in state.unknown:
            known[camera] = CameraAnswer(
                id=camera, worker=state.name, state="unknown", reason=state.silence
            )
        node = state.node_name or None
        known = {name: one.model_copy(update={"node": node}) for name, one in known.items()}
        answers += [known[camera] for camera in state.camera_ids if camera in known]
    return answers


def camera_answer(worker: str, camera: CameraSnapshot) -> CameraAnswer:
    """A camera's snapshot as the API shows it."""
    return CameraAnswer.of(
        camera,
        camera.reader,
        camera.statistics,
        worker=worker,
        models={task: route.model.key for task, route in camera.routes.items()},
        shadows={task: r.shadow.key for task, r in camera.routes.items() if r.shadow},
        thresholds={
            task: ThresholdsAnswer.of(route.model.named_thresholds)
            for task, route in camera.routes.items()
        },
        inferences=camera.statistics.models,
        view=camera.signals.view,
        motion=camera.signals.motion and camera.signals.motion.share,
        static_changes=tuple(map(StaticChangeAnswer.of, camera.signals.static_changes)),
        main_stream=MainStreamAnswer.shown(camera.main) if camera.main else None,
    )


def model_answer(
    model: ServedModel,
    running: ModelState,
    state: RolloutState | None,
    cameras: Sequence[str],
    metrics: InferenceMetrics,
) -> ModelAnswer:
    """A model version in service, with the thresholds in force.

    `state` is the rollout of its model, None where every camera names its version; `cameras` are
    those on which it counts.
    """
    version = model.ref.version
    warm = state.warm if state and state.warm and state.warm.version == version else None
    leaving = state is not None and version in state.leaving
    role = state.rollout.role(version) if state else ""
    first = state.rollout.first if state else None
    return ModelAnswer.of(
        model,
        model.ref,
        model.ref.size,
        running,
        metrics,
        thresholds=ThresholdsAnswer.of(model.ref.named_thresholds),
        role=role or ("warm" if warm else "leaving" if leaving else "pinned"),
        warm_until=warm.until if warm else None,
        cameras=cameras,
        chosen=first.why if first and first.version == version else "",
        inference_ms_per_image=metrics.run_ms_per_image,
    )


def detect_answer(model: ServedModel, letterbox: Letterbox, found: Detections) -> DetectAnswer:
    """Detections with labels, in normalised image coordinates."""
    boxes = letterbox.to_normalised(found.boxes).tolist()
    labels = (model.ref.labels[int(class_id)] for class_id in found.class_ids)
    return DetectAnswer.of(
        letterbox.full,
        model=model.ref.name,
        version=model.ref.version,
        detections=[
            DetectionAnswer(label=label, score=score, box=box)
            for label, score, box in zip(labels, found.scores.tolist(), boxes, strict=True)
        ],
    )
