"""`load_config`: from a YAML file to plans, with every mistake of the file in one error.

Loading changes nothing and connects to nothing, except where models are in a store: that is asked
for them, and verified copies enter the cache. What comes out is complete: a `Config` can be run
without a further check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from camera_adapters import CameraFault, kind_of
from cityeye.config.case_codes import read_case_codes, warn_of_missing_codes
from cityeye.config.catalogue import Catalogue
from cityeye.config.dialled import report_forbidden_addresses
from cityeye.config.document import Document, read_document
from cityeye.config.kept_rules import KeptRules, KeptRulesError, read_kept_rules
from cityeye.config.login import lift_logins
from cityeye.config.mistakes import report_mistakes
from cityeye.config.places import report_unusable_places
from cityeye.config.plans import camera_plans
from cityeye.config.problem import ConfigurationError, Key, Problem, sentence
from cityeye.config.references import NEEDED_STORE_KEYS, STORE_KEYS, check_references
from cityeye.config.rules_in_use import RulesInUse
from cityeye.config.schema import ModelsSection, Settings
from cityeye.config.secret_files import read_secret_files
from cityeye.config.trial import TrialCamera
from models import BUILTIN_ROOT, ModelRepository, Repository
from pipelines import CameraPlan, StoreError
from pipelines.delivery import expand_home

KEYFRAMES: Mapping[str, object] = {"folder": "var/keyframes"}
LEFT_OUT: Mapping[str, object] = {"keyframes": KEYFRAMES, "models": {}}
"""What sections with paths mean when the file leaves them out."""


@dataclass(frozen=True, slots=True)
class Config:
    """A valid configuration.

    Attributes:
        path: The file it came from.
        settings: The file's sections, paths made absolute, secrets still wrapped.
        plans: Every camera with what is to be done with its frames.
        warnings: What works but should be changed.
        lines: Line of each value's key in the file, counted from 1.
        environment: What variables in the file were taken from.
        rules: Which sets and versions of rules run, and why those.
        digest: SHA-256 of the file, hexadecimal.
    """

    path: Path
    settings: Settings
    plans: tuple[CameraPlan, ...]
    warnings: tuple[Problem, ...] = ()
    lines: Mapping[Key, int] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    rules: RulesInUse = field(default_factory=RulesInUse)
    digest: str = ""

    def keep_rules(self) -> None:
        """Has the city keep the sets and versions that it runs; call it before it runs them.

        Raises:
            KeptRulesError: The file in its state folder cannot be written.
        """
        self.rules.kept.write(self.settings.state)

    def reread(self, content: bytes | None = None) -> Config:
        """The file as it is now, or as if it held `content`, with the same environment.

        Raises:
            ConfigurationError: The file has mistakes.
        """
        return load_config(self.path, self.environment, content)


def load_config(path: Path, environment: Mapping[str, str], content: bytes | None = None) -> Config:
    """Reads, checks and resolves a YAML file; `${NAME}` comes from the environment.

    Relative paths in it start from its folder. With `content` the file is read as if it held that.

    Raises:
        ConfigurationError: With every mistake, sorted by line.
    """
    document = read_document(path, environment, content)
    if document.problems and not document.data:
        raise ConfigurationError(path, document.problems)
    context = {"base": path.absolute().parent}
    read_secret_files(document, context["base"])
    read_case_codes(document, context["base"])
    lift_logins(document)
    document.data = with_keyframes(document.data)
    kept = _kept_rules(document, context["base"])
    catalogue = Catalogue.of(_repository(document.data, context), kept)
    settings = None
    try:
        settings = Settings.model_validate(document.data, context=context)
    except ValidationError as error:
        report_mistakes(document, error, Settings)
    else:
        report_forbidden_addresses(document, settings)
        report_unusable_places(document, settings)
    check_references(document, catalogue)
    if settings is not None:
        _check_store(document, settings)
    if document.problems or settings is None:
        raise ConfigurationError(path, document.problems)
    plans = camera_plans(settings, catalogue)
    _check_cameras(document, plans)
    kinds = {rule.kind for plan in plans for task in plan.tasks for rule in task.rules}
    warn_of_missing_codes(document, settings.case_codes, kinds)
    if document.problems:
        raise ConfigurationError(path, document.problems)
    warnings = tuple(sorted(document.warnings))
    rules = RulesInUse.of(settings, kept)
    return Config(
        path,
        settings,
        plans,
        warnings,
        document.lines,
        dict(environment),
        rules,
        document.digest,
    )


def with_keyframes(data: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a file, with those that may be left out."""
    whole = {**LEFT_OUT, **data}
    keyframes = whole["keyframes"]
    if isinstance(keyframes, dict) and keyframes.keys() == {"masking"}:
        # Whoever says how they are masked has not said where they are kept.
        whole["keyframes"] = {**KEYFRAMES, **keyframes}
    return whole


