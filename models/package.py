"""`ModelPackage`: a model version on disk, usable only if everything about it checks out.

A package is a directory `<name>/<version>/` with `model.yaml` (the manifest), `model.onnx`,
`labels.txt` (one class name per line, row = class id) and `CARD.md` (what it was trained on, what
it measures, what it is weak at). A loaded package has passed every check that needs no inference:
names, checksum, size, labels, and the tensor contract of the graph. ONNX Runtime is not imported.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from models.detections import ClassScores, plain_label, thresholds_by_class
from models.errors import PackageError
from models.graph.contract import MAX_MODEL_BYTES, ContractViolation, Promises, check_contract
from models.version import VERSION_PATTERN, Precision, in_precision, plain_version

MANIFEST_FILE = "model.yaml"
ONNX_FILE = "model.onnx"
LABELS_FILE = "labels.txt"
CARD_FILE = "CARD.md"
GOLDEN_FILE = "golden.npz"
ADMISSION_FILE = "admission.json"
MAX_ONNX_BYTES = MAX_MODEL_BYTES
MAX_TEXT_BYTES = 256 * 1024
MAX_LABELS = 10_000
MAX_YAML_DEPTH = 8
NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
Fit = Literal["letterbox", "stretch"]
"""How an image of another aspect is brought to a size: `letterbox` keeps the aspect and leaves grey
bars, `stretch` does not and leaves none."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputTensor(_Section):
    """The only input: (N, height, width, 3) uint8 RGB images.

    Without `dynamic_batch` the graph takes exactly `max_batch` images; whoever runs it fills up.
    """

    name: StrictStr = "pictures"
    width: int = Field(gt=0, le=8192)
    height: int = Field(gt=0, le=8192)
    fit: Fit = "letterbox"
    layout: Literal["NHWC uint8 RGB"] = "NHWC uint8 RGB"
    dynamic_batch: bool = True
    max_batch: int = Field(default=16, ge=1, le=256)


class OutputTensor(_Section):
    """The only output: (N, rows, 6) float32 in input pixels, padding rows with score 0."""

    name: StrictStr = "detections"
    rows: int = Field(gt=0, le=10_000)
    layout: Literal["x1 y1 x2 y2 score class"] = "x1 y1 x2 y2 score class"


Threshold = Annotated[float, Field(ge=0.0, lt=1.0)]


class Thresholds(_Section):
    """Scores from which on detections count: those of some classes by name, and of all others."""

    default: Threshold
    classes: dict[StrictStr, Threshold] = Field(default_factory=dict)


class Source(_Section):
    """Where the model comes from.

    `file` and `sha256` identify the imported file, `head` how its output was read, `preprocessing`
    what was built into the graph before it, `scores` what makes scores of its class columns.
    """

    architecture: StrictStr
    training_data: StrictStr
    command: StrictStr = ""
    file: StrictStr = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    head: StrictStr = ""
    preprocessing: StrictStr = ""
    scores: StrictStr = ""


class Manifest(_Section):
    """The content of `model.yaml`; unknown keys are errors.

    `golden` is the sha256 of `golden.npz`, empty where the package has none.
    """

    name: Annotated[StrictStr, Field(pattern=NAME_PATTERN)]
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    tasks: tuple[StrictStr, ...] = Field(min_length=1)
    input: InputTensor
    output: OutputTensor
    thresholds: Thresholds
    sha256: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]
    opset: int = Field(ge=13)
    licence: StrictStr
    source: Source
    precision: Precision = "fp32"
    golden: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    measured: dict[str, float] = Field(default_factory=dict)

    @field_validator("version", mode="before")
    @classmethod
    def _version_is_text(cls, value: object) -> object:
        if isinstance(value, float):
            raise ValueError("YAML read it as a number (1.10 becomes 1.1): put it in quotes")
        return str(value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _version_says_the_precision(self) -> Self:
        is_plain = self.version == plain_version(self.version)
        if not is_plain and self.version != in_precision(self.version, self.precision):
            raise ValueError(f"version {self.version} is in {self.precision}: correct either")
        return self


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A verified model version.

    Attributes:
        directory: Where it lies.
        manifest: What `model.yaml` says.
        labels: Class names; row = class id.
    """

    directory: Path
    manifest: Manifest
    labels: tuple[str, ...]

    @classmethod
    def load(cls, directory: Path) -> ModelPackage:
        """Reads and verifies a package directory.

        Raises:
            PackageError: Anything is missing, inconsistent or unsafe; one sentence says what.
        """
        package = cls.described(directory)
        _check_onnx(str(package), package.onnx_path, package.manifest)
        return package

    @classmethod
    def described(cls, directory: Path) -> ModelPackage:
        """Reads a package directory without reading its graph.

        Raises:
            PackageError: Its place, its manifest, its labels or its card are not as they must be.
        """
        directory = Path(directory)
        model = f"{directory.parent.name}/{directory.name}"
        _check_folder(model, directory)
        manifest = read_manifest(model, directory)
        _check_place(model, directory, manifest)
        labels = _read_labels(model, directory / LABELS_FILE)
        _check_thresholds(model, directory, manifest, labels)
        existing(model, directory / CARD_FILE)
        return cls(directory=directory, manifest=manifest, labels=labels)

    @property
    def name(self) -> str:
        """Package name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Package version."""
        return self.manifest.version

    @property
    def onnx_path(self) -> Path:
        """The graph file."""
        return self.directory / ONNX_FILE

    @property
    def thresholds(self) -> ClassScores:
        """The threshold of each class, by class id."""
        own = self.manifest.thresholds
        return thresholds_by_class(self.labels, own.default, own.classes)

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


def sha256_of(path: Path) -> str:
    """Checksum of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def existing(
    model: str,
    path: Path,
    cap_bytes: int = MAX_TEXT_BYTES,
    remedy: str = "a package needs all four of its files",
) -> Path:
    """The path of a file that is one of its own and not too large.

    Raises:
        PackageError: It is missing, a link to some other file, or too large.
    """
    if path.is_symlink():
        raise PackageError(model, path, "is a symbolic link", "put the file itself there")
    if not path.is_file():
        raise PackageError(model, path, "is missing", remedy)
    size = path.stat().st_size
    if size > cap_bytes:
        raise PackageError(
            model, path, f"has {size} bytes, more than {cap_bytes}", "export a smaller file"
        )
    return path


def _read_text(model: str, path: Path) -> str:
    try:
        return existing(model, path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PackageError(model, path, "is not UTF-8 text", "save it as UTF-8") from error


def _check_folder(model: str, directory: Path) -> None:
    for folder in (directory.parent, directory):
        if folder.is_symlink():
            raise PackageError(
                model, folder, "is a symbolic link", "put the package itself into the repository"
            )


def read_manifest(model: str, directory: Path) -> Manifest:
    """What the manifest in a package directory says; nothing else of the package is read.

    Raises:
        PackageError: There is none, or it is not what a manifest must be.
    """
    path = directory / MANIFEST_FILE
    try:
        return Manifest.model_validate(plain_yaml(_read_text(model, path)))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'document'}: {one['msg']}"
            for one in error.errors(include_url=False)
        )
        raise PackageError(model, path, problems, "correct the named keys") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise PackageError(model, path, f"is not YAML ({problem})", "correct it") from error


