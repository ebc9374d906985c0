"""`hub_sections`: what a configuration says of where its hub keeps what it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cityeye.config.load import with_keyframes
from cityeye.config.schema import HubSection
from cityeye.config.section import Section
from cityeye.config.sections import checked_sections, read_sections
from pipelines.delivery import FilePath, KeyframeSettings


class HubSections(Section):
    """The sections that say where the hub keeps what it has; see `Settings`."""

    hub: HubSection | None = None
    keyframes: KeyframeSettings
    state: FilePath = Path("var")


def hub_sections(path: Path, environment: Mapping[str, str]) -> HubSections:
    """Reads these sections alone; `${NAME}` comes from the environment.

    Raises:
        ConfigurationError: With every mistake in them, sorted by line.
    """
    names = HubSections.model_fields
    document = read_sections(path, environment, names)
    whole = with_keyframes(document.data)
    data = {name: whole[name] for name in names if name in whole}
    return checked_sections(document, path, HubSections, data)