def state_folder(path: Path, environment: Mapping[str, str]) -> Path:
    """The folder `state` of a configuration, whatever else is wrong with the file.

    Raises:
        ConfigurationError: The file cannot be read, or names no folder.
    """
    document = read_document(path, environment)
    state = _state(document, path.absolute().parent)
    if not document.data or state is None:
        known = document.problems or [Problem(1, "state", "it is no folder", "Write a path.")]
        raise ConfigurationError(path, known)
    return state


def trial_camera(config: Config, name: str) -> TrialCamera:
    """What rules can be tried on: a camera of a configuration.

    Raises:
        ConfigurationError: The file has changed and cannot be read any more.
    """
    document = read_document(config.path, config.environment)
    base = config.path.absolute().parent
    document.data = {**LEFT_OUT, **document.data}
    kept = _kept_rules(document, base)
    catalogue = Catalogue.of(_repository(document.data, {"base": base}), kept)
    cameras = document.data.get("cameras") or ()
    found = [one for one in cameras if isinstance(one, dict) and one.get("id") == name]
    if document.problems or not found:
        raise ConfigurationError(config.path, document.problems)
    return TrialCamera(found[0], document.data.get("city") or {}, catalogue, base)


def has_cameras(path: Path, environment: Mapping[str, str]) -> bool:
    """Whether a file is a configuration of cameras, and not one with only rules.

    Raises:
        ConfigurationError: It cannot be read.
    """
    document = read_document(path, environment)
    if document.problems and not document.data:
        raise ConfigurationError(path, document.problems)
    return "cameras" in document.data


def configured_models(path: Path, environment: Mapping[str, str]) -> Repository | None:
    """Where the models of a configuration are, whatever else is wrong with the file.

    None where that is not known.
    """
    document = read_document(path, environment)
    base = path.absolute().parent
    read_secret_files(document, base)
    return _repository(document.data, {"base": base}) if document.data else None


def secret_variables(path: Path, environment: Mapping[str, str]) -> frozenset[str]:
    """Names of the environment variables that the secret values of a file are made of.

    Never raises: whatever is wrong with the file is found by `load_config`.
    """
    return frozenset(read_document(path, environment).variables)


def _state(document: Document, base: Path) -> Path | None:
    """The folder `state`, whatever else is wrong; None where that is wrong too."""
    state = document.data.get("state", str(Settings.model_fields["state"].default))
    return (base / expand_home(Path(state))).absolute() if isinstance(state, str) else None


def _kept_rules(document: Document, base: Path) -> KeptRules:
    """What the city keeps; reports where that cannot be known."""
    state = _state(document, base)
    try:
        return read_kept_rules(state) if state is not None else KeptRules()
    except KeptRulesError as error:
        document.report(("state",), error.what, error.remedy)
        return KeptRules()


def _check_store(document: Document, settings: Settings) -> None:
    """Reports an address that the client of an S3 store does not take."""
    if settings.keyframes.s3 is None:
        return
    try:
        settings.keyframes.s3.open()
    except StoreError as error:
        remedy = "Correct the address of the store and its region."
        document.report(("keyframes", "s3", "endpoint"), str(error), remedy)


def _check_cameras(document: Document, plans: Sequence[CameraPlan]) -> None:
    """Reports what the adapter of a camera has against its address together with its login."""
    for index, plan in enumerate(plans):
        try:
            kind_of(plan.camera).adapter.check(plan.camera)
        except CameraFault as fault:
            key = ("cameras", index, "password" if plan.camera.credentials else "source")
            document.report(key, fault.reason, sentence(fault.remedy))


def _repository(data: dict[str, Any], context: Mapping[str, Path]) -> Repository | None:
    """Where models are, even where the rest of the file is wrong; None where that is not known."""
    section = data.get("models")
    if not isinstance(section, dict) or section.get("url") is None:
        path = section.get("path") if isinstance(section, dict) else None
        known = context["base"] / expand_home(Path(path)) if isinstance(path, str) else BUILTIN_ROOT
        return ModelRepository(known)
    if section.get("path") is not None or not all(map(section.get, NEEDED_STORE_KEYS)):
        return None
    store = {key: section[key] for key in ("url", *STORE_KEYS) if key in section}
    try:
        return ModelsSection.model_validate(store, context=dict(context)).source.open()
    except ValidationError:
        return None
