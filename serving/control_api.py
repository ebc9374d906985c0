"""The control API: what runs, how it is, and one picture judged on request.

A Serve ingress of its own; it holds no state and asks the director. It never shows a camera's
source or credentials. Serve copies the routes while this module is still being imported, so what
they call is defined in other modules.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
from typing import Annotated, Any

import ray
from fastapi import Body, FastAPI, HTTPException, Path
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.exceptions import RayServeException
from ray.serve.schema import LoggingConfig

from camera_adapters.geometry import Letterbox, Size
from models.detections import Detections
from serving.answers import (
    CameraAnswer,
    DetectAnswer,
    HealthAnswer,
    ModelAnswer,
    camera_answer,
    cameras_of,
    detect_answer,
    is_on,
    model_answer,
)
from serving.city_plan import ServedModel
from serving.director import DIRECTOR, NAMESPACE, WorkerState
from serving.loopback import confine_replica
from serving.picture_body import MAX_PICTURE_BYTES, decode, letterboxed
from serving.serve_detector import application_name

QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)
DIRECTOR_TIMEOUT_S = 5.0
DETECT_TIMEOUT_S = 10.0
PROVIDER_TIMEOUT_S = 2.0


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
        confine_replica()
        self._models = models

    @api.get("/health", summary="Is everything that was configured at work?")
    async def health(self) -> HealthAnswer:
        """Names every problem; 200 in any case where the API itself works."""
        workers = await self._workers()
        cameras = [camera for _, camera in cameras_of(workers)]
        problems = [f"{state.name} does not answer" for state in workers if not state.alive]
        problems += [
            f"{state.name}: {state.snapshot.group.detector_fault}"
            for state in workers
            if state.snapshot and state.snapshot.group.detector_fault
        ]
        problems += [
            f"camera {c.id} is {c.state.value}: {c.reason}" for c in cameras if not is_on(c)
        ]
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
            cameras_online=sum(is_on(camera) for camera in cameras),
            events_delivered=sum(relay.events_delivered for relay in relays),
            events_pending=sum(relay.pending for relay in relays),
        )

    @api.get("/cameras", summary="All cameras with state and figures")
    async def list_cameras(self) -> list[CameraAnswer]:
        """In the order of the configuration."""
        return [camera_answer(worker, c) for worker, c in cameras_of(await self._workers())]

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
        providers = await asyncio.gather(*(self._provider(model) for model in self._models))
        return [
            model_answer(model, provider, applications.get(application_name(model.ref)))
            for model, provider in zip(self._models, providers, strict=True)
        ]

    @api.post("/models/{name}/detect", summary="Judge one picture")
    async def detect(
        self,
        name: Annotated[str, Path(max_length=128)],
        picture: Annotated[bytes, Body(media_type="image/jpeg", max_length=MAX_PICTURE_BYTES)],
    ) -> DetectAnswer:
        """Body: one JPEG or PNG. Goes through the very graph that serves the cameras."""
        model = next((model for model in self._models if model.ref.name == name), None)
        if model is None:
            known = ", ".join(sorted({model.ref.name for model in self._models}))
            raise HTTPException(404, f"there is no model {name!r}; in service: {known}")
        full = await asyncio.to_thread(decode, picture)
        letterbox = Letterbox.fit(Size(full.shape[1], full.shape[0]), model.ref.size)
        batch = await asyncio.to_thread(letterboxed, full, letterbox)
        handle = serve.get_app_handle(application_name(model.ref))
        try:
            rows = await asyncio.wait_for(handle.detect.remote(batch, (0,)), DETECT_TIMEOUT_S)
        except TimeoutError:
            raise HTTPException(504, f"model {name} did not answer in time; try again") from None
        found = Detections.from_rows(rows[0], model.ref.threshold)
        return detect_answer(model, letterbox, found)

    async def _provider(self, model: ServedModel) -> str:
        """Where a model really runs; `unknown` while it does not answer."""
        try:
            handle = serve.get_app_handle(application_name(model.ref))
            return str(await asyncio.wait_for(handle.provider.remote(), PROVIDER_TIMEOUT_S))
        except (RayServeException, RayError, TimeoutError):
            return "unknown"

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
