"""The configuration file as a schema: every key, its type, its default and what it is for.

Unknown keys are refused. The text below a field is what `cityeye check` tells a person whose value
does not fit, after "Give ", so it is written for that person.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    IPvAnyNetwork,
    SecretStr,
)

from camera_adapters import MAX_PIXELS, SOURCES, DecoderPlace
from cityeye.config.addresses import (
    camera_source,
    database_url,
    listening_host,
    public_address,
)
from cityeye.config.case_codes import CaseCodesSection
from cityeye.config.machines import CountOrAuto, RaySection, WorkersSection
from cityeye.config.retention import RetentionSection
from cityeye.config.rule_options import ArmedSpans
from cityeye.config.section import Section
from cityeye.config.task_rate import MAX_FPS, MIN_FPS, USUAL_FPS, AdaptiveFpsSection
from cityeye.config.values import (
    CalibrationPoint,
    ZonePolygon,
    can_be_sent,
    existing_file,
    existing_folder,
    ground_points,
    known_time_zone,
    not_empty,
    two_points,
)
from cityeye.ports import API_PORT, HUB_PORT
from event_hub import (
    LEAST_SILENCE_S,
    MOST_SILENCE_S,
    SILENCE_LIMIT_S,
    CaseSettings,
    MapTiles,
    OidcSettings,
    SilenceLimit,
    SubscriptionSettings,
)
from models import BUILTIN_ROOT, Precision, Threshold, WantedProvider
from pipelines import COVERAGE_S, Priority
from pipelines.delivery import (
    AnySink,
    Endpoint,
    FilePath,
    KeyframeSettings,
)
from pipelines.rules import ImageArrow
from pipelines.signals import CANNOT_SEE_S
from pipelines.tracing import TraceSettings
from serving import (
    DETECTOR_KINDS,
    DetectorKind,
    FolderModels,
    ModelSource,
    ModelsUrl,
    RemoteModels,
    StoreKeys,
)
from serving.capacity import CapacityPolicy

TwoPoints = Annotated[ImageArrow, AfterValidator(two_points)]
Calibration = Annotated[tuple[CalibrationPoint, ...], AfterValidator(ground_points)]
NotEmpty = AfterValidator(not_empty)
Port = Annotated[int, Field(ge=0, le=65_535)]
ListeningHost = Annotated[str, AfterValidator(listening_host)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
NodeLabel = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,126}$")]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]
Division = Annotated[str, Field(pattern=r"^(\d{2,12})?$")]
Timeout = Annotated[float, Field(gt=0, le=120.0)]
PublicAddress = Annotated[str, AfterValidator(public_address)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(database_url)]
RawParameters = dict[str, Any]
"""Checked by the rule itself, see `cityeye.config.references`."""


class CitySection(Section):
    """Whose eye this is."""

    name: str = ""
    """the name that stands on events and console, for example `Xinjin`"""
    division: Division = ""
    """the administrative division code in quotes, for example `"510118"`"""
    time_zone: Annotated[str, AfterValidator(known_time_zone)] | None = None
    """the IANA name of the city's time zone, in which schedules are meant, for example
    `Asia/Shanghai`"""

    @property
    def key(self) -> str:
        """By what events name the city; its code keeps two districts of one name apart."""
        return "-".join(filter(None, (self.division, self.name))) or "city"


class PlaceSection(Section):
    """Where a camera stands."""

    lon: float | None = Field(default=None, ge=-180, le=180)
    """degrees east, WGS 84, for example `103.81`"""
    lat: float | None = Field(default=None, ge=-90, le=90)
    """degrees north, WGS 84, for example `30.41`"""
    division: Division = ""
    """the administrative division code in quotes, for example `"510118"`"""


class ThresholdsSection(Section):
    """Confidence thresholds that replace those of a model."""

    default: Threshold | None = None
    """the score from which a detection counts, 0 to below 1, for every class that has none of its
    own, for example `0.4`"""
    classes: dict[str, Threshold] = Field(
        default={},
        description="the score of a class, 0 to below 1, by its name, for example `{person: 0.35}`",
    )


class TaskSection(Section):
    """What is to be watched for on one camera."""

    model: str
    """a model package, newest version, or NAME/VERSION, for example `traffic`"""
    priority: Priority | None = None
    """`high`, `normal` or `low`; that of the camera without it, for example `high`"""
    fps: float = Field(
        default=USUAL_FPS,
        ge=MIN_FPS,
        le=MAX_FPS,
        description=f"frames per second to analyse, {MIN_FPS:g} to {MAX_FPS:g}, for example `5`",
    )
    adaptive_fps: AdaptiveFpsSection = AdaptiveFpsSection()
    """the keys `idle` and `near`, for example `{idle: 1, near: 10}`"""
    thresholds: ThresholdsSection = ThresholdsSection()
    """the keys `default` and `classes`, for example `{classes: {person: 0.35}}`"""
    zones: Annotated[tuple[str, ...], NotEmpty] | None = None
    """names of this camera's zones; the whole image without it, for example `[approach]`"""
    lines: Annotated[tuple[str, ...], NotEmpty] | None = None
    """names of this camera's lines, for example `[exit]`"""
    schedule: ArmedSpans | None = None
    """when rules are armed that have no schedule of their own, for example
    `[mon-fri 07:00-19:00]`"""
    rule_set: str | None = None
    """a named set of rules, for example `traffic/1`"""
    rules: Annotated[dict[str, RawParameters | None], NotEmpty] | None = Field(
        default=None,
        description="rules with their parameters, beside those of `rule_set`; the default set "
        "of the task where neither is given, for example `{traffic.congestion: {confirm_s: 6}}`",
    )


