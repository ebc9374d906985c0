"""`Rollout`: which versions of one model are in service, and on which cameras.

A rollout is a table, and every change of it is a pure function to a new one. A share of cameras is
turned into names when the change is made: a camera keeps its version until somebody changes the
table, also when cameras are added or the city starts anew.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models import NAME_PATTERN, VERSION_PATTERN, Threshold
from models.detections import plain_label
from pipelines import NamedThresholds
from serving.errors import RolloutError

NO_VERSION: Final = "none"
"""The word that ends a canary or a shadow."""

PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%")
VersionName = Annotated[str, Field(pattern=VERSION_PATTERN)]
VersionOrNone = Annotated[str, Field(pattern=rf"{VERSION_PATTERN}|^{NO_VERSION}$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _ThresholdTable(_Table):
    @model_validator(mode="before")
    @classmethod
    def _number_is_general(cls, value: Any) -> Any:  # noqa: ANN401 - as pydantic has it
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return {"default": value} if is_number else value


class VersionThresholds(_ThresholdTable):
    """Scores that replace a package's own; a bare number means `default`.

    Attributes:
        default: That of all classes without one of their own; the package's own if None.
        classes: Those of some classes.
    """

    default: Threshold | None = None
    classes: dict[str, Threshold] = Field(default_factory=dict)

    @property
    def named(self) -> NamedThresholds:
        """The same for pipelines."""
        return NamedThresholds(self.default, self.classes)


class ThresholdChange(_ThresholdTable):
    """What somebody wants changed in them; a bare number means `default`.

    Attributes:
        default: Another one; None leaves it.
        classes: Others by class; None goes back to the package's own.
    """

    default: Threshold | None = None
    classes: dict[str, Threshold | None] = Field(default_factory=dict)

    def of(self, old: VersionThresholds | None) -> VersionThresholds:
        """The thresholds after the change."""
        known = (
            {plain_label(name): (name, score) for name, score in old.classes.items()} if old else {}
        )
        for name, score in self.classes.items():
            known.pop(plain_label(name), None)
            if score is not None:
                known[plain_label(name)] = name, score
        default = old.default if old and self.default is None else self.default
        return VersionThresholds(default=default, classes=dict(known.values()))


class Canary(_Table):
    """A version that serves some cameras instead of the stable one.

    Attributes:
        asked: How the cameras were asked for: `10%`, or names.
        cameras: Ids of the cameras.
    """

    version: VersionName
    asked: str
    cameras: tuple[str, ...]


class FirstChoice(_Table):
    """The version that a city began with where it had to choose between precisions, and why."""

    version: VersionName
    why: str


class Rollout(_Table):
    """The table of one model.

    Attributes:
        model: Package name.
        stable: Version of all cameras that are not the canary's.
        previous: The stable version before this one, empty where there was none.
        shadow: Version that infers every camera and is only compared, empty without one.
        thresholds: By version what replaces the package's own.
        changed_at: When it was last changed, UTC; None before the first change.
        first: How the first stable version was chosen; None where there was no choice.
    """

    model: Annotated[str, Field(pattern=NAME_PATTERN)]
    stable: VersionName
    previous: Annotated[str, Field(pattern=rf"^$|{VERSION_PATTERN}")] = ""
    canary: Canary | None = None
    shadow: Annotated[str, Field(pattern=rf"^$|{VERSION_PATTERN}")] = ""
    thresholds: dict[str, VersionThresholds] = Field(default_factory=dict)
    changed_at: datetime | None = None
    first: FirstChoice | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that has to be served, stable first."""
        canary = (self.canary.version,) if self.canary else ()
        shadow = (self.shadow,) if self.shadow else ()
        return tuple(dict.fromkeys((self.stable, *canary, *shadow)))

    def version_for(self, camera: str) -> str:
        """The version whose detections count on a camera."""
        if self.canary is not None and camera in self.canary.cameras:
            return self.canary.version
        return self.stable

    def shadow_for(self, camera: str) -> str:
        """The version that is only compared on a camera; empty where there is none."""
        return "" if self.shadow == self.version_for(camera) else self.shadow

    def role(self, version: str) -> str:
        """What a version is: `stable`, `canary`, `shadow`, or empty."""
        if version == self.stable:
            return "stable"
        if self.canary is not None and version == self.canary.version:
            return "canary"
        return "shadow" if version == self.shadow else ""


class RolloutChange(_Table):
    """What somebody wants changed; what is left out stays.

    Attributes:
        canary: A version, or `none` to take the canary's cameras back to the stable one.
        cameras: The canary's cameras: a share (`10%`) or ids with commas between.
        shadow: A version, or `none`.
        thresholds: By version, only what is to change; None goes back to the package's own.
    """

    canary: VersionOrNone | None = None
    cameras: str | None = Field(default=None, examples=["10%", "crossroad-1,square-east"])
    shadow: VersionOrNone | None = None
    thresholds: dict[VersionName, ThresholdChange | None] = Field(
        default_factory=dict, examples=[{"2": {"default": 0.4, "classes": {"person": 0.35}}}]
    )


