"""What the control API answers about models, as far as the console shows it.

Members that are not named here are left out, so that a newer control API can be read too.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict


class ControlRecord(BaseModel):
    """A part of an answer of the control API."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ServedVersion(ControlRecord):
    """A version in service; `cameras` are those on which its detections count.

    `memory_bytes` is what its replicas hold, None where that is not known; `warm_until` is when a
    version ends that runs on for a rollback.
    """

    name: str
    version: str
    role: str
    status: str
    provider: str
    application: str
    replicas: int = 0
    memory_bytes: int | None = None
    warm_until: datetime | None = None
    cameras: tuple[str, ...]
    images: int
    errors: int
    inference_ms_per_image: float | None


class CanaryTable(ControlRecord):
    """The cameras that a new version serves, and how they were asked for."""

    version: str
    asked: str
    cameras: tuple[str, ...]


class RolloutTable(ControlRecord):
    """Which versions of a model are in service; `absent` says why one does not run."""

    model: str
    stable: str
    previous: str
    canary: CanaryTable | None
    shadow: str
    changed_at: datetime | None
    cameras: tuple[str, ...]
    under_way: str
    leaving: tuple[str, ...]
    absent: dict[str, str]


class KnownVersion(ControlRecord):
    """A version in the repository; `problem` says why it may not serve."""

    version: str
    admitted: bool
    problem: str


class LedgerLine(ControlRecord):
    """A change of the versions in service: who, when and why."""

    at: datetime
    deed: str
    who: str
    why: str
    before: str
    stable: str
    canary: str
    shadow: str


class ComparedBoxes(ControlRecord):
    """Objects that two versions found on the same frames; `share` is of those that both did.

    It is null where neither found any.
    """

    frames: int
    both: int
    only_first: int
    only_second: int
    share: float | None


class VersionCost(ControlRecord):
    """What inference of a version costs, milliseconds per image; null before the first."""

    inference_ms_per_image: float | None
    core_ms_per_image: float | None


class ComparedVersions(ControlRecord):
    """`first` is in service, `second` its shadow; both are `NAME/VERSION`."""

    first: str
    second: str
    boxes: ComparedBoxes
    incidents_both: int
    only_first: int
    only_second: int
    unseen: int
    costs: tuple[VersionCost, VersionCost]


class _Means(ControlRecord):
    ap: float | None
    ap50: float | None


class EvaluatedVersion(ControlRecord):
    """An evaluation that is kept with a version: average precision on a set of images."""

    sha256: str
    data: str
    images: int
    at: datetime
    means: _Means


class _Manifest(ControlRecord):
    sha256: str
    measured: dict[str, float] = {}


class VersionAccuracy(NamedTuple):
    """AP50 of a version.

    `data` is what it was evaluated on; empty where its manifest has what was measured when the
    package was built. `ap50` and `images` are None where they are not known.
    """

    ap50: float | None
    data: str
    images: int | None


class ShownVersion(ControlRecord):
    """All that is kept with a version, of which its accuracy counts here."""

    manifest: _Manifest
    evaluations: dict[str, EvaluatedVersion]

    @property
    def accuracy(self) -> VersionAccuracy | None:
        """That of the newest evaluation of exactly this graph, else that of its manifest."""
        own = [one for one in self.evaluations.values() if one.sha256 == self.manifest.sha256]
        if own:
            newest = max(own, key=lambda one: one.at)
            return VersionAccuracy(newest.means.ap50, newest.data, newest.images)
        measured = self.manifest.measured
        if "map50" not in measured:
            return None
        images = measured.get("evaluation_images")
        return VersionAccuracy(measured["map50"], "", None if images is None else int(images))
