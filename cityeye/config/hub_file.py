"""What a hub that runs alone takes from a configuration: logins elsewhere, and limits of cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from cityeye.config.document import read_document
from cityeye.config.mistakes import report_mistakes
from cityeye.config.problem import ConfigurationError
from cityeye.config.secret_files import read_secret_files
from cityeye.config.section import Section
from event_hub import CaseSettings, OidcSettings

HUB = "hub"


class LoneHubSection(Section):
    """The keys of `hub` that count for a hub alone; its options say the rest."""

    cases: CaseSettings = CaseSettings()
    """time limits of cases, for example `{limits: {high: {decide_minutes: 15}}}`"""
    oidc: OidcSettings | None = None
    """where people log in beside the hub, for example `{issuer: https://id.city.example}`"""


class _LoneHubFile(Section):
    hub: LoneHubSection


def lone_hub(
    path: Path, environment: Mapping[str, str]
) -> tuple[LoneHubSection, tuple[str, ...], tuple[str, ...]]:
    """Reads `hub: {cases: ..., oidc: ...}` of a file, as `load_config` reads that of a city.

    Returns:
        The section, the keys of `hub` that do not count here, and what should be changed.

    Raises:
        ConfigurationError: With every mistake in it.
    """
    document = read_document(path, environment)
    read_secret_files(document, path.absolute().parent)
    given = document.data.get(HUB)
    if document.data and not isinstance(given, dict):
        remedy = "Write `hub:` with `oidc:` or `cases:` below it."
        document.report((HUB,), "the file has no section of this name", remedy)
    if document.problems or not isinstance(given, dict):
        raise ConfigurationError(path, document.problems)
    known = {key: one for key, one in given.items() if key in LoneHubSection.model_fields}
    left = tuple(str(key) for key in given if key not in known)
    try:
        file = _LoneHubFile.model_validate({HUB: known})
    except ValidationError as error:
        report_mistakes(document, error, _LoneHubFile)
        raise ConfigurationError(path, document.problems) from None
    return file.hub, left, tuple(f"{path}:{one.line}: {one}" for one in document.warnings)