class ClipSection(Section):
    """Which video an incident gets. It is not masked: who sees it says why."""

    before_s: float = Field(default=5.0, ge=0, le=60)
    """seconds before its opening, 0 to 60, for example `5`"""
    after_s: float = Field(default=10.0, ge=0, le=120)
    """seconds after its opening, 0 to 120, for example `10`"""
    megabytes: float = Field(default=32.0, ge=1, le=256)
    """megabytes of encoded video that are kept in memory, 1 to 256, for example `32`"""


class CameraSection(Section):
    """One camera."""

    id: Name
    """a unique id of letters, digits, `-`, `_` and `.`, for example `crossroad-1`"""
    name: str = ""
    """what people call it, for example `Crossroad north`"""
    source: Annotated[str, AfterValidator(camera_source)] = Field(
        description=f"{SOURCES}, for example `rtsp://10.0.0.12/stream1`"
    )
    inference_source: Annotated[str, AfterValidator(camera_source)] | None = None
    """a smaller stream of the same view that is decoded and inferred, while keyframes and clips are
    of `source`, for example `rtsp://10.0.0.12/stream2`"""
    username: str | None = None
    """the login, for example `viewer`"""
    password: SecretStr | None = None
    """the password in quotes, for example `"${CAMERA_PASSWORD}"`"""
    place: PlaceSection = PlaceSection()
    transport: Literal["tcp", "udp"] = "tcp"
    """`tcp` or `udp`, for example `tcp`"""
    open_timeout_s: Timeout = 10.0
    """seconds that connecting may take, for example `10`"""
    read_timeout_s: Timeout = 8.0
    """seconds that a silent stream is waited for, for example `8`"""
    max_pixels: int = Field(default=MAX_PIXELS, ge=64 * 64, le=MAX_PIXELS)
    """the largest image that is decoded, width times height, for example `8294400` for 4K"""
    decoder: DecoderPlace = "cpu"
    """`cpu`, or `cuda` for the engines of an NVIDIA GPU, for example `cpu`"""
    verify_tls: bool = True
    """`false` where an `rtsps` camera has a certificate that nobody vouches for, for example
    `true`"""
    priority: Priority = "normal"
    """`high`, `normal` or `low`: whose rates shrink last when the machine is overloaded, for
    example `high`"""
    signals: tuple[Literal["view", "motion", "static_change"], ...] = ()
    """what its images are asked for beside objects: `view` reports a view that is moved, covered,
    blurred, dark, washed out or noisy, or in which models cannot see well, for example `[view]`"""
    motion_gate_s: float | None = Field(default=None, ge=0.5, le=30)
    """the longest time in seconds without an inference while nothing moves in its images, 0.5 to
    30; every due image is inferred without it, for example `2`"""
    cannot_see_s: float = Field(default=CANNOT_SEE_S, ge=10, le=600)
    """seconds of low confidence until `view` reports that models cannot see, for example `30`"""
    masking: bool | None = None
    """whether heads and plates are masked in its keyframes; as `keyframes` says without it, for
    example `on`"""
    evidence_clip: ClipSection | None = None
    """how much video an incident gets, none without it, for example `{before_s: 5, after_s: 10}`"""
    node: dict[NodeLabel, NodeLabel] = Field(default_factory=dict)
    """labels of the machines of a Ray cluster that can reach it, any without, for example
    `{network: north}`"""
    ground: Calibration | None = None
    """four or more points [x, y, metres x, metres y], for example `[0.1, 0.9, 0, 0]`"""
    zones: dict[str, ZonePolygon] = Field(default_factory=dict)
    """polygons by name, corners as [x, y] in 0..1, for example
    `approach: [[0.2, 0.5], [0.8, 0.5], [0.9, 0.9]]`"""
    directions: dict[str, TwoPoints] = Field(default_factory=dict)
    """where traffic may go, from one point to another, by name of the zone, for example
    `approach: [[0.5, 0.5], [0.5, 0.9]]`"""
    lines: dict[str, TwoPoints] = Field(default_factory=dict)
    """two points by name; traffic crosses from the line's left to its right, for example
    `exit: [[0.1, 0.9], [0.9, 0.9]]`"""
    masks: dict[str, ZonePolygon] = Field(default_factory=dict)
    """polygons by name in which nothing counts for any rule, for example
    `tree: [[0.2, 0.5], [0.8, 0.5], [0.9, 0.9]]`"""
    measurements: bool | tuple[str, ...] = True
    """`true` or `false` for all measurements of its rules, or the kinds that are published, for
    example `[traffic.flow]`"""
    tasks: Annotated[dict[str, TaskSection], NotEmpty]
    """at least one task, for example `traffic: {model: traffic}`"""


