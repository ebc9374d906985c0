"""What a hub that runs alone takes from a configuration: logins elsewhere, and limits of cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cityeye.config.problem import ConfigurationError
from cityeye.config.section import Section
from cityeye.config.sections import checked_sections, read_sections
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
    """Reads `hub: {cases: ..., oidc: ...}` of a file, which may be that of a city.

    Returns:
        The section, the keys of `hub` that do not count here, and what should be changed.

    Raises:
        ConfigurationError: With every mistake in these keys.
    """
    names = LoneHubSection.model_fields
    document = read_sections(path, environment, [f"{HUB}.{name}" for name in names])
    given = document.data.get(HUB)
    if not isinstance(given, dict):
        remedy = "Write `hub:` with `oidc:` or `cases:` below it."
        document.report((HUB,), "the file has no section of this name", remedy)
        raise ConfigurationError(path, document.problems)
    known = {key: one for key, one in given.items() if key in names}
    left = tuple(str(key) for key in given if key not in known)
    file = checked_sections(document, path, _LoneHubFile, {HUB: known})
    return file.hub, left, tuple(f"{path}:{one.line}: {one}" for one in document.warnings)