def changed(rollout: Rollout, change: RolloutChange, cameras: Sequence[str]) -> Rollout:
    """The table after a change; `cameras` are those that use the model without naming a version.

    Raises:
        RolloutError: The change means nothing; the text says what to give.
    """
    if change == RolloutChange():
        raise RolloutError(f"model {rollout.model}: nothing to change; name a canary or a shadow")
    canary = _canary(rollout, change, cameras)
    shadow = rollout.shadow
    if change.shadow is not None:
        shadow = "" if change.shadow == NO_VERSION else change.shadow
    if shadow and shadow == rollout.stable:
        raise RolloutError(_is_stable(rollout, "shadow"))
    thresholds = dict(rollout.thresholds)
    for version, wanted in change.thresholds.items():
        old = thresholds.pop(version, None)
        new = wanted.of(old) if wanted is not None else VersionThresholds()
        if new != VersionThresholds():
            thresholds[version] = new
    update = {"canary": canary, "shadow": shadow, "thresholds": thresholds}
    return rollout.model_copy(update=update)


def promoted(rollout: Rollout) -> Rollout:
    """The table after the canary, or else the shadow, has become the stable version.

    Raises:
        RolloutError: There is neither.
    """
    version = rollout.canary.version if rollout.canary else rollout.shadow
    if not version:
        raise RolloutError(
            f"model {rollout.model}: there is neither a canary nor a shadow to promote; "
            "begin with --canary VERSION --cameras 10%"
        )
    return rollout.model_copy(
        update={
            "stable": version,
            "previous": rollout.stable,
            "canary": None,
            "shadow": "" if rollout.shadow == version else rollout.shadow,
        }
    )


def rolled_back(rollout: Rollout, version: str | None = None) -> Rollout:
    """The table without its canary, or else with the stable version before this one.

    With a `version` that one is the stable one afterwards, and there is no canary.

    Raises:
        RolloutError: There is nothing to go back to.
    """
    if version is not None:
        if version == rollout.stable:
            raise RolloutError(
                f"model {rollout.model}: version {version} is the stable one already"
            )
        shadow = "" if rollout.shadow == version else rollout.shadow
        update = {"stable": version, "previous": rollout.stable, "shadow": shadow, "canary": None}
        return rollout.model_copy(update=update)
    if rollout.canary is not None:
        return rollout.model_copy(update={"canary": None})
    if not rollout.previous:
        raise RolloutError(
            f"model {rollout.model}: there is no canary to take back and no version before "
            f"{rollout.stable}"
        )
    shadow = "" if rollout.shadow == rollout.previous else rollout.shadow
    return rollout.model_copy(
        update={"stable": rollout.previous, "previous": rollout.stable, "shadow": shadow}
    )


def _canary(rollout: Rollout, change: RolloutChange, cameras: Sequence[str]) -> Canary | None:
    old = rollout.canary
    if change.canary == NO_VERSION:
        return None
    version = change.canary or (old.version if old else "")
    if not version:
        if change.cameras is not None:
            raise RolloutError(f"model {rollout.model}: cameras without a canary; name its version")
        return None
    if version == rollout.stable:
        raise RolloutError(_is_stable(rollout, "canary"))
    asked = change.cameras
    if asked is None:
        if old is None:
            raise RolloutError(
                f"model {rollout.model}: which cameras shall version {version} have? "
                "Give a share like 10%, or their ids"
            )
        return Canary(version=version, asked=old.asked, cameras=old.cameras)
    return Canary(version=version, asked=asked, cameras=_chosen(rollout.model, asked, cameras))


def _is_stable(rollout: Rollout, role: str) -> str:
    return (
        f"model {rollout.model}: version {rollout.stable} is the stable one; "
        f"a {role} is another version"
    )


def _chosen(model: str, asked: str, cameras: Sequence[str]) -> tuple[str, ...]:
    """The cameras that are meant, in the order of `cameras`."""
    percent = PERCENT.fullmatch(asked.strip())
    if percent:
        share = float(percent.group(1)) / 100
        if not 0 < share <= 1:
            raise RolloutError(f"model {model}: {asked} is no share of cameras; give 1% to 100%")
        # The order is random but always the same, so that 20 % include the 10 % from before.
        order = sorted(cameras, key=lambda one: hashlib.sha256(f"{model}|{one}".encode()).digest())
        chosen = set(order[: math.ceil(round(share * len(order), 6))])
    else:
        chosen = {name.strip() for name in asked.split(",") if name.strip()}
        unknown = sorted(chosen - set(cameras))
        if unknown or not chosen:
            there = ", ".join(cameras) or "none"
            problem = f"no camera {', '.join(unknown)}" if unknown else "no camera is named"
            raise RolloutError(
                f"model {model}: {problem}; cameras that use the model without a version of "
                f"their own: {there}"
            )
    if not chosen:
        raise RolloutError(f"model {model}: no camera uses it without naming a version")
    return tuple(camera for camera in cameras if camera in chosen)
