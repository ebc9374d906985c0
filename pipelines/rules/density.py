"""`crowding.density`: more persons in a zone than it should hold, for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Self

from pydantic import Field

from pipelines.incident import EndReason, Severity, Transition
from pipelines.labels import PERSONS, plain
from pipelines.rules.rule import Moment, RuleParameters
from pipelines.rules.situation import Identity, Reading, Situation, subjects_of
from pipelines.track import Track
from pipelines.zone import Zone
from pipelines.zone_geometry import ZoneShape

MEDIUM_RATIO: Final = 1.5
HIGH_RATIO: Final = 2.0


class DensityParameters(RuleParameters):
    """When a place counts as crowded."""

    confirm_s: float = Field(
        default=5.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    min_persons: int = Field(default=8, ge=1, le=1000, description="least persons in the zone")
    max_per_m2: float = Field(
        default=0.3,
        gt=0,
        le=10,
        description="persons per square metre from which on it is crowded (calibrated cameras)",
    )
    exit_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of the thresholds below which an incident begins to end",
    )


class _Place:
    """One zone of the rule."""

    def __init__(self, shape: ZoneShape, situation: Situation, par: DensityParameters) -> None:
        self._shape = shape
        self._parameters = par
        self.situation = situation

    def observe(self, persons: Sequence[Track], at: Moment) -> Transition | None:
        inside = [person for person in persons if self._shape.contains(person.box.foot)]
        return self.situation.observe(self._read(inside), at)

    def _read(self, inside: list[Track]) -> Reading:
        parameters, area_m2 = self._parameters, self._shape.area_m2
        detail = {"persons": float(len(inside))}
        ratio = len(inside) / parameters.min_persons
        if area_m2:
            per_m2 = len(inside) / area_m2
            detail["persons_per_m2"] = round(per_m2, 3)
            ratio = min(ratio, per_m2 / parameters.max_per_m2)
        return Reading(
            holds=ratio >= (parameters.exit_share if self.situation.is_open else 1.0),
            severity=_severity(ratio),
            subjects=subjects_of(inside),
            detail=detail,
        )


def _severity(ratio: float) -> Severity:
    if ratio >= HIGH_RATIO:
        return Severity.HIGH
    return Severity.MEDIUM if ratio >= MEDIUM_RATIO else Severity.LOW


class DensityRule:
    """Crowding on one camera: one incident at a time per zone."""

    kind: ClassVar[str] = "crowding.density"
    version: ClassVar[str] = "1"
    task: ClassVar[str] = "crowding"
    Parameters: ClassVar[type[RuleParameters]] = DensityParameters

    def __init__(
        self, camera: str, zones: Sequence[Zone], parameters: DensityParameters, epoch: str
    ) -> None:
        variant = parameters.model_dump_json()
        self._places = tuple(
            _Place(
                ZoneShape(zone),
                Situation(
                    Identity(self.kind, camera, zone.name, epoch, variant=variant), parameters
                ),
                parameters,
            )
            for zone in zones
        )

    @classmethod
    def build(
        cls, camera: str, zones: Sequence[Zone], parameters: Mapping[str, float], epoch: str
    ) -> Self:
        """See `RuleType.build`."""
        return cls(camera, zones, DensityParameters.model_validate(parameters), epoch)

    def observe(self, tracks: Sequence[Track], at: Moment) -> tuple[Transition, ...]:
        """See `Rule.observe`."""
        persons = [track for track in tracks if plain(track.label) in PERSONS]
        transitions = (place.observe(persons, at) for place in self._places)
        return tuple(transition for transition in transitions if transition)

    def close(self, reason: EndReason, at: Moment) -> tuple[Transition, ...]:
        """See `Rule.close`."""
        transitions = (place.situation.close(reason, at) for place in self._places)
        return tuple(transition for transition in transitions if transition)