class CameraNetworkSection(Section):
    """Where cameras may be: every address that a camera's host has is checked before it is dialled.

    Without it that is everywhere but at link-local, multicast and metadata addresses.
    """

    allow: tuple[IPvAnyNetwork, ...] = ()
    """networks, for example `[10.0.0.0/8, 192.168.5.0/24]`"""
    ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = ()
    """ports, all without it, for example `[554, 8554]`"""


class ModelsSection(Section, StoreKeys):
    """Where model packages lie, in a folder or in an S3-compatible store, and how they run."""

    path: Annotated[FilePath, AfterValidator(existing_folder)] = BUILTIN_ROOT
    """the folder of model packages, for example `models/builtin`"""
    url: ModelsUrl | None = None
    """bucket and prefix of model packages, for example `s3://models/xinjin`"""
    endpoint: Endpoint | None = None
    """the store's address, for example `https://minio.local:9000`"""
    cache: FilePath = Path("var/models")
    """the folder for verified copies from the store, for example `var/models`"""
    threads: CountOrAuto = "auto"
    """CPU threads of each inference, or `auto`, for example `1`"""
    replicas: CountOrAuto = "auto"
    """inferences of each model at once on this machine, or `auto`, for example `2`"""
    provider: WantedProvider = "auto"
    """`auto`, `cpu` or `cuda`, for example `auto`"""
    precision: Literal["auto"] | Precision = "auto"
    """`auto`, `fp32`, `fp16` or `int8`: in which precision a model begins that the city has not run
    yet, for example `auto`"""
    keep_warm_s: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    """seconds that a version stays loaded after it left service, for a rollback, for example `0`"""
    detector: Literal["auto"] | DetectorKind = Field(
        default="auto",
        description="what runs the models: "
        + " or ".join(f"`{kind}`" for kind in ("auto", *DETECTOR_KINDS))
        + ", for example `auto`",
    )

    @property
    def source(self) -> ModelSource:
        """The folder, or the store with its keys."""
        if self.url is None:
            return FolderModels(path=self.path)
        given = dict(self)
        return RemoteModels(**{name: given[name] for name in RemoteModels.model_fields})


