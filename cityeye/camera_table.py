"""`read_camera_table`: cameras from a spreadsheet, CSV or XLSX, one row each.

The first row names the columns, in English or Chinese. What a row says is put into the form of the
configuration and checked there; what cannot be read at all is reported with its row.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cityeye.config import lifted_login
from cityeye.config.streams import SOURCE_KEYS
from cityeye.errors import CommandError

MOST_ROWS: Final = 5000
MOST_CELL_CHARS: Final = 2000
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_UNPACKED_BYTES: Final = 64 * 1024 * 1024
ZIP_BEGIN: Final = b"PK\x03\x04"
ENCODINGS: Final = ("utf-8-sig", "gb18030")
"""Spreadsheet programs in China write the second one."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("camera", "编号", "摄像头编号", "设备编号"),
    "name": ("名称", "摄像头名称", "点位名称"),
    "source": ("address", "url", "rtsp", "地址", "视频地址", "取流地址"),
    "inference_source": (
        "inference source",
        "sub stream",
        "sub-stream",
        "子码流",
        "子码流地址",
        "推理地址",
    ),
    "username": ("user", "login", "用户名", "账号"),
    "password": ("密码",),
    "lon": ("longitude", "经度"),
    "lat": ("latitude", "纬度"),
    "division": ("area code", "区划", "区划代码", "行政区划"),
    "tasks": ("task", "任务"),
    "fps": ("rate", "帧率"),
    "priority": ("优先级",),
    "transport": ("传输", "传输方式"),
    "signals": ("信号",),
}
"""Columns with other names of theirs."""

NEEDED: Final = ("id", "source", "tasks")
LISTED: Final = re.compile("[,;\uff0c\uff1b\u3001\\s]+")
NUMBERS: Final = frozenset({"lon", "lat", "fps"})


@dataclass(frozen=True, slots=True)
class TableRow:
    """One camera of a table.

    Attributes:
        number: The row in the spreadsheet, counted from 1.
        camera: As a configuration has it; it may hold a login and is never shown.
        faults: What cannot be read in the row.
    """

    number: int
    camera: Mapping[str, Any] = field(repr=False)
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The camera's id as the row has it."""
        return str(self.camera.get("id", ""))[:64]


def read_camera_table(content: bytes) -> tuple[TableRow, ...]:
    """The rows of a file, without empty ones.

    Raises:
        CommandError: It is neither CSV nor XLSX, is too large, or misses a column.
    """
    if len(content) > MOST_BYTES:
        raise CommandError(f"the file is larger than {MOST_BYTES // 2**20} MiB; split it")
    is_workbook = content.startswith(ZIP_BEGIN)
    lines = _rows_of_workbook(content) if is_workbook else _rows_of_text(content)
    numbered = [(n, one) for n, one in enumerate(lines, 1) if any(one)]
    if not numbered:
        raise CommandError("the table is empty; its first row names the columns")
    (_, head), *rest = numbered
    if len(rest) > MOST_ROWS:
        raise CommandError(f"the table has more than {MOST_ROWS} rows; split it")
    columns = _columns(head)
    return tuple(_row(number, dict(zip(columns, cells, strict=False))) for number, cells in rest)


def _rows_of_text(content: bytes) -> Iterator[list[str]]:
    for encoding in ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        try:
            yield from (
                [_clean(c) for c in row]
                for row in csv.reader(io.StringIO(text), delimiter=delimiter)
            )
        except csv.Error as error:
            raise CommandError(f"the file is no CSV: {error}") from None
        return
    raise CommandError("the file is neither CSV in UTF-8 or GB18030 nor XLSX; save it as one")


def _rows_of_workbook(content: bytes) -> Iterator[list[str]]:
    import openpyxl  # type: ignore[import-untyped]

    # The library raises whatever comes of a damaged file.
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(one.file_size for one in packed.infolist())
        if unpacked > MOST_UNPACKED_BYTES:
            raise CommandError("the workbook unpacks to too much; save the sheet alone")
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        rows = [
            [_clean(cell) for cell in row]
            for row in sheet.iter_rows(max_row=MOST_ROWS + 2, max_col=64, values_only=True)
        ]
    except CommandError:
        raise
    except Exception as error:
        raise CommandError(f"the workbook cannot be read ({type(error).__name__})") from None
    yield from rows


def _clean(cell: object) -> str:
    """A cell as text; a number that a spreadsheet has as 510118.0 is 510118."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()[:MOST_CELL_CHARS]


def _columns(head: Sequence[str]) -> list[str]:
    known = {one: name for name, others in COLUMNS.items() for one in (name, *others)}
    found: list[str] = []
    for title in head:
        name = known.get(title.lower().replace("_", " ").strip(), "" if not title else None)
        if name is None:
            listed = ", ".join(COLUMNS)
            raise CommandError(f"the column {title[:40]!r} is unknown; known columns: {listed}")
        if name and name in found:
            raise CommandError(f"the column {name} is there twice")
        found.append(name)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise CommandError(f"the table has no column {', '.join(missing)}")
    return found


def _row(number: int, cells: Mapping[str, str]) -> TableRow:
    said = {name: text for name, text in cells.items() if name and text}
    faults = [f"{name} is missing" for name in NEEDED if name not in said]
    numbers: dict[str, float] = {}
    for name in NUMBERS & said.keys():
        try:
            numbers[name] = float(said[name].replace(",", "."))
        except ValueError:
            faults.append(f"{name} is no number")
    texts = (*SOURCE_KEYS, "id", "name", "username", "password", "transport", "priority")
    camera: dict[str, Any] = {name: said[name] for name in texts if name in said}
    try:
        camera = lifted_login(camera)
    except CommandError as error:
        faults.append(str(error))
        camera = {name: one for name, one in camera.items() if name not in SOURCE_KEYS}
    place: dict[str, Any] = {name: numbers[name] for name in ("lon", "lat") if name in numbers}
    if "division" in said:
        place["division"] = said["division"]
    if place:
        camera["place"] = place
    if "signals" in said:
        camera["signals"] = _listed(said["signals"])
    rate = {"fps": numbers["fps"]} if "fps" in numbers else {}
    camera["tasks"] = {
        task: {"model": model or task, **rate}
        for task, _, model in (one.partition("=") for one in _listed(said.get("tasks", "")))
    }
    return TableRow(number, camera, tuple(faults))


def _listed(text: str) -> list[str]:
    return [one for one in LISTED.split(text) if one]


def repeated_ids(rows: Iterable[TableRow]) -> dict[int, str]:
    """Faults of rows whose id an earlier row has, by number of the row."""
    first: dict[str, int] = {}
    faults: dict[int, str] = {}
    for row in rows:
        if row.name in first:
            faults[row.number] = f"row {first[row.name]} has this id too"
        elif row.name:
            first[row.name] = row.number
    return faults