def plain_yaml(text: str) -> object:
    """Reads YAML that cannot unfold into more than its text: no aliases, hardly any nesting."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it uses an alias; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YAML_DEPTH:
            raise ValueError(f"it nests more than {MAX_YAML_DEPTH} deep")
    return yaml.safe_load(text)


def _check_place(model: str, directory: Path, manifest: Manifest) -> None:
    described = f"{manifest.name}/{manifest.version}"
    resolved = directory.resolve()
    if described != f"{resolved.parent.name}/{resolved.name}":
        raise PackageError(
            model,
            directory / MANIFEST_FILE,
            f"describes {described} but lies in {resolved.parent.name}/{resolved.name}",
            "rename the folder or correct name and version",
        )


def _read_labels(model: str, path: Path) -> tuple[str, ...]:
    labels = tuple(line.strip() for line in _read_text(model, path).splitlines() if line.strip())
    if not labels:
        raise PackageError(model, path, "names no class", "write one class name per line")
    if len(labels) > MAX_LABELS:
        raise PackageError(
            model, path, f"names {len(labels)} classes, more than {MAX_LABELS}", "name fewer"
        )
    repeated = sorted(label for label, count in Counter(labels).items() if count > 1)
    if repeated:
        raise PackageError(model, path, f"repeats {', '.join(repeated)}", "name each class once")
    return labels


def _check_thresholds(
    model: str, directory: Path, manifest: Manifest, labels: tuple[str, ...]
) -> None:
    """Every threshold is of one class that there is."""
    known = {plain_label(label): label for label in labels}
    named: dict[str, str] = {}
    for name in manifest.thresholds.classes:
        plain = plain_label(name)
        if plain in known and plain not in named:
            named[plain] = name
            continue
        what = f"of {name!r}, which is no class of it"
        if plain in named:
            what = f"twice of one class, as {named[plain]!r} and {name!r}"
        raise PackageError(
            model,
            directory / MANIFEST_FILE,
            f"thresholds.classes: has a threshold {what}",
            f"name classes as {LABELS_FILE} does",
        )


def _check_onnx(model: str, path: Path, manifest: Manifest) -> None:
    existing(model, path, MAX_ONNX_BYTES)
    actual = sha256_of(path)
    if actual != manifest.sha256:
        raise PackageError(
            model,
            path,
            f"has sha256 {actual[:12]}…, the manifest says {manifest.sha256[:12]}…",
            "copy the file again, or import the model anew if the change was wanted",
        )
    try:
        check_contract(path, **promises(manifest))
    except ContractViolation as error:
        raise PackageError(model, path, str(error), error.remedy) from error


def promises(manifest: Manifest) -> Promises:
    """What the manifest says about the graph."""
    return Promises(
        input_name=manifest.input.name,
        size=(manifest.input.width, manifest.input.height),
        batch=None if manifest.input.dynamic_batch else manifest.input.max_batch,
        output_name=manifest.output.name,
        rows=manifest.output.rows,
        opset=manifest.opset,
    )
