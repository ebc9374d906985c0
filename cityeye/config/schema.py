"""The configuration file as a schema: every key, its type, its default and what it is for.

Unknown keys are refused. A field's description and example are what `cityeye check` tells a person
whose value does not fit, so they are written for that person.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from camera_adapters.factory import SOURCES
from cityeye.config.values import (
    CalibrationPoint,
    camera_source,
    database_url,
    existing_folder,
    ground_points,
    not_empty,
    polygon,
    two_points,
)
from cityeye.ports import API_PORT, HUB_PORT
from models.repository import BUILTIN_ROOT
from pipelines.delivery.settings import FilePath
from pipelines.delivery.sinks.registry import AnySink
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.delivery.stores.s3 import Endpoint
from pipelines.rules.zone import ImageArrow, ImagePoint
from serving.detectors import DETECTOR_KINDS, DetectorKind
from serving.model_source import FolderModels, ModelSource, ModelsUrl, RemoteModels, StoreKeys

MAX_FPS = 30.0
MIN_FPS = 0.05
MAX_PORT = 65_535
MAX_THREADS = 256
MAX_CAMERAS_PER_WORKER = 64
MAX_TIMEOUT_S = 120.0

ZonePolygon = Annotated[tuple[ImagePoint, ...], AfterValidator(polygon)]
TwoPoints = Annotated[ImageArrow, AfterValidator(two_points)]
Calibration = Annotated[tuple[CalibrationPoint, ...], AfterValidator(ground_points)]
NotEmpty = AfterValidator(not_empty)
Port = Annotated[int, Field(ge=0, le=MAX_PORT)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Division = Annotated[str, Field(pattern=r"^(\d{2,12})?$")]
Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)]
RawParameters = dict[str, Any]
"""Checked by the rule itself, see `cityeye.config.references`."""


class Section(BaseModel):
    """Base of every section: frozen, and no key that we do not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True
    )


class CitySection(Section):
    """Whose eye this is."""

    name: str = Field(
        default="", description="the name that stands on events and console", examples=["Xinjin"]
    )
    division: Division = Field(
        default="", description="the administrative division code in quotes", examples=['"510118"']
    )


class PlaceSection(Section):
    """Where a camera stands."""

    lon: float | None = Field(
        default=None, ge=-180, le=180, description="degrees east, WGS 84", examples=[103.81]
    )
    lat: float | None = Field(
        default=None, ge=-90, le=90, description="degrees north, WGS 84", examples=[30.41]
    )
    division: Division = Field(
        default="", description="the administrative division code in quotes", examples=['"510118"']
    )


class TaskSection(Section):
    """What is to be watched for on one camera."""

    model: str = Field(
        description="a model package, newest version, or NAME/VERSION", examples=["traffic"]
    )
    fps: float = Field(
        default=5.0,
        ge=MIN_FPS,
        le=MAX_FPS,
        description=f"frames per second to analyse, {MIN_FPS:g} to {MAX_FPS:g}",
        examples=[5],
    )
    zones: Annotated[tuple[str, ...], NotEmpty] | None = Field(
        default=None,
        description="names of this camera's zones; the whole image without it",
        examples=["[approach]"],
    )
    lines: Annotated[tuple[str, ...], NotEmpty] | None = Field(
        default=None, description="names of this camera's lines", examples=["[exit]"]
    )
    rule_set: str | None = Field(
        default=None, description="a named set of rules", examples=["traffic/1"]
    )
    rules: Annotated[dict[str, RawParameters | None], NotEmpty] | None = Field(
        default=None,
        description="rules with their parameters, beside those of `rule_set`; the default set "
        "of the task where neither is given",
        examples=["{traffic.congestion: {confirm_s: 6}}"],
    )


