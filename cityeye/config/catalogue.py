"""`Catalogue`: the rules and models that a configuration may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.package import ModelPackage
from models.repository import ModelRepository
from pipelines.rules import RULES, RuleType


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What there is to choose from.

    Attributes:
        rules: Kinds of rules by name (`traffic.congestion`).
        models: Everything that `find_model` understands.
    """

    rules: Mapping[str, RuleType]
    models: frozenset[str]
    _repository: ModelRepository
    _verified: dict[str, ModelPackage] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, models_path: Path) -> Catalogue:
        """The product's own rules, and the packages under a folder."""
        repository = ModelRepository(models_path)
        names = repository.names()
        versions = (f"{name}/{one}" for name in names for one in repository.versions(name))
        models = frozenset((*names, *versions))
        return cls(rules=RULES, models=models, _repository=repository)

    @property
    def tasks(self) -> frozenset[str]:
        """Names of all tasks."""
        return frozenset(rule.task for rule in self.rules.values())

    def rules_of(self, task: str) -> tuple[str, ...]:
        """The kinds of rules that belong to a task, sorted."""
        return tuple(sorted(kind for kind, rule in self.rules.items() if rule.task == task))

    def find_model(self, wanted: str) -> ModelPackage:
        """The package that `NAME` (newest version) or `NAME/VERSION` means; verified once.

        Raises:
            ModelError: There is none, or it is unusable.
        """
        if wanted not in self._verified:
            name, _, version = wanted.partition("/")
            self._verified[wanted] = self._repository.find(name, version or None)
        return self._verified[wanted]
