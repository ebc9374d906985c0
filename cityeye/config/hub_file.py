"""What a hub that runs alone takes from a configuration: logins, limits of cases, traces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

from cityeye.config.problem import ConfigurationError
from cityeye.config.section import Section
from cityeye.config.sections import checked_sections, read_sections
from cityeye.config.values import can_be_sent
from event_hub import CaseSettings, OidcSettings
from pipelines.tracing import TraceSettings

HUB: Final = "hub"
TRACES: Final = "traces"


class LoneHubSection(Section):
    """The keys of `hub` that count for a hub alone; its options say the rest."""

    cases: CaseSettings = CaseSettings()
    """time limits of cases, for example `{limits: {high: {decide_minutes: 15}}}`"""
    oidc: OidcSettings | None = None
    """where people log in beside the hub, for example `{issuer: https://id.city.example}`"""


class LoneHubFile(Section):
    """The sections of a configuration that count for a hub alone."""

    hub: LoneHubSection = LoneHubSection()
    traces: Annotated[TraceSettings, AfterValidator(can_be_sent)] | None = None


def lone_hub(
    path: Path, environment: Mapping[str, str]
) -> tuple[LoneHubFile, tuple[str, ...], tuple[str, ...]]:
    """Reads `hub: {cases: ..., oidc: ...}` and `traces` of a file, which may be that of a city.

    Returns:
        Both, the keys of `hub` that do not count here, and what should be changed.

    Raises:
        ConfigurationError: With every mistake in these keys.
    """
    names = LoneHubSection.model_fields
    document = read_sections(path, environment, [*(f"{HUB}.{name}" for name in names), TRACES])
    data = document.data
    given = data.get(HUB, {} if TRACES in data else None)
    if not isinstance(given, dict):
        remedy = "Write `hub:` with `oidc:` or `cases:` below it, or `traces:`."
        document.report((HUB,), "the file has no section of this name", remedy)
        raise ConfigurationError(path, document.problems)
    known = {key: one for key, one in given.items() if key in names}
    left = tuple(str(key) for key in given if key not in known)
    sections = {HUB: known, TRACES: data.get(TRACES)}
    file = checked_sections(document, path, LoneHubFile, sections)
    return file, left, tuple(f"{path}:{one.line}: {one}" for one in document.warnings)