class CameraSection(Section):
    """One camera."""

    id: Name = Field(
        description="a unique id of letters, digits, `-`, `_` and `.`", examples=["crossroad-1"]
    )
    name: str = Field(default="", description="what people call it", examples=["Crossroad north"])
    source: Annotated[str, AfterValidator(camera_source)] = Field(
        description=SOURCES, examples=["rtsp://10.0.0.12/stream1"]
    )
    username: str | None = Field(default=None, description="the login", examples=["viewer"])
    password: SecretStr | None = Field(
        default=None, description="the password in quotes", examples=['"${CAMERA_PASSWORD}"']
    )
    place: PlaceSection = PlaceSection()
    transport: Literal["tcp", "udp"] = Field(
        default="tcp", description="`tcp` or `udp`", examples=["tcp"]
    )
    open_timeout_s: Timeout = Field(
        default=10.0, description="seconds that connecting may take", examples=[10]
    )
    read_timeout_s: Timeout = Field(
        default=8.0, description="seconds that a silent stream is waited for", examples=[8]
    )
    ground: Calibration | None = Field(
        default=None,
        description="four or more points [x, y, metres x, metres y]",
        examples=["[0.1, 0.9, 0, 0]"],
    )
    zones: dict[str, ZonePolygon] = Field(
        default={},
        description="polygons by name, corners as [x, y] in 0..1",
        examples=["approach: [[0.2, 0.5], [0.8, 0.5], [0.9, 0.9]]"],
    )
    directions: dict[str, TwoPoints] = Field(
        default={},
        description="where traffic may go, from one point to another, by name of the zone",
        examples=["approach: [[0.5, 0.5], [0.5, 0.9]]"],
    )
    lines: dict[str, TwoPoints] = Field(
        default={},
        description="two points by name; traffic crosses from the line's left to its right",
        examples=["exit: [[0.1, 0.9], [0.9, 0.9]]"],
    )
    tasks: Annotated[dict[str, TaskSection], NotEmpty] = Field(
        description="at least one task", examples=["traffic: {model: traffic}"]
    )


class ModelsSection(Section, StoreKeys):
    """Where model packages lie, in a folder or in an S3-compatible store, and how they run."""

    path: Annotated[FilePath, AfterValidator(existing_folder)] = Field(
        default=BUILTIN_ROOT,
        description="the folder of model packages",
        examples=["models/builtin"],
    )
    url: ModelsUrl | None = Field(
        default=None,
        description="bucket and prefix of model packages",
        examples=["s3://models/xinjin"],
    )
    endpoint: Endpoint | None = Field(
        default=None, description="the store's address", examples=["https://minio.local:9000"]
    )
    cache: FilePath = Field(
        default=Path("var/models"),
        description="the folder for verified copies from the store",
        examples=["var/models"],
    )
    threads: int = Field(
        default=1, ge=1, le=MAX_THREADS, description="CPU threads per model", examples=[1]
    )
    provider: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="`auto`, `cpu` or `cuda`", examples=["auto"]
    )
    detector: DetectorKind = Field(
        default="ray_serve",
        description=f"what runs the models: {' or '.join(f'`{kind}`' for kind in DETECTOR_KINDS)}",
        examples=["ray_serve"],
    )

    @property
    def source(self) -> ModelSource:
        """The folder, or the store with its keys."""
        if self.url is None:
            return FolderModels(path=self.path)
        given = dict(self)
        return RemoteModels(**{name: given[name] for name in RemoteModels.model_fields})


class WorkersSection(Section):
    """How cameras are spread over processes."""

    cameras_per_worker: int = Field(
        default=8,
        ge=1,
        le=MAX_CAMERAS_PER_WORKER,
        description="cameras that share one process",
        examples=[8],
    )


class HubSection(Section):
    """The embedded event hub and its console."""

    host: str = Field(default="127.0.0.1", description="an address", examples=["127.0.0.1"])
    port: Port = Field(
        default=HUB_PORT, description="a port, 0 for any free one", examples=[HUB_PORT]
    )
    database: SecretStr = Field(
        default=SecretStr("sqlite:///var/hub.db"),
        description="a database URL",
        examples=["sqlite:///var/hub.db"],
    )

    @field_validator("database")
    @classmethod
    def _is_absolute(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        return SecretStr(database_url(url.get_secret_value(), info))


class ApiSection(Section):
    """The control API."""

    host: str = Field(default="127.0.0.1", description="an address", examples=["127.0.0.1"])
    port: Port = Field(
        default=API_PORT, description="a port, 0 for any free one", examples=[API_PORT]
    )


class Settings(Section):
    """The whole file."""

    city: CitySection = CitySection()
    cameras: Annotated[tuple[CameraSection, ...], NotEmpty] = Field(
        description="at least one camera", examples=["- id: crossroad-1"]
    )
    models: ModelsSection
    workers: WorkersSection = WorkersSection()
    keyframes: KeyframeSettings = Field(
        description="a folder or an S3-compatible store", examples=["{folder: var/keyframes}"]
    )
    sinks: tuple[AnySink, ...] = ()
    hub: HubSection | None = None
    api: ApiSection = ApiSection()
    state: FilePath = Field(
        default=Path("var"), description="the folder of outbox and spool", examples=["var"]
    )
