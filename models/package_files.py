"""Which files make a package, and how large each may be; every other name is no file of a package.

A manifest and the files that it stands for never change once they are published. Reports about a
version (its admission, its evaluations) may be added to it later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from models.package import (
    ADMISSION_FILE,
    CARD_FILE,
    GOLDEN_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    MAX_ONNX_BYTES,
    MAX_TEXT_BYTES,
    ONNX_FILE,
)

MAX_GOLDEN_BYTES = 128 * 1024 * 1024
MAX_REPORT_BYTES = 4 * 1024 * 1024
EVALUATIONS = "evaluations"

_CONTENT = {
    ONNX_FILE: MAX_ONNX_BYTES,
    GOLDEN_FILE: MAX_GOLDEN_BYTES,
    LABELS_FILE: MAX_TEXT_BYTES,
    CARD_FILE: MAX_TEXT_BYTES,
    MANIFEST_FILE: MAX_TEXT_BYTES,
}
_EVALUATION = re.compile(rf"{EVALUATIONS}/[A-Za-z0-9][A-Za-z0-9._@-]{{0,119}}\.json")


def is_report(file: str) -> bool:
    """Whether a relative name is that of a report."""
    return file == ADMISSION_FILE or _EVALUATION.fullmatch(file) is not None


def limit_bytes(file: str) -> int | None:
    """How large a file of a package may be; None for a name that no such file has."""
    return MAX_REPORT_BYTES if is_report(file) else _CONTENT.get(file)


def files_of(directory: Path) -> tuple[str, ...]:
    """Relative names of the files of a package on disk, the manifest last."""
    reports = (
        ADMISSION_FILE,
        *(f"{EVALUATIONS}/{p.name}" for p in sorted((directory / EVALUATIONS).glob("*.json"))),
    )
    content = (file for file in _CONTENT if file != MANIFEST_FILE)
    return tuple(
        file
        for file in (*content, *filter(is_report, reports), MANIFEST_FILE)
        if (directory / file).is_file()
    )


def capped(file: str, sink: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """A sink that raises once a file has become larger than it may be.

    Raises:
        ValueError: From the sink that is returned; the text is the end of a sentence.
    """
    limit = limit_bytes(file) or 0
    seen = 0

    def take(piece: bytes) -> None:
        nonlocal seen
        seen += len(piece)
        if seen > limit:
            raise ValueError(f"is larger than {limit} bytes")
        sink(piece)

    return take
