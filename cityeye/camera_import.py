"""`import_cameras`: the cameras of a spreadsheet into a configuration, all of them or none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityeye.camera_edits import CameraAddition
from cityeye.camera_table import TableRow, read_camera_table, repeated_ids
from cityeye.config_editor import ConfigEditor, EditOutcome

OF_CAMERA: Final = re.compile(r"cameras\[(?P<index>\d+)\]\.?(?P<key>.*)")


@dataclass(frozen=True, slots=True)
class RowReport:
    """How one row of a table stands.

    Attributes:
        number: The row, counted from 1.
        camera: The camera's id as the row has it.
        problems: What is wrong with it, a sentence each; nothing of it is secret.
    """

    number: int
    camera: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How an import stands.

    Attributes:
        rows: Every row.
        outcome: What came of the change; None where a row has problems, and nothing was changed.
    """

    rows: tuple[RowReport, ...]
    outcome: EditOutcome | None


def import_cameras(
    editor: ConfigEditor, content: bytes, who: str, revision: str | None, *, only_check: bool
) -> ImportReport:
    """Adds the cameras of a table to a configuration.

    Args:
        editor: Of the configuration.
        content: The file, CSV or XLSX.
        who: Who asked for it.
        revision: The revision of the configuration that it is about; None for whatever there is.
        only_check: Only say how it would go.

    Raises:
        CommandError: The file is no such table.
    """
    rows = read_camera_table(content)
    known = {camera.id for camera in editor.config.settings.cameras}
    repeated = repeated_ids(rows)
    faults = {row.number: list(row.faults) for row in rows}
    for row in rows:
        if row.name in known:
            faults[row.number].append("the configuration has a camera with this id already")
        if row.number in repeated:
            faults[row.number].append(repeated[row.number])
    sound = [row for row in rows if not faults[row.number]]
    if not sound:
        return ImportReport(_reports(rows, faults), None)
    checked = _add(editor, sound, who, revision, only_check=True)
    for problem in checked.problems:
        match = OF_CAMERA.match(problem.key)
        index = int(match["index"]) - len(known) if match else 0
        # What is not about a row stands with the first one, so that nothing is lost.
        row = sound[index] if 0 <= index < len(sound) else sound[0]
        key = match["key"] if match else problem.key
        faults[row.number].append(f"{key}: {problem.what}. {problem.remedy}")
    reports = _reports(rows, faults)
    if any(report.problems for report in reports):
        return ImportReport(reports, None)
    if only_check or checked.result != "done":
        return ImportReport(reports, checked)
    return ImportReport(reports, _add(editor, rows, who, revision, only_check=False))


def _add(
    editor: ConfigEditor,
    rows: Sequence[TableRow],
    who: str,
    revision: str | None,
    *,
    only_check: bool,
) -> EditOutcome:
    base = Path(editor.config.path).absolute().parent
    with CameraAddition([row.camera for row in rows], base) as addition:
        outcome = editor.edit(addition, who, revision, only_check=only_check)
        addition.kept = not only_check and outcome.result in ("done", "not_taken")
    return outcome


def _reports(rows: Sequence[TableRow], faults: dict[int, list[str]]) -> tuple[RowReport, ...]:
    return tuple(RowReport(row.number, row.name, tuple(faults[row.number])) for row in rows)
