"""`load_config`: from a YAML file to plans, with every mistake of the file in one error.

Loading changes nothing and connects to nothing, except where models are in a store: that is asked
for them, and verified copies enter the cache. What comes out is complete: a `Config` can be run
without a further check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cityeye.config.catalogue import Catalogue
from cityeye.config.document import read_document
from cityeye.config.login import lift_logins
from cityeye.config.mistakes import report_mistakes
from cityeye.config.plans import camera_plans, rule_sets
from cityeye.config.problem import ConfigurationError, Problem
from cityeye.config.references import NEEDED_STORE_KEYS, STORE_KEYS, check_references
from cityeye.config.schema import ModelsSection, Settings
from models import BUILTIN_ROOT, ModelRepository, Repository
from pipelines import CameraPlan

LEFT_OUT: Mapping[str, object] = {"keyframes": {"folder": "var/keyframes"}, "models": {}}
"""What sections with paths mean when the file leaves them out."""


@dataclass(frozen=True, slots=True)
class Config:
    """A valid configuration.

    Attributes:
        path: The file it came from.
        settings: The file's sections, paths made absolute, secrets still wrapped.
        plans: Every camera with what is to be done with its frames.
        warnings: What works but should be changed.
    """

    path: Path
    settings: Settings
    plans: tuple[CameraPlan, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def rule_sets(self) -> tuple[str, ...]:
        """Names of the rule sets in use, named or by default."""
        return rule_sets(self.settings)


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Reads, checks and resolves a YAML file; `${NAME}` comes from the environment.

    Relative paths in it start from its folder.

    Raises:
        ConfigurationError: With every mistake, sorted by line.
    """
    document = read_document(path, environment)
    if document.problems and not document.data:
        raise ConfigurationError(path, document.problems)
    warnings = lift_logins(document)
    document.data = {**LEFT_OUT, **document.data}
    context = {"base": path.absolute().parent}
    catalogue = Catalogue.of(_repository(document.data, context))
    settings = None
    try:
        settings = Settings.model_validate(document.data, context=context)
    except ValidationError as error:
        report_mistakes(document, error, Settings)
    check_references(document, catalogue)
    if document.problems or settings is None:
        raise ConfigurationError(path, document.problems)
    return Config(path, settings, camera_plans(settings, catalogue), tuple(sorted(warnings)))


def state_folder(path: Path, environment: Mapping[str, str]) -> Path:
    """The folder `state` of a configuration, whatever else is wrong with the file.

    Raises:
        ConfigurationError: The file cannot be read, or names no folder.
    """
    document = read_document(path, environment)
    state = document.data.get("state", str(Settings.model_fields["state"].default))
    if not document.data or not isinstance(state, str):
        known = document.problems or [Problem(1, "state", "it is no folder", "Write a path.")]
        raise ConfigurationError(path, known)
    return path.absolute().parent / Path(state).expanduser()


def _repository(data: dict[str, Any], context: Mapping[str, Path]) -> Repository | None:
    """Where models are, even where the rest of the file is wrong; None where that is not known."""
    section = data.get("models")
    if not isinstance(section, dict) or section.get("url") is None:
        path = section.get("path") if isinstance(section, dict) else None
        known = context["base"] / Path(path).expanduser() if isinstance(path, str) else BUILTIN_ROOT
        return ModelRepository(known)
    if section.get("path") is not None or not all(map(section.get, NEEDED_STORE_KEYS)):
        return None
    store = {key: section[key] for key in ("url", *STORE_KEYS) if key in section}
    try:
        return ModelsSection.model_validate(store, context=dict(context)).source.open()
    except ValidationError:
        return None
