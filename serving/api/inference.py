"""Routes of the Open Inference Protocol v2: existing clients infer with the models in service.

A model takes one tensor of images that have its own size, (N, H, W, 3) uint8 RGB, and gives one of
rows x1, y1, x2, y2, score, class in pixels of these images; rows of padding have score 0. What a
client sends goes through the very graph that serves the cameras, with all that it finds: thresholds
are named in the metadata and left to the client.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, HTTPException, Path, Request, Response
from ray import serve

from models import NAME_PATTERN, VERSION_PATTERN
from models.detections import Detections
from pipelines import BatchResult
from pipelines.access import ProblemDetails
from pipelines.http_api import problem_response
from serving.api.answers import ApiAnswer, ModelAnswer
from serving.api.tensor_wire import (
    FP32,
    JSON_LENGTH,
    UINT8,
    WireError,
    read_images,
    read_request,
    wants_binary,
    written,
)
from serving.director_client import running_version, served_models
from serving.served_models import ServedModel

IMAGES = "images"
DETECTIONS = "detections"
PLATFORM = "onnxruntime_onnx"
BINARY_EXTENSION = "binary_tensor_data"
SERVER = "cityeye"
RUNNING = "RUNNING"

router = APIRouter(prefix="/v2", tags=["open inference protocol"])
NameInService = Annotated[str, Path(pattern=NAME_PATTERN)]
VersionInService = Annotated[str, Path(pattern=VERSION_PATTERN)]


class ServerMetadata(ApiAnswer):
    """What answers."""

    name: str
    version: str
    extensions: tuple[str, ...]


class TensorMetadata(ApiAnswer):
    """A tensor; -1 in its shape stands for any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadata(ApiAnswer):
    """A model in service; `properties` has what the tensors alone do not say."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    properties: dict[str, Any]


class Readiness(ApiAnswer):
    """Whether a server or model answers requests."""

    ready: bool


class InferenceRefused(Exception):
    """An answer of the protocol that is an error."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class InferenceProblem(ProblemDetails):
    """A problem in the words of the protocol besides: its clients read `error`."""

    error: str = ""


async def refused_inference(_: Request, error: InferenceRefused) -> Response:
    """A problem that clients of the protocol understand."""
    problem = InferenceProblem.of(error.status, str(error))
    return problem_response(problem.model_copy(update={"error": problem.detail}))


@router.get("", summary="The server and its extensions")
async def server_metadata() -> ServerMetadata:
    """Server metadata of the protocol."""
    return ServerMetadata(name=SERVER, version="2", extensions=(BINARY_EXTENSION,))


@router.get("/health/live", summary="Whether the server lives")
async def live() -> dict[str, bool]:
    """200 where the API answers at all."""
    return {"live": True}


@router.get("/health/ready", summary="Whether all models in service can be asked")
async def ready() -> Readiness:
    """200 where the director answers and a model is in service, else 503."""
    try:
        models = await served_models()
    except HTTPException as error:
        raise InferenceRefused(503, str(error.detail)) from None
    if not models:
        raise InferenceRefused(503, "no model is in service")
    return Readiness(ready=True)


@router.get("/models/{name}", summary="Tensors, versions and labels of a model")
async def model_metadata(name: NameInService) -> ModelMetadata:
    """Of the stable version."""
    return await _metadata(name, None)


@router.get("/models/{name}/versions/{version}", summary="Tensors and labels of a version")
async def version_metadata(name: NameInService, version: VersionInService) -> ModelMetadata:
    """404 for a version that does not run."""
    return await _metadata(name, version)


@router.get("/models/{name}/ready", summary="Whether a model can be asked")
async def model_ready(name: NameInService) -> Readiness:
    """200 where its stable version runs, else 503 or 404."""
    return await _ready(name, None)


@router.get("/models/{name}/versions/{version}/ready", summary="Whether a version can be asked")
async def version_ready(name: NameInService, version: VersionInService) -> Readiness:
    """200 where it runs, else 503 or 404."""
    return await _ready(name, version)


