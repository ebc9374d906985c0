"""Routes of the control API for the repository: list, show, import and check versions."""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from ray import serve

from camera_adapters import Size, ViewSpec
from model_tools import golden_images
from model_tools.admission import admit
from model_tools.evaluation import EvaluationReport, file_name, read_evaluations
from model_tools.heads import HeadName, ScoreKind
from model_tools.importing import ImportRequest, Inspected, ValidationImages, import_model
from models import (
    BUILTIN_ROOT,
    CARD_FILE,
    NAME_PATTERN,
    VERSION_PATTERN,
    Fit,
    Manifest,
    ModelError,
    ModelPackage,
    ModelRepository,
    NotAdmittedError,
    Repository,
    RepositoryError,
    UnknownModelError,
)
from models.admission import AdmissionReport, read_report, why_not_admitted
from pipelines import tasks_of
from pipelines.access import ProblemDetails
from pipelines.http_api import problem_response
from serving.api.answers import ApiAnswer
from serving.api.image_body import fitted
from serving.api.import_progress import ID, IMPORTS

router = APIRouter(tags=["versions"])
_OF_CLASS = r"[^,=]+=0?\.[0-9]+"
PackageName = Annotated[str, Path(pattern=NAME_PATTERN)]
PackageVersion = Annotated[str, Path(pattern=VERSION_PATTERN)]


