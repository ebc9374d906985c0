"""`CityModelReader`: which model versions serve in the hub's city, read from its control API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter

from event_hub.city_control import CityControl
from event_hub.console.control_reading import Asked, ControlReading, ControlRefused
from event_hub.console.control_records import (
    ComparedVersions,
    KnownVersion,
    LedgerLine,
    RolloutTable,
    ServedVersion,
    ShownVersion,
    VersionAccuracy,
)

LEDGER_LINES: Final = "20"
REPOSITORY_EVERY_S: Final = 30.0
"""Reading packages takes time, and a published version never changes."""

MISSING: Final = (404,)
NOT_READ: Final = (404, 409, 422, 503)
"""Also where the repository does not answer, or a package in it cannot be read."""

SERVED: Final = TypeAdapter(tuple[ServedVersion, ...])
TABLES: Final = TypeAdapter(tuple[RolloutTable, ...])
VERSIONS: Final = TypeAdapter(tuple[KnownVersion, ...])
LEDGER: Final = TypeAdapter(tuple[LedgerLine, ...])
COMPARISON: Final = TypeAdapter(ComparedVersions)
DETAIL: Final = TypeAdapter(ShownVersion)


@dataclass(frozen=True, slots=True)
class ModelInService:
    """One model.

    Attributes:
        table: Its rollout; None where every camera names its version.
        served: Its versions in service, the stable one first.
        known: Its versions in the repository, oldest first; None where that does not answer.
        accuracy: That of versions in service, where it is known.
        ledger: Its newest changes, newest first.
        comparisons: Of what is in service with the shadow, on the same frames.
    """

    name: str
    table: RolloutTable | None
    served: tuple[ServedVersion, ...]
    known: tuple[KnownVersion, ...] | None
    accuracy: Mapping[str, VersionAccuracy]
    ledger: tuple[LedgerLine, ...]
    comparisons: tuple[ComparedVersions, ...]


@dataclass(frozen=True, slots=True)
class CityModels:
    """The models of a city at one moment."""

    models: tuple[ModelInService, ...]
    read_at: datetime


@dataclass(slots=True)
class _Repository:
    """What was read of a model in the repository, and when (monotonic seconds).

    Attributes:
        versions: Those in service, of which `accuracy` was read.
    """

    read_s: float
    versions: frozenset[str]
    known: tuple[KnownVersion, ...] | None
    accuracy: dict[str, VersionAccuracy] = field(default_factory=dict)


class CityModelReader(ControlReading[CityModels]):
    """The models of one city."""

    def __init__(self, control: CityControl) -> None:
        super().__init__(control)
        self.city = control.city
        self._repository: dict[str, _Repository] = {}

    def _read(self) -> CityModels:
        return CityModels(self._models(), datetime.now(UTC))

    def _models(self) -> tuple[ModelInService, ...]:
        served = self.ask(SERVED, "models")
        tables = {table.model: table for table in self.ask(TABLES, "rollouts")}
        names = sorted({one.name for one in served} | tables.keys())
        return tuple(
            self._model(name, tables.get(name), [one for one in served if one.name == name])
            for name in names
        )

    def _model(
        self, name: str, table: RolloutTable | None, served: list[ServedVersion]
    ) -> ModelInService:
        served.sort(key=lambda one: (one.role != "stable", one.role, one.version))
        repository = self._kept(name, frozenset(one.version for one in served))
        return ModelInService(
            name,
            table,
            tuple(served),
            repository.known,
            dict(repository.accuracy),
            self.ask(LEDGER, "models", name, "ledger", limit=LEDGER_LINES),
            self._comparisons(table) if table else (),
        )

    def _comparisons(self, table: RolloutTable) -> tuple[ComparedVersions, ...]:
        if not table.shadow:
            return ()
        canary = [table.canary.version] if table.canary else []
        steps, second = ("models", table.model, "comparison"), table.shadow
        found = [
            self._find(COMPARISON, steps, first=first, second=second)
            for first in (table.stable, *canary)
            if first != second
        ]
        return tuple(one for one in found if one is not None)

    def _kept(self, name: str, versions: frozenset[str]) -> _Repository:
        now_s = time.monotonic()
        kept = self._repository.get(name)
        is_fresh = kept is not None and now_s - kept.read_s < REPOSITORY_EVERY_S
        if kept is None or not is_fresh or kept.versions != versions:
            steps = ("models", name, "versions")
            known = self._find(VERSIONS, steps, NOT_READ)
            kept = _Repository(now_s, versions, known)
            for version in versions:
                detail = self._find(DETAIL, (*steps, version), NOT_READ)
                if detail is not None and detail.accuracy is not None:
                    kept.accuracy[version] = detail.accuracy
            self._repository[name] = kept
        return kept

    def _find(
        self,
        what: TypeAdapter[Asked],
        steps: tuple[str, ...],
        missing: tuple[int, ...] = MISSING,
        **query: str,
    ) -> Asked | None:
        """What a path answers; None for the statuses that say that it is not there."""
        try:
            return self.ask(what, *steps, **query)
        except ControlRefused as error:
            if error.status in missing:
                return None
            raise