class ApiSection(Section):
    """The control API."""

    host: ListeningHost = "127.0.0.1"
    """an address, for example `127.0.0.1`"""
    port: Port = API_PORT
    """a port, 0 for any free one, for example `8500`"""
    hosts: tuple[HostName, ...] = ()
    """names that it is called by beside `host` and `localhost`, for example `[eye.city.example]`"""
    certificate: Annotated[FilePath, AfterValidator(existing_file)] | None = None
    """a PEM file with the certificate chain, for TLS, for example `eye.pem`"""
    key: Annotated[FilePath, AfterValidator(existing_file)] | None = None
    """a PEM file with the private key of `certificate`, for example `eye.key`"""
    without_tls: bool = False
    """`true` where a reverse proxy with TLS stands in front, for example `false`"""
    address: PublicAddress | None = None
    """how others reach it, for the links in events; by `hosts`, `host` and `port` without it, for
    example `https://eye.city.example`"""


class HubSection(ApiSection):
    """The embedded event hub and its console."""

    port: Port = HUB_PORT
    """a port, 0 for any free one, for example `8600`"""
    database: DatabaseUrl = SecretStr("sqlite:///var/hub.db")
    """a database URL, for example `sqlite:///var/hub.db`"""
    silence_limit_s: SilenceLimit = Field(
        default=SILENCE_LIMIT_S,
        description="seconds without a heartbeat after which a camera counts as not watched, "
        f"{LEAST_SILENCE_S:g} to {MOST_SILENCE_S:g}, for example `{SILENCE_LIMIT_S:g}`",
    )
    cases: CaseSettings = CaseSettings()
    """time limits of cases, for example `{limits: {high: {decide_minutes: 15}}}`"""
    subscriptions: SubscriptionSettings = SubscriptionSettings()
    """where receivers of subscriptions may be, for example `{networks: [10.20.0.0/16]}`"""
    oidc: OidcSettings | None = None
    """where people log in beside the hub, for example `{issuer: https://id.city.example}`"""
    map_tiles: MapTiles | None = None
    """map tiles behind the plan of the cameras, none without it, for example
    `{url: "https://tiles.city.example/{z}/{x}/{y}.png", attribution: Survey of the city}`"""


class CoverageSection(Section):
    """How it is measured what every task could see."""

    period_s: float = Field(default=COVERAGE_S, ge=10, le=3600)
    """seconds that one measurement is about, 10 to 3600, for example `60`"""


class Settings(Section):
    """The whole file."""

    city: CitySection = CitySection()
    cameras: Annotated[tuple[CameraSection, ...], NotEmpty]
    """at least one camera, for example `- id: crossroad-1`"""
    camera_network: CameraNetworkSection = CameraNetworkSection()
    models: ModelsSection
    workers: WorkersSection = WorkersSection()
    capacity: CapacityPolicy = "refuse"
    """what becomes of further cameras that do not fit: `refuse`, or `share` so that all rates
    shrink instead, for example `refuse`"""
    keyframes: KeyframeSettings
    """a folder or an S3-compatible store, for example `{folder: var/keyframes}`"""
    sinks: tuple[AnySink, ...] = ()
    hub: HubSection | None = None
    api: ApiSection = ApiSection()
    ray: RaySection = RaySection()
    retention: RetentionSection = RetentionSection()
    coverage: CoverageSection = CoverageSection()
    case_codes: CaseCodesSection | None = None
    """the city's case codes or the path of a file with them, for example `case-codes.yaml`"""
    traces: Annotated[TraceSettings, AfterValidator(can_be_sent)] | None = None
    """where the way of some frames is sent, none without it, for example
    `{endpoint: http://127.0.0.1:4318, share: 0.001}`"""
    state: FilePath = Path("var")
    """the folder of outbox and spool, for example `var`"""
