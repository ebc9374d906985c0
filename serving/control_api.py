"""The control API: what runs, how it is, and one picture judged on request.

A Serve ingress of its own; it holds no state and asks the director. It never shows a camera's
source or credentials.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import ray
from fastapi import Body, FastAPI, HTTPException, Path
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.schema import ApplicationStatusOverview, LoggingConfig

from camera_adapters.geometry import PADDING_VALUE, Letterbox, Size
from models.detections import Detections
from pipelines.camera_group import CameraSnapshot
from serving.city_plan import ServedModel
from serving.director import DIRECTOR, NAMESPACE, WorkerState
from serving.loopback import confine_replica
from serving.serve_detector import application_name

# A replica imports this module before it opens its server: the only moment to confine it.
confine_replica()

QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)
DIRECTOR_TIMEOUT_S = 5.0
DETECT_TIMEOUT_S = 10.0
MAX_PICTURE_BYTES = 16 * 1024 * 1024
MAX_PICTURE_PIXELS = 8192 * 8192


class Answer(BaseModel):
    """Base of what the API answers."""

    model_config = ConfigDict(frozen=True)


class RateAnswer(Answer):
    """Wanted and achieved looks per second."""

    requested_fps: float
    achieved_fps: float


class CameraAnswer(Answer):
    """One camera. `frame_age_ms` is arrival of a frame to its result."""

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


class ModelAnswer(Answer):
    """One model version in service."""

    name: str
    version: str
    sha256: str
    width: int
    height: int
    labels: tuple[str, ...]
    threshold: float
    application: str
    status: str


class HealthAnswer(Answer):
    """The whole at a glance: `ok` when every worker answers and every model is served."""

    status: Literal["ok", "degraded"]
    problems: tuple[str, ...]
    cameras: int
    cameras_online: int
    events_delivered: int
    events_pending: int


class DetectionAnswer(Answer):
    """One object. `box` is x1 y1 x2 y2 in normalised picture coordinates."""

    label: str
    score: float
    box: tuple[float, float, float, float]


class DetectAnswer(Answer):
    """What a model sees in one picture."""

    model: str
    version: str
    width: int
    height: int
    detections: tuple[DetectionAnswer, ...]


api = FastAPI(
    title="CityEye control API",
    description="Cameras, models and health of one CityEye installation.",
)


@serve.deployment(
    ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=64, logging_config=QUIET
)
@serve.ingress(api)
class ControlApi:
    """The ingress. Picture work leaves the event loop; the director is asked with a timeout."""

    def __init__(self, models: tuple[ServedModel, ...]) -> None:
        self._models = {model.ref.name: model for model in models}

    @api.get("/health", summary="Is everything that was configured at work?")
    async def health(self) -> HealthAnswer:
        """Names every problem; 200 in any case where the API itself works."""
        workers = await self._workers()
        cameras = [camera for _, camera in _cameras(workers)]
        problems = [f"{state.name} does not answer" for state in workers if not state.alive]
        problems += [
            f"{state.name}: {state.snapshot.group.detector_fault}"
            for state in workers
            if state.snapshot and state.snapshot.group.detector_fault
        ]
        problems += [f"camera {c.id} is {c.state.value}: {c.reason}" for c in cameras if not _on(c)]
        problems += [
            f"model {model.name} is {model.status.lower()}"
            for model in await self.list_models()
            if model.status != "RUNNING"
        ]
        relays = [state.snapshot.relay for state in workers if state.snapshot]
        return HealthAnswer(
            status="degraded" if problems else "ok",
            problems=tuple(problems),
            cameras=len(cameras),
            cameras_online=sum(_on(camera) for camera in cameras),
            events_delivered=sum(relay.events_delivered for relay in relays),
            events_pending=sum(relay.pending for relay in relays),
        )

    @api.get("/cameras", summary="All cameras with state and figures")
    async def list_cameras(self) -> list[CameraAnswer]:
        """In the order of the configuration."""
        return [_camera_answer(worker, c) for worker, c in _cameras(await self._workers())]

    @api.get("/cameras/{camera}", summary="One camera")
    async def show_camera(self, camera: Annotated[str, Path(max_length=128)]) -> CameraAnswer:
        """404 for an id that is not configured."""
        for answer in await self.list_cameras():
            if answer.id == camera:
                return answer
        raise HTTPException(404, f"there is no camera {camera!r}; GET /cameras lists them")

    @api.get("/models", summary="Model versions in service")
    async def list_models(self) -> list[ModelAnswer]:
        """With the state of each one's Serve application."""
        applications = (await asyncio.to_thread(serve.status)).applications
        return [
            _model_answer(model, applications.get(application_name(model.ref)))
            for model in self._models.values()
        ]

    @api.post("/models/{name}/detect", summary="Judge one picture")
    async def detect(
        self,
        name: Annotated[str, Path(max_length=128)],
        picture: Annotated[bytes, Body(media_type="image/jpeg", max_length=MAX_PICTURE_BYTES)],
    ) -> DetectAnswer:
        """Body: one JPEG or PNG. Goes through the very graph that serves the cameras."""
        model = self._models.get(name)
        if model is None:
            known = ", ".join(sorted(self._models))
            raise HTTPException(404, f"there is no model {name!r}; in service: {known}")
        full = await asyncio.to_thread(_decode, picture)
        letterbox = Letterbox.fit(Size(full.shape[1], full.shape[0]), model.ref.size)
        batch = await asyncio.to_thread(_letterboxed, full, letterbox)
        handle = serve.get_app_handle(application_name(model.ref))
        try:
            rows = await asyncio.wait_for(handle.detect.remote(batch, (0,)), DETECT_TIMEOUT_S)
        except TimeoutError:
            raise HTTPException(504, f"model {name} did not answer in time; try again") from None
        found = Detections.from_rows(rows[0], model.ref.threshold)
        return _detect_answer(model, letterbox, found)

    async def _workers(self) -> list[WorkerState]:
        try:
            director = ray.get_actor(DIRECTOR, namespace=NAMESPACE)
            return list(await asyncio.wait_for(director.workers.remote(), DIRECTOR_TIMEOUT_S))
        except (ValueError, RayError, TimeoutError):
            raise HTTPException(503, "the director does not answer; is the city running?") from None


