"""Cameras are tried, added and taken from spreadsheets: over the API and by commands."""

from __future__ import annotations

import base64
import io
import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openpyxl  # type: ignore[import-untyped]
import pytest
import yaml

import cityeye.cli
from cityeye.camera_probe import probe_camera
from cityeye.cli import main
from cityeye.config import load_config, tried_camera
from pipelines.access import Scope
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.cityeye.editing.city import CITY, Caller, City

POND = {
    "id": "pond",
    "source": "rtsp://10.0.0.9/1",
    "username": "viewer",
    "password": "hunter9",
    "tasks": {"crowding": {"model": "crowding"}},
}
TABLE = """\
id,name,source,username,password,lon,lat,tasks
pond,Pond,rtsp://10.0.0.9/1,viewer,hunter9,103.8,30.4,crowding
lake,Lake,rtsp://10.0.0.10/1,,,,,"traffic,littering"
"""


def secrets_of(city: City) -> list[Path]:
    return sorted((city.file.parent / "secrets").glob("*"))


def imported(engineer: Caller, content: bytes, query: str = "") -> tuple[int, Any]:
    kind = "text/csv"
    if content.startswith(b"PK"):
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    headers = {**engineer.headers, "Content-Type": kind}
    answer = engineer.client.post(f"/cameras/import{query}", content=content, headers=headers)
    assert "hunter" not in answer.text
    return answer.status_code, answer.json()


def test_a_camera_is_added_with_its_password_in_a_file_of_its_own(engineer, city):
    status, answer = engineer.send("POST", "/cameras", {"cameras": [POND]})
    assert (status, answer["lines"]) == (200, ["camera pond: added"])
    assert "hunter9" not in city.text
    (secret,) = secrets_of(city)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert f"password_file: secrets/{secret.name}" in city.text
    credentials = city.given[-1]["pond"].camera.credentials
    assert credentials is not None
    assert credentials.password == "hunter9"
    assert city.text.startswith(CITY.partition("hub:")[0])
    assert engineer.send("POST", "/config/undo", {})[0] == 200
    assert set(city.given[-1]) == {"gate", "yard"}


def test_a_check_leaves_nothing_behind(engineer, city):
    before = city.text
    status, answer = engineer.send("POST", "/cameras?check=1", {"cameras": [POND]})
    assert (status, answer["lines"]) == (200, ["camera pond: added"])
    assert (city.text, city.given, secrets_of(city)) == (before, [], [])


def test_a_camera_too_many_is_refused_and_leaves_nothing_behind(engineer, city):
    before, line = city.text, "this machine has no room for that: of the 1 new ones 0 fit"
    city.full = line
    for address in ("/cameras?check=1", "/cameras"):
        status, answer = engineer.send("POST", address, {"cameras": [POND]})
        assert (status, answer["detail"]) == (409, line)
    assert (city.text, city.given, secrets_of(city)) == (before, [], [])


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"id": "gate"}, 409, "there is a camera 'gate' already"),
        ({"id": "a/b"}, 409, "needs an id of letters"),
        ({"source": "rtsp://169.254.1.1/"}, 422, "cameras[2].source"),
        ({"source": "http://10.0.0.9/"}, 422, "cameras[2].source"),
        ({"tasks": {}}, 422, "cameras[2].tasks"),
        ({"tasks": {"crowding": {"model": "crowd"}}}, 422, "cameras[2].tasks.crowding.model"),
        ({"colour": "red"}, 422, "cameras[2].colour"),
        ({"password_file": "/etc/hostname"}, 409, "cannot be given here"),
    ],
)
def test_what_is_not_valid_leaves_nothing_behind(engineer, city, change, status, says):
    before = city.text
    got, answer = engineer.send("POST", "/cameras", {"cameras": [{**POND, **change}]})
    assert (got, says in answer["detail"]) == (status, True), answer
    assert (city.text, city.given, secrets_of(city)) == (before, [], [])


def test_a_spreadsheet_is_taken_as_a_whole(engineer, city):
    status, answer = imported(engineer, TABLE.encode(), "?check=1")
    assert (status, answer["rows"][0]) == (200, {"row": 2, "camera": "pond", "problems": []})
    assert (city.given, secrets_of(city)) == ([], [])
    book = openpyxl.Workbook()
    for line in TABLE.replace('"traffic,littering"', "traffic littering").splitlines():
        book.active.append(line.split(","))
    stream = io.BytesIO()
    book.save(stream)
    status, answer = imported(engineer, stream.getvalue())
    assert (status, answer["lines"]) == (200, ["camera pond: added", "camera lake: added"])
    assert set(city.given[-1]) == {"gate", "yard", "pond", "lake"}
    assert city.given[-1]["pond"].camera.place.lon == 103.8
    written = yaml.safe_load(city.text)["cameras"][3]
    assert written["tasks"] == {
        "traffic": {"model": "traffic"},
        "littering": {"model": "littering"},
    }


def test_every_row_that_is_wrong_is_named_and_none_is_taken(engineer, city):
    before = city.text
    rows = "yard,,rtsp://10.0.0.9/1,,,,,crowding\npool,,rtsp://h/,,,x,,crowding\n"
    rows += (
        "lake,,rtsp://h/,,,,,crowding\npark,,rtsp://h/,,,,,crowd\nquay,,rtsp://h/,,,200,,crowding\n"
    )
    status, answer = imported(engineer, (TABLE + rows).encode())
    problems = {one["row"]: one["problems"] for one in answer["rows"]}
    assert (status, problems[2], problems[3]) == (422, [], [])
    assert "has a camera with this id already" in problems[4][0]
    assert problems[5] == ["lon is no number"]
    assert problems[6] == ["row 3 has this id too"]
    assert problems[7][0].startswith("tasks.crowd")
    assert problems[8][0].startswith("place.lon")
    assert (city.text, city.given, secrets_of(city)) == (before, [], [])


