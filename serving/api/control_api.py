"""The control API: what runs, its health, the versions in service, and inference on one image.

A Serve ingress of its own; it keeps no state of the city and asks the director. It never shows a
camera's source or credentials. `serving.api.access` says who may use which route. Serve copies the
routes while this module is still being imported, so what they call is defined in other modules.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
import time
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Body, HTTPException, Path, Query, Response
from ray import serve
from ray.serve import Application
from ray.serve.schema import LoggingConfig
from ray.util import get_node_ip_address

from camera_adapters import Image
from models import VERSION_PATTERN, ModelError
from pipelines import BatchResult, InferenceMetrics, MicroBatch
from pipelines.delivery import KeyframeSettings
from pipelines.free_memory import FreeMemory, keep_for_good
from pipelines.http_api import HttpApi
from serving.actor import RESERVED_CPUS
from serving.api.access import MAX_IMAGE_BYTES, ROUTES, ApiGate, api_access, policy
from serving.api.added_cameras import router as added_router
from serving.api.answers import (
    CameraAnswer,
    DetectAnswer,
    ModelAnswer,
    camera_answers,
    cameras_by_version,
    detect_answer,
    faults,
    model_answer,
)
from serving.api.city_changes import ChangeRefused, refused_change
from serving.api.configuration import router as configuration_router
from serving.api.coverage import router as coverage_router
from serving.api.events import router as events_router
from serving.api.health import HealthAnswer, health_answer, unknown_health
from serving.api.image_body import ImageDecoding
from serving.api.import_progress import router as imports_router
from serving.api.inference import InferenceRefused, refused_inference
from serving.api.inference import router as inference_router
from serving.api.inference_totals import InferenceTotals
from serving.api.keyframes import router as keyframes_router
from serving.api.live import router as live_router
from serving.api.metrics import CONTENT_TYPE, CityFacts, exposition
from serving.api.place_checks import router as place_router
from serving.api.restricted import router as restricted_router
from serving.api.rollouts import router as rollouts_router
from serving.api.rollouts import summed
from serving.api.rules import router as rules_router
from serving.api.versions import model_problem
from serving.api.versions import router as versions_router
from serving.capacity.budget import CapacityState
from serving.detectors import DetectorKind, detector_service
from serving.director_client import (
    all_workers,
    city_capacity,
    city_keeps,
    city_notes,
    rollout_states,
    running_version,
    served_models,
)
from serving.loopback import confine_replica
from serving.model_source import ModelSource
from serving.served_models import ServedModel

QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)
MAX_WAITING = 256
ON_THIS_NODE = 0.001
DETECT_TIMEOUT_S = 10.0
HEALTHZ_LASTS_S = 1.0
OWN_METRICS = "control-api"
"""Stands for the worker in the metrics of images that came by request."""


api = HttpApi(
    ROUTES,
    title="CityEye control API",
    description="Cameras, models, rollouts and health of one CityEye installation.",
)
api.include_router(added_router)
api.include_router(configuration_router)
api.include_router(coverage_router)
api.include_router(events_router)
api.include_router(imports_router)
api.include_router(inference_router)
api.include_router(keyframes_router)
api.include_router(live_router)
api.include_router(place_router)
api.include_router(restricted_router)
api.include_router(rollouts_router)
api.include_router(rules_router)
api.include_router(versions_router)
api.add_exception_handler(ChangeRefused, refused_change)  # type: ignore[arg-type]
api.add_exception_handler(InferenceRefused, refused_inference)  # type: ignore[arg-type]
api.add_exception_handler(ModelError, model_problem)  # type: ignore[arg-type]
api.add_middleware(ApiGate)


@serve.deployment(
    max_ongoing_requests=64,
    # Whoever comes when so many wait is told at once to come again.
    max_queued_requests=MAX_WAITING,
    health_check_period_s=5,
    health_check_timeout_s=10,
    logging_config=QUIET,
)
@serve.ingress(api)
class ControlApi:
    """The ingress. Image work leaves the event loop; the director is asked with a timeout."""

    def __init__(
        self,
        models: ModelSource | None,
        detector: DetectorKind,
        keyframes: KeyframeSettings | None,
    ) -> None:
        api_access().log_to("control-api.log")
        confine_replica()
        policy()  # Without one nobody would be let in: better not to start.
        self.models = models
        self.keyframes = keyframes.open() if keyframes is not None else None
        self._service = detector_service(detector)
        self._asked: dict[str, ServedModel] = {}
        self._detector = self._service.port(self._asked)
        self._cameras = 0
        self._totals = InferenceTotals()
        self._images = ImageDecoding()
        self._free_memory = FreeMemory()
        self._healthz_status = 200
        self._healthz_until_s = 0.0
        keep_for_good()

    async def check_health(self) -> None:
        """Fails, so that Serve replaces this replica, where its event loop or threads are stuck."""
        await asyncio.to_thread(self._free_memory.give_back)

    @api.get("/healthz", summary="Whether the API and the director work", response_class=Response)
    async def healthz(self) -> Response:
        """For probes, without a token: 200 or 503, and no details."""
        now_s = time.monotonic()
        if now_s > self._healthz_until_s:
            # Whoever asks often must not keep the director busy.
            self._healthz_until_s = now_s + HEALTHZ_LASTS_S
            try:
                await all_workers()
                self._healthz_status = 200
            except HTTPException as error:
                self._healthz_status = error.status_code
        return Response(status_code=self._healthz_status)

    @api.get("/health", summary="Health of cameras, models and workers")
    async def health(self) -> HealthAnswer:
        """Names every problem; 200 in any case where the API itself works."""
        try:
            facts, notes, capacity = await self._facts(), await city_notes(), await city_capacity()
        except HTTPException as error:
            return unknown_health(str(error.detail), self._cameras)
        answer = health_answer(
            facts.workers, facts.models, facts.rollouts, notes, facts.kept, capacity
        )
        self._cameras = answer.cameras
        return answer

    async def _facts(self) -> CityFacts:
        workers, rollouts = await all_workers(), await rollout_states()
        return CityFacts(workers, rollouts, await self.list_models(), await city_keeps())

    @api.get("/cameras", summary="All cameras with state and counters")
    async def list_cameras(self) -> list[CameraAnswer]:
        """In the order of the configuration."""
        return camera_answers(await all_workers())

    @api.get("/cameras/{camera}", summary="One camera")
    async def show_camera(self, camera: Annotated[str, Path(max_length=128)]) -> CameraAnswer:
        """404 for an id that is not configured."""
        for answer in await self.list_cameras():
            if answer.id == camera:
                return answer
        raise HTTPException(404, f"there is no camera {camera!r}; GET /cameras lists them")

    @api.get("/models", summary="Model versions in service")
    async def list_models(self) -> list[ModelAnswer]:
        """With role, cameras, metrics, and the state of each one's Serve application."""
        models = await served_models()
        workers = await all_workers()
        tables = {state.rollout.model: state for state in await rollout_states()}
        cameras, metrics = cameras_by_version(workers), summed(workers)
        states = await asyncio.to_thread(self._service.states, models, metrics, faults(workers))
        return [
            model_answer(
                model,
                state,
                tables.get(model.ref.name),
                cameras.get(model.ref.key, ()),
                metrics.get(model.ref.key, InferenceMetrics()),
            )
            for model, state in zip(models, states, strict=True)
        ]

    @api.get(
        "/metrics",
        summary="Metrics of the city for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    async def metrics(self) -> Response:
        """Exposition format, text."""
        facts, notes, capacity = await self._facts(), await city_notes(), await city_capacity()
        health = health_answer(facts.workers, facts.models, facts.rollouts, notes, facts.kept)
        own = self._detector.metrics
        self._totals.update(OWN_METRICS, 0, own)
        for worker in facts.workers:
            if worker.current is not None:
                self._totals.update(worker.name, worker.incarnation, worker.current.models)
        in_service = {f"{one.name}/{one.version}" for one in facts.models}
        sums = self._totals.by_model()
        facts = replace(
            facts,
            problems=len(health.problems),
            capacity=capacity if isinstance(capacity, CapacityState) else None,
            others={OWN_METRICS: own},
            totals={key: one for key, one in sums.items() if key in in_service},
        )
        return Response(exposition(facts), media_type=CONTENT_TYPE)

    @api.post("/models/{name}/detect", summary="Run inference on one image")
    async def detect(
        self,
        name: Annotated[str, Path(max_length=128)],
        image: Annotated[bytes, Body(media_type="image/jpeg", max_length=MAX_IMAGE_BYTES)],
        version: Annotated[str | None, Query(pattern=VERSION_PATTERN)] = None,
    ) -> DetectAnswer:
        """Body: one JPEG or PNG. Goes through the very graph that serves the cameras.

        Without `version` the stable one runs.
        """
        model = await running_version(name, version)
        images, letterbox = await self._images.fitted(image, model.ref.view)
        result = await asyncio.to_thread(self.infer, model, images)
        for error in result.failures.values():
            if error.timed_out:
                raise HTTPException(504, f"model {name} gave no result in time; try again")
            raise HTTPException(503, f"model {name} failed; GET /health may say why")
        (found,) = result.found[model.ref]
        return detect_answer(model, letterbox, found.above(model.ref.thresholds))

    def infer(self, model: ServedModel, images: Image) -> BatchResult:
        """Runs a version in service on (N, H, W, 3) uint8 RGB images of its own size."""
        self._asked[model.ref.key] = model
        self._detector.retain(frozenset({model.ref.key}))
        batch = MicroBatch(images, (), (), {model.ref: tuple(range(len(images)))})
        return self._detector.submit(batch).result(DETECT_TIMEOUT_S)


def build_api(
    models: ModelSource | None, detector: DetectorKind, keyframes: KeyframeSettings | None = None
) -> Application:
    """The Serve application of the control API, which shows models, and images of `keyframes`."""
    deployment: Any = ControlApi
    # Beside the director: both use the files of the state folder. Every node has this resource.
    address = get_node_ip_address()  # type: ignore[no-untyped-call]
    here = {f"node:{address}": ON_THIS_NODE}
    options = {"num_cpus": RESERVED_CPUS, "resources": here}
    pinned = deployment.options(ray_actor_options=options)
    application: Application = pinned.bind(models, detector, keyframes)
    return application
