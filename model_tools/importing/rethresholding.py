"""The next version of a package with other thresholds: the same graph, examined anew.

A version never changes. Whoever wants other thresholds for good gets another version of the same
graph, which a rollout brings to cameras like any other: as canary, as shadow, and back.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from model_tools.admission import admit
from model_tools.importing.importer import RefusedError
from model_tools.importing.staging import next_version
from model_tools.importing.writing import settle, write_texts
from model_tools.thresholds_section import with_thresholds_section
from models import CARD_FILE, GOLDEN_FILE, ONNX_FILE, ModelPackage, Thresholds

_COPIED: Final = (ONNX_FILE, GOLDEN_FILE)


def with_thresholds(
    package: ModelPackage, root: Path, thresholds: Thresholds, source: str
) -> ModelPackage:
    """Makes the next version.

    Args:
        package: The version whose graph it has.
        root: The repository.
        thresholds: What it names instead.
        source: Where they come from, a sentence for the card.

    Raises:
        ModelError: The package is unusable, or what was made is not admitted.
        OSError: The repository cannot be written.
    """
    card = (package.directory / CARD_FILE).read_text(encoding="utf-8")
    with next_version(root, package.name) as staging:
        for name in _COPIED:
            if (package.directory / name).is_file():
                shutil.copyfile(package.directory / name, staging.directory / name)
        changes = {"version": staging.version, "thresholds": thresholds}
        manifest = package.manifest.model_copy(update=changes)
        card = card.replace(
            f"# {package.name} {package.version}", f"# {package.name} {staging.version}", 1
        )
        write_texts(
            staging.directory,
            manifest,
            package.labels,
            with_thresholds_section(card, thresholds, f"{source} The graph is that of {package}."),
        )
        report = admit(staging.directory)
        if not report.passed:
            raise RefusedError(f"{staging.name}/{staging.version}", report.reason)
        settle(staging.directory)
        place = staging.publish()
    return ModelPackage.load(place)