@router.post("/models/{name}/infer", summary="Inference by the stable version of a model")
async def infer(name: NameInService, request: Request) -> Response:
    """One tensor of images, one of rows; JSON or raw bytes."""
    return await _infer(name, None, request)


@router.post("/models/{name}/versions/{version}/infer", summary="Inference by a version")
async def infer_version(
    name: NameInService, version: VersionInService, request: Request
) -> Response:
    """As with the stable version."""
    return await _infer(name, version, request)


async def _running(name: str, version: str | None) -> ServedModel:
    try:
        return await running_version(name, version)
    except HTTPException as error:
        raise InferenceRefused(error.status_code, str(error.detail)) from None


async def _metadata(name: str, version: str | None) -> ModelMetadata:
    model = await _running(name, version)
    running = [one.ref.version for one in await served_models() if one.ref.name == name]
    ref = model.ref
    return ModelMetadata(
        name=ref.name,
        versions=tuple(running),
        platform=PLATFORM,
        inputs=(
            TensorMetadata(
                name=IMAGES, datatype=UINT8, shape=(-1, ref.size.height, ref.size.width, 3)
            ),
        ),
        outputs=(TensorMetadata(name=DETECTIONS, datatype=FP32, shape=(-1, -1, 6)),),
        properties={
            "version": ref.version,
            "max_batch": ref.max_batch,
            "fit": ref.fit,
            "labels": list(ref.labels),
            "thresholds": [round(float(one), 6) for one in ref.thresholds],
        },
    )


async def _ready(name: str, version: str | None) -> Readiness:
    model = await _running(name, version)
    ingress: Any = serve.get_replica_context().servable_object
    try:
        models: list[ModelAnswer] = await ingress.list_models()
    except HTTPException as error:
        raise InferenceRefused(error.status_code, str(error.detail)) from None
    for one in models:
        if (one.name, one.version) == (name, model.ref.version) and one.status != RUNNING:
            raise InferenceRefused(503, f"{model.title} is {one.status}")
    return Readiness(ready=True)


async def _infer(name: str, version: str | None, request: Request) -> Response:
    model = await _running(name, version)
    body, size = await request.body(), (model.ref.size.height, model.ref.size.width)
    try:
        asked, raw = await asyncio.to_thread(read_request, body, request.headers.get(JSON_LENGTH))
        binary = wants_binary(asked, DETECTIONS)
        images = await asyncio.to_thread(
            read_images, asked.inputs[0], raw, IMAGES, size, model.ref.max_batch
        )
    except WireError as error:
        raise InferenceRefused(400, f"{model.title}: {error}") from None
    ingress: Any = serve.get_replica_context().servable_object
    result: BatchResult = await asyncio.to_thread(ingress.infer, model, images)
    for failure in result.failures.values():
        if failure.timed_out:
            raise InferenceRefused(504, f"{model.title} gave no result in time; try again")
        raise InferenceRefused(503, f"{model.title} failed; GET /health may say why")
    answer: Mapping[str, object] = {"model_name": name, "model_version": model.ref.version}
    if asked.id is not None:
        answer = {**answer, "id": asked.id}
    rows = _rows(result.found[model.ref])
    content, headers = await asyncio.to_thread(written, answer, DETECTIONS, rows, binary=binary)
    media_type = "application/octet-stream" if binary else "application/json"
    return Response(content, headers=headers, media_type=media_type)


def _rows(found: tuple[Detections, ...]) -> npt.NDArray[np.float32]:
    """(N, M, 6) as the graph gives them, M as large as needed."""
    rows = np.zeros((len(found), max(map(len, found), default=0), 6), np.float32)
    for row, one in zip(rows, found, strict=True):
        row[: len(one), :4] = one.boxes
        row[: len(one), 4] = one.scores
        row[: len(one), 5] = one.class_ids
    return rows