class UploadOptions(BaseModel):
    """Options of an import; what is left out is read from the network. Lists use commas."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(default="upload.onnx", max_length=128)
    labels: str = Field(default="", max_length=8192)
    head: HeadName | None = None
    scores: ScoreKind | None = None
    width: int | None = Field(default=None, ge=32, le=8192)
    height: int | None = Field(default=None, ge=32, le=8192)
    fit: Fit | None = None
    threshold: float | None = Field(default=None, ge=0, lt=1)
    class_thresholds: str = Field(
        default="",
        max_length=8192,
        pattern=f"^$|^{_OF_CLASS}(,{_OF_CLASS})*$",
        description="LABEL=SCORE of classes with a threshold of their own.",
    )
    tasks: str = Field(default="", max_length=256)
    licence: str | None = Field(default=None, max_length=256)
    training_data: str | None = Field(default=None, max_length=1024)
    precision: Literal["fp32", "fp16"] = "fp32"
    progress: str = Field(
        default="",
        pattern=f"^$|{ID}",
        description="An id of yours under which GET /imports/ID says how far this is.",
    )


class VersionAnswer(ApiAnswer):
    """One version in the repository; `problem` says why it may not serve, empty if it may."""

    name: str
    version: str
    admitted: bool
    problem: str
    precision: str = ""
    tasks: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    width: int = 0
    height: int = 0


class VersionDetail(ApiAnswer):
    """Everything that is kept with a version; evaluations by the name of their data."""

    name: str
    version: str
    admitted: bool
    problem: str
    manifest: Manifest
    labels: tuple[str, ...]
    card: str
    admission: AdmissionReport | None
    evaluations: dict[str, EvaluationReport]


_NOT_AS_GIVEN = {"labels", "width", "height", "tasks", "class_thresholds", "progress"}
GOLDEN_IMAGES = 4
"""Images to verify an uploaded network on: one of every place that is drawn."""

_WORKING = threading.Lock()
"""Imports and examinations use much memory; only one runs at a time."""


def repository() -> Repository:
    """The repository of the running city.

    Raises:
        HTTPException: 503 where it has none.
    """
    ingress: Any = serve.get_replica_context().servable_object
    if ingress.models is None:
        raise HTTPException(503, "this city has no repository of models")
    opened: Repository = ingress.models.open()
    return opened


OpenRepository = Annotated[Repository, Depends(repository)]


@router.get("/repository", summary="Every model in the repository with its versions")
async def list_repository(models: OpenRepository) -> dict[str, tuple[str, ...]]:
    """Names with their versions, oldest first; each version says whether it may serve."""
    return await asyncio.to_thread(lambda: {name: models.versions(name) for name in models.names()})


@router.get("/models/{name}/versions", summary="The versions of a model in the repository")
async def list_versions(name: PackageName, models: OpenRepository) -> list[VersionAnswer]:
    """Oldest first, with admission; one that cannot be read says why. 404 for an unknown name."""
    found = await asyncio.to_thread(
        lambda: [_answer(models, name, version) for version in models.versions(name)]
    )
    if not found:
        raise HTTPException(404, f"there is no model {name!r}; GET /repository lists what is there")
    return found


@router.get("/models/{name}/versions/{version}", summary="All that is kept with a version")
async def show_version(
    name: PackageName, version: PackageVersion, models: OpenRepository
) -> VersionDetail:
    """Manifest, card, admission report, and evaluations."""
    return await asyncio.to_thread(lambda: version_detail(models.find(name, version)))


@router.post(
    "/models/{name}/versions",
    summary="Import an ONNX file as the next version",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def import_version(
    name: PackageName,
    models: OpenRepository,
    request: Request,
    options: Annotated[UploadOptions, Query()],
) -> VersionDetail:
    """Body: one ONNX file. Parsed and examined in throw-away processes; 422 where it is refused.

    Nothing serves it yet: see the rollout.
    """
    wanted = ImportRequest(
        name=name,
        labels=_listed(options.labels) or None,
        size=(options.width, options.height) if options.width and options.height else None,
        tasks=_listed(options.tasks),
        class_thresholds=_scores(options.class_thresholds),
        **options.model_dump(exclude=_NOT_AS_GIVEN),
    )
    root = _own_folder(models).root
    with (
        IMPORTS.followed(options.progress, name, request) as progress,
        tempfile.TemporaryDirectory(prefix="cityeye-upload-") as folder,
    ):
        file = FilePath(folder) / "network.onnx"
        # Straight to disk: networks are large, and the gate counts the bytes.
        with file.open("wb") as stream:
            async for chunk in request.stream():
                await asyncio.to_thread(stream.write, chunk)
                progress.received_bytes += len(chunk)
        with _alone():
            imported = await asyncio.to_thread(
                import_model, file, wanted, root, _validation_images, on_step=progress.begin
            )
        progress.done(imported.package.version)
    return version_detail(imported.package)


@router.post("/models/{name}/versions/{version}/check", summary="Examine a version again")
async def check_version(
    name: PackageName, version: PackageVersion, models: OpenRepository
) -> AdmissionReport:
    """As `cityeye models check` does; the report stays with the version."""
    return await asyncio.to_thread(_check, models, name, version)


def _check(models: Repository, name: str, version: str) -> AdmissionReport:
    folder = _own_folder(models)
    with _alone():
        return admit(folder.directory_of(name, version), provider="auto")


def _validation_images(inspected: Inspected) -> ValidationImages:
    view = ViewSpec(Size(*inspected.package), inspected.fit)
    images = [fitted(image, view)[0] for image in golden_images(GOLDEN_IMAGES)]
    return ValidationImages(
        np.concatenate(images), "drawn street scenes", tasks=tasks_of(inspected.labels)
    )


def _own_folder(models: Repository) -> ModelRepository:
    """The repository as a folder that may be written to.

    Raises:
        HTTPException: 409 where it may not.
    """
    if not isinstance(models, ModelRepository):
        raise HTTPException(
            409, f"{models} holds published packages; import into a folder, then push from there"
        )
    if models.root.resolve() == BUILTIN_ROOT.resolve():
        raise HTTPException(
            409, "the built-in packages stay as they are; name a folder under `models: path:`"
        )
    return models


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Refuses a second import or examination while one is under way."""
    if not _WORKING.acquire(blocking=False):
        raise HTTPException(
            409, "another model is being examined; try again", headers={"Retry-After": "15"}
        )
    try:
        yield
    finally:
        _WORKING.release()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _scores(text: str) -> dict[str, float]:
    pairs = (one.rpartition("=") for one in _listed(text))
    return {label: float(score) for label, _, score in pairs}


def version_detail(package: ModelPackage) -> VersionDetail:
    """What is kept with a package."""
    problem = why_not_admitted(package)
    return VersionDetail.of(
        package,
        admitted=not problem,
        problem=problem,
        card=(package.directory / CARD_FILE).read_text(encoding="utf-8", errors="replace"),
        admission=read_report(package.directory),
        evaluations={file_name(one.data): one for one in read_evaluations(package.directory)},
    )


def _answer(repository: Repository, name: str, version: str) -> VersionAnswer:
    try:
        package = repository.find(name, version)
    except ModelError as error:
        return VersionAnswer(name=name, version=version, admitted=False, problem=str(error))
    problem, manifest = why_not_admitted(package), package.manifest
    return VersionAnswer.of(
        package, manifest, manifest.input, admitted=not problem, problem=problem
    )


async def model_problem(_: Request, error: ModelError) -> Response:
    """The answer to a request that a model, a package or the repository made fail."""
    if isinstance(error, UnknownModelError):
        code = 404
    elif isinstance(error, RepositoryError):
        code = 503
    else:
        code = 409 if isinstance(error, NotAdmittedError) else 422
    return problem_response(ProblemDetails.of(code, str(error)))
