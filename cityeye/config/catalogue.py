"""`Catalogue`: the rules and models that a configuration may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cityeye.config.kept_rules import KeptRules
from models import ModelPackage, Repository, RepositoryError, UnknownModelError
from models.admission import admitted
from pipelines.rules import RULE_SETS, RULES, PinnedRule, RuleType, find_rule


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What there is to choose from.

    Attributes:
        rules: Kinds of rules by name (`traffic.congestion`).
        models: Everything that `find_model` understands.
        fault: Why the models could not be listed, where they could not.
        kept: Which sets and versions run where the file names none.
    """

    rules: Mapping[str, RuleType[Any]]
    models: frozenset[str]
    _repository: Repository | None
    fault: RepositoryError | None = None
    kept: KeptRules = field(default_factory=KeptRules)
    _verified: dict[str, ModelPackage] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, repository: Repository | None, kept: KeptRules) -> Catalogue:
        """The product's own rules, and the packages of a repository, if it is known which."""
        if repository is None:
            return cls(RULES, frozenset(), None, kept=kept)
        try:
            names = repository.names()
            versions = [f"{name}/{one}" for name in names for one in repository.versions(name)]
        except RepositoryError as error:
            return cls(RULES, frozenset(), repository, error, kept=kept)
        return cls(RULES, frozenset((*names, *versions)), repository, kept=kept)

    @property
    def is_empty(self) -> bool:
        """Whether there certainly is no model."""
        return self._repository is not None and self.fault is None and not self.models

    @property
    def tasks(self) -> frozenset[str]:
        """Names of all tasks."""
        return frozenset(rule.task for rule in self.rules.values())

    @property
    def measurements(self) -> frozenset[str]:
        """Kinds of measurements that rules publish."""
        return frozenset(kind for rule in self.rules.values() for kind in rule.measures)

    def rules_of(self, task: str) -> tuple[str, ...]:
        """The kinds of rules that belong to a task, sorted."""
        return tuple(sorted(kind for kind, rule in self.rules.items() if rule.task == task))

    def rule_sets_of(self, task: str) -> tuple[str, ...]:
        """Names of the rule sets that belong to a task."""
        return tuple(name for name in RULE_SETS if name.rpartition("/")[0] == task)

    def find_rule(self, kind: str, version: str = "") -> RuleType[Any] | None:
        """A version of a kind of rule, the newest without `version`; None where there is none."""
        newest = self.rules.get(kind)
        if newest is None or version in ("", newest.version):
            return newest
        return find_rule(kind, version)

    def checked(self, rule: PinnedRule) -> dict[str, object]:
        """All parameters of a rule, those that are not given with their defaults.

        Raises:
            KeyError: There is no such rule, or no such version of it.
            pydantic.ValidationError: A parameter is wrong.
        """
        found = self.find_rule(rule.kind, rule.version)
        if found is None:
            raise KeyError(rule.kind)
        parameters: dict[str, object] = found.Parameters.model_validate(
            dict(rule.parameters)
        ).model_dump()
        return parameters

    def find_model(self, wanted: str) -> ModelPackage:
        """The package that `NAME` (newest admitted version) or `NAME/VERSION` means; verified once.

        Raises:
            ModelError: There is none, or it is unusable or not admitted.
        """
        if self._repository is None:
            raise UnknownModelError(wanted, "that the file names", ())
        if wanted not in self._verified:
            name, _, version = wanted.partition("/")
            self._verified[wanted] = admitted(self._repository, name, version or None)
        return self._verified[wanted]
