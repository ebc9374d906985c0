"""`hub_sections`: what a configuration says of its hub, whatever else is wrong with the file.

Who makes a backup, or restores one on another machine, need not know the logins of the cameras.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from cityeye.config.document import read_document
from cityeye.config.load import with_keyframes
from cityeye.config.mistakes import report_mistakes
from cityeye.config.problem import ConfigurationError, Problem
from cityeye.config.schema import HubSection
from cityeye.config.secret_files import read_secret_files
from cityeye.config.section import Section
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
    document = read_document(path, environment)
    base = path.absolute().parent
    if not document.data:
        raise ConfigurationError(path, document.problems)
    read_secret_files(document, base)
    whole = with_keyframes(document.data)
    names = HubSections.model_fields
    document.problems[:] = [one for one in document.problems if _is_of(one, names)]
    try:
        found = HubSections.model_validate(
            {name: whole[name] for name in names if name in whole}, context={"base": base}
        )
    except ValidationError as error:
        report_mistakes(document, error, HubSections)
        raise ConfigurationError(path, document.problems) from None
    if document.problems:
        raise ConfigurationError(path, document.problems)
    return found


def _is_of(problem: Problem, names: Mapping[str, object]) -> bool:
    return problem.key.partition(".")[0].partition("[")[0] in names