def test_a_file_that_is_no_table(engineer):
    status, answer = imported(engineer, b"id,source\n")
    assert (status, answer["detail"]) == (422, "the table has no column tasks")


def test_only_engineers_add_and_try(client, city):
    operator = Caller(client, city.tokens, "Zhao", Scope.OPERATOR)
    assert operator.send("POST", "/cameras", {"cameras": [POND]})[0] == 403
    assert operator.send("POST", "/cameras/test", {"source": "rtsp://h/"})[0] == 403
    assert imported(operator, TABLE.encode())[0] == 403


@pytest.fixture
def stream(tiny_clip):
    users = {"viewer": "hunter9"}
    with RtspServerThread([Mount("gate", tiny_clip.path, users=users, auth="digest")]) as server:
        yield server.url("gate")


@pytest.mark.slow
def test_a_camera_is_tried_and_its_image_needs_a_reason(engineer, city, stream):
    given = {"source": stream, "username": "viewer", "password": "hunter9"}
    status, answer = engineer.send("POST", "/cameras/test", {**given, "reason": "aiming it"})
    assert (status, answer["good"], answer["codec"]) == (200, True, "h264")
    assert (answer["width"], answer["height"]) == (320, 180)
    assert 2.0 < answer["fps"] < 60.0
    jpeg = np.frombuffer(base64.b64decode(answer["jpeg"]), np.uint8)
    image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (180, 320, 3)
    admin = Caller(engineer.client, city.tokens, "chief", Scope.ADMIN)
    assert [(one["key"], one["reason"]) for one in admin.get("/audit")] == [
        ("tried/127.0.0.1", "aiming it")
    ]


@pytest.mark.slow
def test_why_a_camera_gives_nothing(engineer, stream):
    wrong = {"source": stream, "username": "viewer", "password": "hunter8"}
    status, answer = engineer.send("POST", "/cameras/test", wrong)
    assert (status, answer["good"], answer["jpeg"]) == (200, False, "")
    assert "login" in answer["sentence"] or "password" in answer["sentence"]
    status, answer = engineer.send("POST", "/cameras/test", {"source": "rtsp://127.0.0.1:9/"})
    assert (status, answer["good"]) == (200, False)
    status, answer = engineer.send("POST", "/cameras/test", {"source": "rtsp://169.254.169.254/"})
    assert (status, answer["problems"][0]["key"]) == (422, "source")


def test_a_decoder_that_dies_costs_the_trial_alone(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nkill -SEGV $$\n")
    program.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(program))
    report = probe_camera(tried_camera({"source": "rtsp://127.0.0.1:9/"}, None), with_image=False)
    assert (report.good, "ends the decoder" in report.sentence) == (False, True)


@pytest.fixture
def stopped(tmp_path, packages, monkeypatch) -> City:
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    monkeypatch.setenv("GATE_PASSWORD", "hunter2")
    return City(tmp_path, packages)


def command(capsys, *arguments: object) -> tuple[int, str]:
    status = main(["cameras", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert "hunter" not in out + err
    return status, out + err


def test_commands_change_the_file_of_a_city_that_does_not_run(stopped, capsys, tmp_path):
    table = tmp_path / "cameras.csv"
    table.write_text(TABLE)
    at = ("--config", stopped.file)
    status, said = command(capsys, "import", table, "--check", *at)
    assert (status, said.splitlines()[-1]) == (0, "2 rows are all right; nothing was changed")
    assert command(capsys, "import", table, *at) == (0, "camera pond: added\ncamera lake: added\n")
    assert command(capsys, "remove", "lake", *at) == (0, "camera lake: removed\n")
    password = tmp_path / "password"
    password.write_text("hunter7\n")
    login = ("--username", "viewer", "--password-file", password)
    added = command(capsys, "add", "quay", "rtsp://10.0.0.11/", "--task", "traffic", *login, *at)
    assert added == (0, "camera quay: added\n")
    config = load_config(stopped.file, {"GATE_PASSWORD": "hunter2"})
    assert [one.id for one in config.settings.cameras] == ["gate", "yard", "pond", "quay"]
    status, said = command(capsys, "import", table, *at)
    assert (status, "row 2 (pond): the configuration has a camera with this id" in said) == (
        1,
        True,
    )


def test_commands_change_a_city_that_runs(city, capsys, monkeypatch):
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    assert command(capsys, "remove", "yard", "--config", city.file)[0] == 0
    assert set(city.given[-1]) == {"gate"}


@pytest.mark.slow
def test_the_command_tries_a_camera(stream, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    password = tmp_path / "password"
    password.write_text("hunter9\n")
    login = ("--username", "viewer", "--password-file", password)
    status, said = command(capsys, "test", stream, *login, "--image", tmp_path / "image.jpg")
    assert (status, said.startswith("h264, 320x180, first image after")) == (0, True)
    assert (tmp_path / "image.jpg").read_bytes().startswith(b"\xff\xd8")
    status, said = command(capsys, "test", "rtsp://127.0.0.1:9/")
    assert (status, "Traceback" in said) == (1, False)