def build_api(models: tuple[ServedModel, ...]) -> Application:
    """The Serve application of the control API."""
    deployment: Any = ControlApi
    application: Application = deployment.bind(models)
    return application


def _on(camera: CameraSnapshot) -> bool:
    return camera.state.value in ("online", "degraded")


def _cameras(workers: list[WorkerState]) -> list[tuple[str, CameraSnapshot]]:
    return [
        (state.name, camera)
        for state in workers
        if state.snapshot
        for camera in state.snapshot.group.cameras
    ]


def _camera_answer(worker: str, camera: CameraSnapshot) -> CameraAnswer:
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
    )


def _model_answer(model: ServedModel, application: ApplicationStatusOverview | None) -> ModelAnswer:
    return ModelAnswer(
        name=model.ref.name,
        version=model.ref.version,
        sha256=model.sha256,
        width=model.ref.size.width,
        height=model.ref.size.height,
        labels=model.ref.labels,
        threshold=model.ref.threshold,
        application=application_name(model.ref),
        status=application.status.value if application else "NOT_STARTED",
    )


def _detect_answer(model: ServedModel, letterbox: Letterbox, found: Detections) -> DetectAnswer:
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
                box=tuple(round(float(v), 5) for v in box),
            )
            for box, score, class_id in zip(boxes, found.scores, found.class_ids, strict=True)
        ),
    )


def _decode(picture: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a JPEG or PNG."""
    decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    if decoded is None:
        raise HTTPException(422, "the body is not a readable picture; send one JPEG or PNG")
    if decoded.shape[0] * decoded.shape[1] > MAX_PICTURE_PIXELS:
        raise HTTPException(413, "the picture is too large; 8192 x 8192 pixels at most")
    return decoded


def _letterboxed(full: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """(1, H, W, 3) uint8: the picture as a camera adapter would have scaled it."""
    analysis, content = letterbox.analysis, letterbox.content
    batch = np.full((1, analysis.height, analysis.width, 3), PADDING_VALUE, np.uint8)
    rows = slice(letterbox.top, letterbox.top + content.height)
    columns = slice(letterbox.left, letterbox.left + content.width)
    size = (content.width, content.height)
    batch[0, rows, columns] = cv2.resize(full, size, interpolation=cv2.INTER_AREA)
    return batch
