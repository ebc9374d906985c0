"""`Catalogue`: the rules and models that a configuration may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.package import ModelPackage
from models.repository import ModelRepository
from pipelines.rules import RULES, RuleType


class ModelShelf(Protocol):
    """Where models are found: `models.repository.ModelRepository` is one."""

    def names(self) -> tuple[str, ...]:
        """Names that have at least one version."""
        ...

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a name, oldest first."""
        ...

    def find(self, name: str, version: str | None = None) -> ModelPackage:
        """A verified package, the newest version unless one is named."""
        ...


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What there is to choose from.

    Attributes:
        rules: Kinds of rules by name (`traffic.congestion`).
        models: Where model packages are found.
    """

    rules: Mapping[str, RuleType]
    models: ModelShelf

    @classmethod
    def of(cls, models_path: Path) -> Catalogue:
        """The product's own rules, and the packages under a folder."""
        return cls(rules=RULES, models=ModelRepository(models_path))

    @property
    def tasks(self) -> frozenset[str]:
        """Names of all tasks."""
        return frozenset(rule.task for rule in self.rules.values())

    def rules_of(self, task: str) -> tuple[str, ...]:
        """The kinds of rules that belong to a task, sorted."""
        return tuple(sorted(kind for kind, rule in self.rules.items() if rule.task == task))

    def find_model(self, wanted: str) -> ModelPackage:
        """The package that `NAME` (newest version) or `NAME/VERSION` means.

        Raises:
            ModelError: There is none, or it is unusable.
        """
        name, _, version = wanted.partition("/")
        return self.models.find(name, version or None)

    def model_names(self) -> Iterator[str]:
        """Everything that `find_model` understands."""
        for name in self.models.names():
            yield name
            yield from (f"{name}/{version}" for version in self.models.versions(name))
