"""Cameras from spreadsheets: what is read, and what is said of rows that are wrong."""

from __future__ import annotations

import io
import zipfile

import openpyxl  # type: ignore[import-untyped]
import pytest

from cityeye.camera_table import MOST_ROWS, read_camera_table
from cityeye.errors import CommandError

HEAD = "id,name,source,username,password,lon,lat,tasks,fps\n"
ROW = 'pond,Pond,rtsp://10.0.0.9/1,viewer,hunter2,103.81,30.41,"littering, crowding",2\n'
POND = {
    "id": "pond",
    "name": "Pond",
    "source": "rtsp://10.0.0.9/1",
    "username": "viewer",
    "password": "hunter2",
    "place": {"lon": 103.81, "lat": 30.41},
    "tasks": {
        "littering": {"model": "littering", "fps": 2.0},
        "crowding": {"model": "crowding", "fps": 2.0},
    },
}


def workbook(*rows: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_text_of_any_spreadsheet_program(encoding, delimiter):
    cells = (HEAD + ROW).replace('"littering, crowding"', "littering|crowding")
    text = cells.replace(",", delimiter).replace("|", " ").replace("Pond", "荷塘")
    (row,) = read_camera_table(text.encode(encoding))
    assert (row.camera, row.number, row.faults) == ({**POND, "name": "荷塘"}, 2, ())
    assert "hunter2" not in repr(row)


def test_a_workbook_with_chinese_columns_and_numbers():
    content = workbook(
        ("编号", "名称", "地址", "经度", "纬度", "区划", "任务", ""),
        (7, "荷塘", "rtsp://10.0.0.9/1", 103.81, 30.41, 510118.0, "traffic=street/3", "note"),
        (None, None, None, None, None, None, None, None),
        ("yard", None, "rtsp://10.0.0.8/1", None, None, None, "crowding", None),
    )
    pond, yard = read_camera_table(content)
    assert pond.camera == {
        "id": "7",
        "name": "荷塘",
        "source": "rtsp://10.0.0.9/1",
        "place": {"lon": 103.81, "lat": 30.41, "division": "510118"},
        "tasks": {"traffic": {"model": "street/3"}},
    }
    assert (yard.number, yard.name) == (4, "yard")


@pytest.mark.parametrize("title", ["inference_source", "Sub-stream", "子码流"])
def test_a_smaller_stream_has_a_column_and_no_login_in_it(title):
    login = "viewer:hunter2@"
    table = f"id,source,{title},tasks\npond,rtsp://{login}h/1,rtsp://{login}h/2,traffic\n"
    (row,) = read_camera_table(table.encode())
    assert row.faults == ()
    assert (row.camera["source"], row.camera["inference_source"]) == ("rtsp://h/1", "rtsp://h/2")
    assert (row.camera["username"], row.camera["password"]) == ("viewer", "hunter2")
    other = table.replace(f"{login}h/2", "viewer:secret@h/2")
    (row,) = read_camera_table(other.encode())
    (fault,) = row.faults
    assert "holds a login" in fault
    assert "secret" not in repr(row.camera)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("pond,,,,,,,traffic,", "source is missing"),
        (",,rtsp://h/,,,,,traffic,", "id is missing"),
        ("pond,,rtsp://h/,,,east,,traffic,", "lon is no number"),
        ("pond,,rtsp://h/,,,,,,", "tasks is missing"),
        ("pond,,rtsp://viewer:hun/ter@h/,,,,,traffic,", "cannot be told from the path"),
    ],
)
def test_a_row_that_cannot_be_read_says_why(row, fault):
    (found,) = read_camera_table(f"{HEAD}{row}\n".encode())
    (said,) = found.faults
    assert fault in said
    assert "ter@" not in said


def test_a_login_in_the_address_is_taken_out_of_it():
    (row,) = read_camera_table(b"id,source,tasks\npond,rtsp://viewer:hunter2@h/1,traffic\n")
    assert (row.camera["source"], row.camera["password"]) == ("rtsp://h/1", "hunter2")


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * 70_000_000)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"id,source\n", "no column tasks"),
        (b"id,source,tasks,colour\n", "column 'colour' is unknown"),
        (b"id,source,tasks,camera\n", "column id is there twice"),
        (b"\xff\xfe\x00", "neither CSV"),
        (b"\x89PNG\r\n\x1a\n\0\0", "neither CSV"),
        (b"PK\x03\x04 no workbook", "cannot be read (BadZipFile)"),
        (("id,source,tasks\n" + "a,b,c\n" * (MOST_ROWS + 1)).encode(), "more than 5000 rows"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_words(content, says):
    with pytest.raises(CommandError) as refused:
        read_camera_table(content)
    assert says in str(refused.value)


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked():
    with pytest.raises(CommandError, match="unpacks to too much"):
        read_camera_table(bomb())
